"""gold/drift: what each window of requests was found to be, a row a column and one for the data as a whole.

Written by what judges the windows; this module knows the table, not how drift is measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

import pandas as pd
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.layout import table_exists, table_path, work_folder
from lakehouse.lock import in_turn
from lakehouse.schema import create_table, literal, quoted
from lakehouse.silver import differs
from lakeloop.contract import Contract
from lakeloop.drift_row import DriftRow
from lakeloop.settings import Settings

DRIFT = "drift"
KEY = ("model_version", "kind", "month", "first", "column_kind", "column")


COLUMNS = {
    "model_version": "string NOT NULL COMMENT 'pushed version whose training rows are the reference'",
    "kind": "string NOT NULL COMMENT 'how the window was cut: month of event time, or tumbling windows of n requests'",
    "month": "string NOT NULL COMMENT 'YYYY-MM of event time that the window lies in'",
    "first": "string NOT NULL COMMENT 'event time of the first request, ISO 8601 in UTC'",
    "last": "string NOT NULL COMMENT 'event time of the last request'",
    "rows": "bigint NOT NULL COMMENT 'requests in the window'",
    "column_kind": "string NOT NULL COMMENT 'feature, prediction, or dataset: the window as a whole'",
    "column": "string NOT NULL COMMENT 'name of the feature; prediction; dataset'",
    "test": "string NOT NULL COMMENT 'drift test; of the dataset: share of drifted features'",
    "score": "double COMMENT 'the test\\'s score, or the share; null where it could not be computed: see note'",
    "threshold": "double COMMENT 'score from which it is drift (ks: up to which)'",
    "drifted": "boolean NOT NULL",
    "note": "string NOT NULL COMMENT 'what was special: missing values, unseen categories, why there is no score'",
    "state": "string NOT NULL COMMENT 'of the window: stable, drift, too few rows, no reference'",
    "reason": "string NOT NULL COMMENT 'why the window could not be judged'",
    "drifted_columns": "int NOT NULL COMMENT 'features of the window that drifted'",
    "columns": "int NOT NULL COMMENT 'features that were judged'",
    "sampled_rows": "bigint COMMENT 'requests taken of a larger window; null: all'",
    "standard_error": "double COMMENT 'largest error of a score that sampling brings'",
    "judged_from": "string NOT NULL COMMENT 'hash of requests, reference and tests; the same: not judged again'",
}  # fmt: skip
SPARK_TYPES = ", ".join(f"{quoted(name)} {text.split()[0]}" for name, text in COLUMNS.items())


def write_drift(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    rows: Sequence[DriftRow],
    kind: str,
    months: Iterable[str],
) -> None:
    """Make these the rows of these months' windows of one kind; other months and kinds stay as they are.

    The same rows again change nothing, not even the table's version.
    """
    path, listed = table_path(settings, "gold", DRIFT), sorted(set(months))
    if not listed:
        return
    with in_turn(work_folder(settings) / "tables.lock"):
        columns = ", ".join(f"{quoted(name)} {text}" for name, text in COLUMNS.items())
        create_table(spark, path, columns, comment=f"{contract.title}: drift of the requests, window by window")
        frame = pd.DataFrame([asdict(row) for row in rows], columns=[f.name for f in fields(DriftRow)], dtype=object)
        new = spark.createDataFrame(frame.astype(object).where(frame.notna(), None), SPARK_TYPES).coalesce(1)
        same = " AND ".join(f"target.{quoted(name)} = new.{quoted(name)}" for name in KEY)
        these = f"target.kind = {literal(kind)} AND target.month IN ({', '.join(map(literal, listed))})"
        (
            DeltaTable.forPath(spark, path)
            .alias("target")
            .merge(new.alias("new"), f"{same} AND {these}")
            .whenMatchedUpdateAll(differs([name for name in COLUMNS if name not in KEY]))
            .whenNotMatchedInsertAll()
            .whenNotMatchedBySourceDelete(these)
            .execute()
        )


def read_drift(spark: SparkSession, settings: Settings, kind: str = "month") -> list[DriftRow]:
    """All rows of windows of one kind in event order; [] where nothing was judged yet."""
    path = table_path(settings, "gold", DRIFT)
    if not table_exists(spark, path):
        return []
    found = spark.read.format("delta").load(path).where(f"kind = {literal(kind)}")
    names = [f.name for f in fields(DriftRow)]
    rows = [DriftRow(**row.asDict()) for row in found.select(*map(quoted, names)).collect()]
    return sorted(rows, key=lambda row: (row.month, row.first, row.model_version))
