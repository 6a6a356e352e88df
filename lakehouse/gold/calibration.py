"""gold/calibration: how often each model version's answer is right, by its confidence; what the estimate stands on.

The lakehouse does not learn it; it keeps and applies it. A calibration is a row: probabilities of being right at the
confidences 0, 1/n, …, 1, with straight lines between. Of numbers it says how far off they are, by trees over the
features and the answer.
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


OF_NUMBERS = SmallTable(
    CALIBRATION,
    (
        column("model_version", "string"),
        column("metric", "string", "error that is estimated"),
        column("method", "string", "boosted trees, or constant where there were too few rows for them"),
        column("rows", "long", "held-out rows it was learnt on"),
        column("error", "double", "realised on those rows"),
        column("standard_error", "double", "of the mean loss of those rows"),
        column("spread", "double", "standard deviation of a row's loss about what is expected of it"),
        column("trees", "string", "the trees in JSON: loss to expect by features and answer"),
    ),
    key=("model_version",),
    comment="How far off a model version is, by features and answer",
)


@dataclass(frozen=True)
class CalibrationRow:
    """One model version's calibration, in the table's columns."""

    model_version: str
    method: str
    rows: int
    accuracy: float
    standard_error: float
    knots: tuple[float, ...]


@dataclass(frozen=True)
class ErrorCalibrationRow:
    """The same of numbers."""

    model_version: str
    metric: str
    method: str
    rows: int
    error: float
    standard_error: float
    spread: float
    trees: str


def error_calibrations(use_case: UseCase) -> dict[str, ErrorCalibrationRow]:
    """Model version -> its calibration by the error that the contract has watched; of another one it is not known."""
    found = (ErrorCalibrationRow(**row) for row in read_lake_records(use_case, TABLE.name))
    return {row.model_version: row for row in found if row.metric == use_case.contract.gate.watched_error}


def calibrations(lake: Lake) -> "DataFrame | None":
    """The table, for Spark to join with; None while nothing was calibrated."""
    return lake.frame(CALIBRATION) if table_exists(lake.table(CALIBRATION)) else None


def calibrated_versions(use_case: UseCase) -> set[str]:
    """Model versions that have a calibration."""
    if use_case.contract.label.task == "regression":
        return set(error_calibrations(use_case))
    return {row["model_version"] for row in read_lake_records(use_case, TABLE.name)}


def answering_versions(use_case: UseCase) -> set[str]:
    """Model versions that were asked, as far as gold/performance knows."""
    return {row["model_version"] for row in read_lake_records(use_case, PERFORMANCE)} - {""}


def write_calibrations(use_case: UseCase, rows: Sequence[CalibrationRow | ErrorCalibrationRow]) -> None:
    """Add calibrations; a version that has one keeps it, but of numbers one by another error."""
    if rows:
        is_number = use_case.contract.label.task == "regression"
        with tables_held(use_case):
            merge_rows(
                use_case, OF_NUMBERS if is_number else TABLE, [asdict(row) for row in rows], keep_old=not is_number
            )


def periods_to_estimate(use_case: UseCase) -> set[str]:
    """Periods whose model is calibrated and whose answers still have no estimate."""
    contract, calibrated = use_case.contract, calibrated_versions(use_case)
    is_number = contract.label.task == "regression"
    estimate = f"estimated_{contract.gate.watched_error}" if is_number else "estimated_accuracy"
    return {
        row[contract.period_column]
        for row in read_lake_records(use_case, PERFORMANCE)
        if row["model_version"] in calibrated and _lacks(row, estimate)
    }


def _lacks(row: Mapping[str, Any], estimate: str) -> bool:
    """A table made before, or by another error, has no such column: then every period lacks it."""
    if estimate not in row:
        return True
    return row[estimate] is None and row["answered"] > row["rules"]


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
