"""gold/drift: what each window of requests was found to be, a row a column and one for the data as a whole.

Made from the store of drift reports (`lakeloop.drift_store`) for SQL and notebooks; the platform itself reads that.
"""

from collections.abc import Iterable

from lakehouse.storage.lock import tables_held
from lakehouse.storage.small_tables import SmallTable, among, column, merge_rows
from lakeloop.drift_report import DriftReport, WindowKind
from lakeloop.drift_rows import DATASET, rows_of
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase

DRIFT = "gold/drift"
KEY = ("model_version", "kind", "month", "first", "column_kind", "column")
COLUMNS = (
    column("model_version", "string", "pushed version whose training rows are the reference"),
    column("kind", "string", "how the window was cut: month, a period of event time; tumbling, windows of n requests"),
    column("month", "string", "name of the period of event time that the window lies in"),
    column("first", "string", "event time of the first request, ISO 8601 in UTC"),
    column("last", "string", "event time of the last request"),
    column("rows", "long", "requests in the window"),
    column("column_kind", "string", "feature, missing share (a feature's), prediction, confidence, or dataset: all"),
    column("column", "string", "name of the feature; prediction; confidence; dataset"),
    column("test", "string", "drift test; of the dataset: share of drifted features"),
    column(
        "score", "double", "the test's score, or the share; null where it could not be computed: see note",
        nullable=True,
    ),
    column("threshold", "double", "score from which it is drift (ks: up to which)", nullable=True),
    column("drifted", "boolean"),
    column("note", "string", "what was special: missing values, unseen categories, why there is no score"),
    column("state", "string", "of the window: stable, drift, too few rows, no reference"),
    column("reason", "string", "why the window could not be measured"),
    column("drifted_columns", "integer", "features of the window that drifted"),
    column("columns", "integer", "features that were measured"),
    column("sampled_rows", "long", "requests taken of a larger window; null: all", nullable=True),
    column("standard_error", "double", "largest error of a score that sampling brings", nullable=True),
    column("reference", "string", "what it was measured against: train, last_good or sliding", nullable=True),
    column("reference_periods", "string", "periods whose requests that was; '' of training rows", nullable=True),
    column("reference_rows", "long", "requests it was measured against; null: training rows", nullable=True),
    column("reference_note", "string", "why training rows, where the contract says otherwise", nullable=True),
    column("judged_from", "string", "hash of requests, reference and tests; the same: not measured again"),
)  # fmt: skip


Basis = tuple[str, str]
"""(model version, hash) of a report: what it was made from."""


def write_drift(use_case: UseCase, reports: Iterable[DriftReport], kind: WindowKind) -> None:
    """Bring the table to these reports, all there are on windows of one kind; rows of another kind stay as they are.

    Only periods that differ are written. Where none does nothing changes, not even the table's version.
    """
    by_period: dict[str, list[DriftReport]] = {}
    for report in reports:
        by_period.setdefault(report.window.period, []).append(report)
    with tables_held(use_case):
        there = _periods(use_case, kind)
        differing = {period for period, found in by_period.items() if there.get(period) != set(map(_basis, found))}
        if not differing:
            return
        table = SmallTable(DRIFT, COLUMNS, KEY, f"{use_case.contract.title}: drift of the requests, window by window")
        rows = [row for period in sorted(differing) for report in by_period[period] for row in rows_of(report)]
        these = f"{among('kind', [kind])} AND {among('month', differing)}"
        merge_rows(use_case, table, rows, replacing=these)


def _basis(report: DriftReport) -> Basis:
    return report.model_version, report.judged_from


def _periods(use_case: UseCase, kind: WindowKind) -> dict[str, set[Basis]]:
    """What the table's rows of each period were made from."""
    columns = ["month", "model_version", "judged_from"]
    rows = read_lake_table(use_case, DRIFT, columns, [("kind", "=", kind), ("column_kind", "=", DATASET)])
    found: dict[str, set[Basis]] = {}
    if rows is not None:
        for period, version, judged_from in rows.itertuples(index=False):
            found.setdefault(period, set()).add((version, judged_from))
    return found
