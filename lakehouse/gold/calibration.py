"""gold/calibration: how often each model version's answer is right, by its confidence; what the estimate stands on.

The lakehouse does not learn it; it keeps and applies it. A calibration is a row: probabilities of being right at the
confidences 0, 1/n, …, 1, with straight lines between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from deltalake.schema import ArrayType, PrimitiveType

from lakehouse.lake import Lake
from lakehouse.storage.layout import CALIBRATION, PERFORMANCE, table_exists
from lakehouse.storage.lock import tables_held
from lakehouse.storage.small_tables import SmallTable, column, merge_rows
from lakeloop.lake_tables import read_lake_records
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TABLE = SmallTable(
    CALIBRATION,
    (
        column("model_version", "string"),
        column("method", "string", "curve that was fitted: platt, isotonic or constant"),
        column("rows", "long", "held-out rows it was learnt on"),
        column("accuracy", "double", "realised on those rows"),
        column("standard_error", "double", "of the mean estimate"),
        column(
            "knots", ArrayType(PrimitiveType("double")),
            "probability of being right at equidistant confidences from 0 to 1",
        ),
    ),
    key=("model_version",),
    comment="How often a model version is right, by its confidence",
)  # fmt: skip


@dataclass(frozen=True)
class CalibrationRow:
    """One model version's calibration, in the table's columns."""

    model_version: str
    method: str
    rows: int
    accuracy: float
    standard_error: float
    knots: tuple[float, ...]


def calibrations(lake: Lake) -> "DataFrame | None":
    """The table, for Spark to join with; None while nothing was calibrated."""
    return lake.frame(CALIBRATION) if table_exists(lake.table(CALIBRATION)) else None


def calibrated_versions(use_case: UseCase) -> set[str]:
    """Model versions that have a calibration."""
    return {row["model_version"] for row in read_lake_records(use_case, TABLE.name)}


def answering_versions(use_case: UseCase) -> set[str]:
    """Model versions that were asked, as far as gold/performance knows."""
    return {row["model_version"] for row in read_lake_records(use_case, PERFORMANCE)} - {""}


def write_calibrations(use_case: UseCase, rows: Sequence[CalibrationRow]) -> None:
    """Add calibrations; a version that has one keeps it."""
    if rows:
        with tables_held(use_case):
            merge_rows(use_case, TABLE, [asdict(row) for row in rows], keep_old=True)


def periods_to_estimate(use_case: UseCase) -> set[str]:
    """Periods whose model is calibrated and whose answers still have no estimate; numbers have none."""
    if use_case.contract.label.task == "regression":
        return set()
    calibrated = calibrated_versions(use_case)
    return {
        row[use_case.contract.period_column]
        for row in read_lake_records(use_case, PERFORMANCE)
        if row["model_version"] in calibrated and _lacks_estimate(row)
    }


def _lacks_estimate(row: Mapping[str, Any]) -> bool:
    """An older release's table has no such column: then every period lacks it."""
    if "estimated_accuracy" not in row:
        return True
    return row["estimated_accuracy"] is None and row["answered"] > row["rules"]


def with_expectation(requests: "DataFrame", calibration: "DataFrame | None") -> "DataFrame":
    """Requests with `_expected`, the probability that the answer is right (null without confidence or calibration),
    and `_calibration_error`, the calibration's standard error."""
    from pyspark.sql import functions as sf

    if calibration is None:
        nothing = sf.lit(None).cast("double")
        return requests.withColumn("_expected", nothing).withColumn("_calibration_error", nothing)
    known = calibration.select("model_version", sf.col("knots").alias("_knots"), sf.col("standard_error").alias("_se"))
    joined = requests.join(sf.broadcast(known), "model_version", "left")
    steps = sf.size("_knots") - 1
    place = sf.col("confidence") * steps
    below = sf.least(sf.floor(place).cast("int"), steps - 1)
    low, high = sf.get("_knots", below), sf.get("_knots", below + 1)
    expected = low + (high - low) * (place - below)
    return (
        joined.withColumn("_expected", expected).withColumn("_calibration_error", sf.col("_se")).drop("_knots", "_se")
    )
