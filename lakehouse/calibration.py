"""gold/calibration: how often each model version's answer is right, by its confidence; what the estimate stands on.

The lakehouse does not learn it; it keeps and applies it. A calibration is a row: probabilities of being right at the
confidences 0, 1/n, …, 1, with straight lines between.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.layout import CALIBRATION, PERFORMANCE, table_exists, table_path, work_folder
from lakehouse.lock import in_turn
from lakehouse.schema import create_table, quoted
from lakeloop.contract import Contract
from lakeloop.settings import Settings

COLUMNS = (
    "model_version string NOT NULL, "
    "method string NOT NULL COMMENT 'curve that was fitted: platt, isotonic or constant', "
    "rows bigint NOT NULL COMMENT 'held-out rows it was learnt on', "
    "accuracy double NOT NULL COMMENT 'realised on those rows', "
    "standard_error double NOT NULL COMMENT 'of the mean estimate', "
    "knots array<double> NOT NULL COMMENT 'probability of being right at equidistant confidences from 0 to 1'"
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


def calibrations(spark: SparkSession, settings: Settings) -> DataFrame | None:
    """The table; None while nothing was calibrated."""
    path = table_path(settings, "gold", CALIBRATION)
    return spark.read.format("delta").load(path) if table_exists(spark, path) else None


def calibrated_versions(spark: SparkSession, settings: Settings) -> set[str]:
    """Model versions that have a calibration."""
    known = calibrations(spark, settings)
    return set() if known is None else {row[0] for row in known.select("model_version").collect()}


def answering_versions(spark: SparkSession, settings: Settings) -> set[str]:
    """Model versions that were asked, as far as gold/performance knows."""
    path = table_path(settings, "gold", PERFORMANCE)
    if not table_exists(spark, path):
        return set()
    rows = spark.read.format("delta").load(path).where("model_version != ''").select("model_version").distinct()
    return {row[0] for row in rows.collect()}


def write_calibrations(spark: SparkSession, settings: Settings, rows: Sequence[CalibrationRow]) -> None:
    """Add calibrations; a version that has one keeps it."""
    if not rows:
        return
    path = table_path(settings, "gold", CALIBRATION)
    with in_turn(work_folder(settings) / "tables.lock"):
        create_table(spark, path, COLUMNS, comment="How often a model version is right, by its confidence")
        table = DeltaTable.forPath(spark, path)
        schema = spark.read.format("delta").load(path).schema
        new = spark.createDataFrame([(*astuple(row)[:-1], list(row.knots)) for row in rows], schema)
        same = "target.model_version = new.model_version"
        table.alias("target").merge(new.alias("new"), same).whenNotMatchedInsertAll().execute()


def months_without_estimate(spark: SparkSession, contract: Contract, settings: Settings) -> set[str]:
    """Months whose model is calibrated and whose answers still have no estimate."""
    path, known = table_path(settings, "gold", PERFORMANCE), calibrations(spark, settings)
    if known is None or not table_exists(spark, path):
        return set()
    rows = spark.read.format("delta").load(path)
    if "estimated_accuracy" not in rows.columns:
        lacking = rows
    else:
        lacking = rows.where("estimated_accuracy IS NULL AND answered > rules")
    found = lacking.join(known, "model_version", "left_semi").select(quoted(contract.event_time.column)).distinct()
    return {row[0] for row in found.collect()}


def with_expectation(asked: DataFrame, calibration: DataFrame | None) -> DataFrame:
    """Requests with `_expected`, the probability that the answer is right (null without confidence or calibration),
    and `_calibration_error`, the calibration's standard error."""
    if calibration is None:
        nothing = sf.lit(None).cast("double")
        return asked.withColumn("_expected", nothing).withColumn("_calibration_error", nothing)
    known = calibration.select("model_version", sf.col("knots").alias("_knots"), sf.col("standard_error").alias("_se"))
    joined = asked.join(sf.broadcast(known), "model_version", "left")
    steps = sf.size("_knots") - 1
    place = sf.col("confidence") * steps
    below = sf.least(sf.floor(place).cast("int"), steps - 1)
    low, high = sf.get("_knots", below), sf.get("_knots", below + 1)
    expected = low + (high - low) * (place - below)
    return (
        joined.withColumn("_expected", expected).withColumn("_calibration_error", sf.col("_se")).drop("_knots", "_se")
    )
