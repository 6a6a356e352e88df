"""gold/drift: what each window of requests was found to be, a row a column and one for the data as a whole.

Written by what judges the windows; this module knows the table, not how drift is measured.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields

from lakehouse.storage.layout import work_folder
from lakehouse.storage.lock import in_turn
from lakehouse.storage.small_tables import SmallTable, among, column, merge_rows
from lakeloop.contract import Contract
from lakeloop.drift_row import DriftRow
from lakeloop.lake_tables import read_lake_records
from lakeloop.settings import Settings

DRIFT = "gold/drift"
KEY = ("model_version", "kind", "month", "first", "column_kind", "column")
COLUMNS = (
    column("model_version", "string", "pushed version whose training rows are the reference"),
    column("kind", "string", "how the window was cut: month of event time, or tumbling windows of n requests"),
    column("month", "string", "YYYY-MM of event time that the window lies in"),
    column("first", "string", "event time of the first request, ISO 8601 in UTC"),
    column("last", "string", "event time of the last request"),
    column("rows", "long", "requests in the window"),
    column("column_kind", "string", "feature, prediction, or dataset: the window as a whole"),
    column("column", "string", "name of the feature; prediction; dataset"),
    column("test", "string", "drift test; of the dataset: share of drifted features"),
    column(
        "score", "double", "the test's score, or the share; null where it could not be computed: see note",
        nullable=True,
    ),
    column("threshold", "double", "score from which it is drift (ks: up to which)", nullable=True),
    column("drifted", "boolean"),
    column("note", "string", "what was special: missing values, unseen categories, why there is no score"),
    column("state", "string", "of the window: stable, drift, too few rows, no reference"),
    column("reason", "string", "why the window could not be judged"),
    column("drifted_columns", "integer", "features of the window that drifted"),
    column("columns", "integer", "features that were judged"),
    column("sampled_rows", "long", "requests taken of a larger window; null: all", nullable=True),
    column("standard_error", "double", "largest error of a score that sampling brings", nullable=True),
    column("judged_from", "string", "hash of requests, reference and tests; the same: not judged again"),
)  # fmt: skip


def write_drift(
    contract: Contract, settings: Settings, rows: Sequence[DriftRow], kind: str, months: Collection[str]
) -> None:
    """Make these the rows of these months' windows of one kind; other months and kinds stay as they are.

    The same rows again change nothing, not even the table's version.
    """
    if not months:
        return
    table = SmallTable(DRIFT, COLUMNS, KEY, f"{contract.title}: drift of the requests, window by window")
    these = f"{among('kind', [kind])} AND {among('month', months)}"
    with in_turn(work_folder(settings) / "tables.lock"):
        merge_rows(settings, table, [asdict(row) for row in rows], replacing=these)


def read_drift(settings: Settings, kind: str = "month") -> list[DriftRow]:
    """All rows of windows of one kind in event order; [] where nothing was judged yet."""
    names = [field.name for field in fields(DriftRow)]
    found = read_lake_records(settings, DRIFT, [("kind", "=", kind)])
    rows = [DriftRow(**{name: row[name] for name in names}) for row in found]
    return sorted(rows, key=lambda row: (row.month, row.first, row.model_version))
