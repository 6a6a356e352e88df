"""Windows of requests that were looked at: their reports, their rows, and TFDV's statistics when somebody asks."""

from pathlib import Path
from typing import Any

import pandas as pd

from lakehouse.storage.layout import PREDICTIONS_TABLE
from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import lake_reports
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.lake_tables import Filter, read_lake_table
from lakeloop.model_card import threshold_of
from lakeloop.use_case import UseCase
from monitoring.drift.attribution import VERSION, columns_of, requests_of_version, rows_of_version, version_of_unasked
from monitoring.drift.reference import NoReference, Reference, load_reference
from monitoring.drift.reference_windows import ChosenPeriods, reference_of_periods
from monitoring.drift.windows import AT


def find_window(use_case: UseCase, period: str, version: str = "") -> DriftReport:
    """One measured period; of several versions that answered in it, the one with most of its requests.

    Raises:
        NotFoundError: it was not measured; the text names the periods that were.
    """
    measured = lake_reports(use_case, version=version)
    found = [report for report in measured if report.window.period == period]
    if not found:
        of = f" for version {version}" if version else ""
        known = (
            ", ".join(dict.fromkeys(one.window.period for one in measured)) or "none; `lakeloop drift` measures them"
        )
        raise NotFoundError(f"{use_case.contract.period} {period} was not measured{of}; measured: {known}")
    return max(found, key=lambda report: (report.window.rows, report.model_version))


def reference_of_window(use_case: UseCase, version: str, period: str) -> Reference | NoReference:
    """What a period was measured against when it was; the training rows where it was not."""
    trained = load_reference(use_case, version)
    measured = [one for one in lake_reports(use_case, version=version) if one.window.period == period]
    if not measured or isinstance(trained, NoReference):
        return trained
    chosen = ChosenPeriods(measured[-1].reference_periods, measured[-1].reference_note)
    return reference_of_periods(use_case, trained, chosen)


def read_window(use_case: UseCase, version: str, period: str, first: str = "", last: str = "") -> pd.DataFrame:
    """The requests of a period that are measured against a version, as `rows_of_version` gives them.

    With `first` and `last` (ISO 8601) only requests between them count.

    Raises:
        NotFoundError: there are none; the text says what to do.
        WrongUseError: `first` or `last` is no moment, or stands alone.
    """
    contract = use_case.contract
    bounds = _bounds(first, last)
    filters: list[Filter] = [(contract.period_column, "=", period)]
    frame = read_lake_table(use_case, PREDICTIONS_TABLE, columns_of(contract), filters)
    if frame is not None:
        answered = {str(version): rows for version, rows in frame[VERSION].value_counts().items()}
        frame = requests_of_version(frame, version, not answered or version == version_of_unasked(answered))
    if frame is not None and bounds is not None:
        frame = frame[pd.to_datetime(frame[AT], utc=True, format="ISO8601").between(*bounds)]
    if frame is None or frame.empty:
        raise NotFoundError(
            f"silver/predictions has no request of {period} that version {version} answered; "
            "`lakeloop lake stream` brings the requests into the lake"
        )
    return rows_of_version(frame, contract, version, threshold_of(use_case, version))


def statistics_folder(use_case: UseCase, measured: DriftReport) -> Path:
    """Where a window's statistics are kept; another number of rows is another folder."""
    name = f"{measured.window.period}-{measured.window.rows}"
    return Path(use_case.settings.area("reports")) / use_case.name / "windows" / measured.model_version / name


def count_window(use_case: UseCase, measured: DriftReport) -> Path:
    """TFDV's statistics and anomalies of a window, against the schema of the model that answered it.

    What was counted before is not counted again. Imports TensorFlow as soon as all that it needs is there.

    Raises:
        NotFoundError: the window's requests or its model's run are not known any more.
    """
    folder = statistics_folder(use_case, measured)
    if folder.is_dir():
        return folder
    schema, trained = _trained_by(use_case, measured.model_version)
    rows = read_window(use_case, measured.model_version, measured.window.period)
    from tfx_pipeline.data_checks.window_statistics import write_window_statistics  # last: it takes six seconds

    return write_window_statistics(rows[list(use_case.contract.features)], schema, folder, trained)


def _bounds(first: str, last: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Both ends of a window in UTC; None: the whole period."""
    if not first and not last:
        return None
    wrong = f"a window goes from `first` to `last`, both as 2024-01-01T00:00:00Z; given: {first!r}, {last!r}"
    if not first or not last:
        raise WrongUseError(wrong)
    try:
        begin, end = (pd.to_datetime(text, utc=True, format="ISO8601") for text in (first, last))
    except ValueError:
        raise WrongUseError(wrong) from None
    return begin, end


def _trained_by(use_case: UseCase, version: str) -> tuple[Any, Any]:
    """The schema that a version was held to and the statistics of its training rows, {} where they are gone."""
    from tfx_pipeline.data_checks.schema_history import read_schema, schema_uri
    from tfx_pipeline.data_checks.statistics import read_statistics, statistics_uri
    from tfx_pipeline.metadata.lineage.models import model_of
    from tfx_pipeline.metadata.lineage.runs import run_graph, run_of_artifact
    from tfx_pipeline.metadata.store import open_store

    with open_store(use_case.settings) as store:
        known = model_of(store, use_case.name, version)
        graph = (
            None if known is None or known.model is None else run_graph(store, run_of_artifact(store, known.model.id))
        )
    if graph is None:
        raise NotFoundError(
            f"ML Metadata does not know the run of version {version}, and so not the schema it was held to"
        )
    try:
        schema = read_schema(schema_uri(graph))
    except FileNotFoundError as error:
        raise NotFoundError(f"the schema that version {version} was held to was removed: {error.filename}") from None
    try:
        return schema, read_statistics(statistics_uri(graph))["train"]
    except (NotFoundError, KeyError):
        return schema, {}
