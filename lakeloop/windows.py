"""The windows of requests that were judged, and TFDV's statistics of one, counted when somebody asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakeloop.contract import Contract
from lakeloop.errors import NotFound
from lakeloop.lake_tables import read_lake_records
from lakeloop.settings import Settings
from monitoring.answered_rows import read_window
from monitoring.reference import PREDICTION

DATASET, FEATURE = "dataset", "feature"


@dataclass(frozen=True)
class JudgedWindow:
    """One window of gold/drift. `scores`: column -> (score or None, threshold, whether it drifted)."""

    month: str
    version: str
    rows: int
    state: str
    reason: str
    share: float | None
    scores: Mapping[str, tuple[float | None, float, bool]]


def judged_windows(settings: Settings, version: str = "") -> tuple[JudgedWindow, ...]:
    """The months that were judged, in event order; of one version or of all."""
    filters: list[tuple[str, str, object]] = [("kind", "=", "month")]
    if version:
        filters.append(("model_version", "=", version))
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in read_lake_records(settings, "gold/drift", filters):
        grouped.setdefault((row["month"], row["model_version"]), []).append(row)
    return tuple(_window(rows) for _, rows in sorted(grouped.items()))


def find_window(settings: Settings, month: str, version: str = "") -> JudgedWindow:
    """One judged month; of several versions that answered in it, the one with most of its requests.

    Raises:
        NotFound: it was not judged; the text names the months that were.
    """
    judged = judged_windows(settings, version)
    found = [window for window in judged if window.month == month]
    if not found:
        of = f" for version {version}" if version else ""
        known = ", ".join(dict.fromkeys(window.month for window in judged)) or "none; `lakeloop drift` judges them"
        raise NotFound(f"month {month} was not judged{of}; judged: {known}")
    return max(found, key=lambda window: (window.rows, window.version))


def statistics_folder(settings: Settings, window: JudgedWindow) -> Path:
    """Where a window's statistics are kept; another number of rows is another folder."""
    name = f"{window.month}-{window.rows}"
    return Path(settings.area("reports")) / settings.use_case / "windows" / window.version / name


def count_window(settings: Settings, contract: Contract, window: JudgedWindow) -> Path:
    """TFDV's statistics and anomalies of a window, against the schema of the model that answered it.

    What was counted before is not counted again. Imports TensorFlow: seconds.

    Raises:
        NotFound: the window's requests or its model's run are not known any more.
    """
    folder = statistics_folder(settings, window)
    if folder.is_dir():
        return folder
    from tfx_pipeline.window_statistics import write_window_statistics

    rows = read_window(settings, contract, window.version, window.month)
    return write_window_statistics(rows[list(contract.features)], _schema(settings, window.version), folder)


def _schema(settings: Settings, version: str) -> Any:
    from tfx_pipeline.lineage.models import model_of
    from tfx_pipeline.lineage.runs import run_graph, run_of_artifact
    from tfx_pipeline.metadata import open_store
    from tfx_pipeline.schema_history import read_schema, schema_uri

    with open_store(settings) as store:
        known = model_of(store, settings.use_case, version)
        graph = (
            None if known is None or known.model is None else run_graph(store, run_of_artifact(store, known.model.id))
        )
    if graph is None:
        raise NotFound(f"ML Metadata does not know the run of version {version}, and so not the schema it was held to")
    try:
        return read_schema(schema_uri(graph))
    except FileNotFoundError as error:
        raise NotFound(f"the schema that version {version} was held to was removed: {error.filename}") from None


def _window(rows: list[dict[str, Any]]) -> JudgedWindow:
    whole = next(row for row in rows if row["column_kind"] == DATASET)
    order = {FEATURE: 0, PREDICTION: 1}
    columns = sorted((row for row in rows if row is not whole), key=lambda row: order.get(row["column_kind"], 2))
    return JudgedWindow(
        month=whole["month"],
        version=whole["model_version"],
        rows=whole["rows"],
        state=whole["state"],
        reason=whole["reason"],
        share=whole["score"],
        scores={row["column"]: (row["score"], row["threshold"], row["drifted"]) for row in columns},
    )
