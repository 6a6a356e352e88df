"""The windows of requests that were judged, and TFDV's statistics of one, counted when somebody asks for them."""

from pathlib import Path
from typing import Any

from lakeloop.contract import Contract
from lakeloop.drift_row import DriftRow, WindowKind
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import read_lake_records
from lakeloop.settings import Settings
from monitoring.answered_rows import read_window
from monitoring.verdict import Verdict
from operations.drift.rows import verdicts_of


def judged_windows(
    settings: Settings, contract: Contract, version: str = "", kind: WindowKind = "month"
) -> tuple[Verdict, ...]:
    """The windows that were judged, in event order; of one version or of all."""
    filters: list[tuple[str, str, object]] = [("kind", "=", kind)]
    if version:
        filters.append(("model_version", "=", version))
    rows = (DriftRow(**row) for row in read_lake_records(settings, "gold/drift", filters))
    return tuple(verdicts_of(rows, contract))


def find_window(settings: Settings, contract: Contract, month: str, version: str = "") -> Verdict:
    """One judged month; of several versions that answered in it, the one with most of its requests.

    Raises:
        NotFoundError: it was not judged; the text names the months that were.
    """
    judged = judged_windows(settings, contract, version)
    found = [verdict for verdict in judged if verdict.window.month == month]
    if not found:
        of = f" for version {version}" if version else ""
        known = ", ".join(dict.fromkeys(one.window.month for one in judged)) or "none; `lakeloop drift` judges them"
        raise NotFoundError(f"month {month} was not judged{of}; judged: {known}")
    return max(found, key=lambda verdict: (verdict.window.rows, verdict.model_version))


def statistics_folder(settings: Settings, judged: Verdict) -> Path:
    """Where a window's statistics are kept; another number of rows is another folder."""
    name = f"{judged.window.month}-{judged.window.rows}"
    return Path(settings.area("reports")) / settings.use_case / "windows" / judged.model_version / name


def count_window(settings: Settings, contract: Contract, judged: Verdict) -> Path:
    """TFDV's statistics and anomalies of a window, against the schema of the model that answered it.

    What was counted before is not counted again. Imports TensorFlow: seconds.

    Raises:
        NotFoundError: the window's requests or its model's run are not known any more.
    """
    folder = statistics_folder(settings, judged)
    if folder.is_dir():
        return folder
    from tfx_pipeline.data_checks.window_statistics import write_window_statistics

    rows = read_window(settings, contract, judged.model_version, judged.window.month)
    return write_window_statistics(rows[list(contract.features)], _schema(settings, judged.model_version), folder)


def _schema(settings: Settings, version: str) -> Any:
    from tfx_pipeline.data_checks.schema_history import read_schema, schema_uri
    from tfx_pipeline.metadata.lineage.models import model_of
    from tfx_pipeline.metadata.lineage.runs import run_graph, run_of_artifact
    from tfx_pipeline.metadata.store import open_store

    with open_store(settings) as store:
        known = model_of(store, settings.use_case, version)
        graph = (
            None if known is None or known.model is None else run_graph(store, run_of_artifact(store, known.model.id))
        )
    if graph is None:
        raise NotFoundError(
            f"ML Metadata does not know the run of version {version}, and so not the schema it was held to"
        )
    try:
        return read_schema(schema_uri(graph))
    except FileNotFoundError as error:
        raise NotFoundError(f"the schema that version {version} was held to was removed: {error.filename}") from None
