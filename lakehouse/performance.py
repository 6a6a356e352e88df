"""gold/performance: how often the answers of a month were right, as far as their ground truth has come.

Beside what was realised stands what was to be expected of the model's own answers by their calibrated confidence
(gold/calibration), known at once. Answers of the rules have no confidence: they count in `rules_share`, and in
`accuracy` with all others.
"""

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.calibration import calibrations, with_expectation
from lakehouse.feature_rows import SilverTables
from lakehouse.gold_changes import within
from lakehouse.layout import PERFORMANCE, table_exists, table_path
from lakehouse.monthly import month_in
from lakehouse.schema import create_table, literal, quoted
from lakehouse.silver import differs
from lakehouse.training import class_id
from lakeloop.contract import Contract
from lakeloop.settings import Settings

COUNTS = {
    "answered": "requests answered",
    "rules": "answered by the rules",
    "with_truth": "whose ground truth is known",
    "correct": "of those, answered with the true class",
    "model_with_truth": "of with_truth, answered by the model itself",
    "model_correct": "of those, answered with the true class",
}
RATES = {
    "accuracy": "realised: correct / with_truth; null before any truth is known",
    "rules_share": "rules / answered",
    "mean_confidence": "mean highest probability where the model was asked",
    "model_accuracy": "realised by the model's own answers: model_correct / model_with_truth",
    "estimated_accuracy": "expected of the model's own answers by calibrated confidence; null without a calibration",
    "estimate_standard_error": "of the estimate: the calibration's own chance and the answers'",
    "estimate_error": "estimated minus realised, both over the model's own answers whose truth is known",
}


def performance_rows(
    asked: DataFrame, truth: DataFrame, contract: Contract, calibration: DataFrame | None = None
) -> DataFrame:
    """A row a month and model version ('' where no model was asked); counts add up over both."""
    key, month = contract.key.column, quoted(contract.event_time.column)
    known = truth.select(quoted(key), class_id(contract).alias("_truth"))
    right = (sf.col("class_id") == sf.col("_truth")).cast("int")
    own = sf.col("predictor_type") == "model"
    settled = own & sf.col("_truth").isNotNull()
    counted = (
        with_expectation(asked, calibration)
        .join(known, key, "left")
        .groupBy(month, sf.coalesce("model_version", sf.lit("")).alias("model_version"))
        .agg(
            sf.count("*").alias("answered"),
            sf.count_if(sf.col("predictor_type") == "rules").alias("rules"),
            sf.count("_truth").alias("with_truth"),
            sf.coalesce(sf.sum(right), sf.lit(0)).alias("correct"),
            sf.count_if(settled).alias("model_with_truth"),
            sf.coalesce(sf.sum(sf.when(own, right)), sf.lit(0)).alias("model_correct"),
            sf.avg("confidence").alias("mean_confidence"),
            sf.avg(sf.when(own, sf.col("_expected"))).alias("estimated_accuracy"),
            sf.avg(sf.when(settled, sf.col("_expected"))).alias("_expected_settled"),
            sf.max("_calibration_error").alias("_calibration_error"),
        )
    )
    estimate = sf.col("estimated_accuracy")
    chance = sf.try_divide(estimate * (1 - estimate), sf.col("answered") - sf.col("rules"))
    return (
        counted.withColumn("accuracy", sf.try_divide("correct", "with_truth"))
        .withColumn("rules_share", sf.col("rules") / sf.col("answered"))
        .withColumn("model_accuracy", sf.try_divide("model_correct", "model_with_truth"))
        .withColumn("estimate_standard_error", sf.sqrt(sf.pow("_calibration_error", sf.lit(2)) + chance))
        .withColumn("estimate_error", sf.col("_expected_settled") - sf.col("model_accuracy"))
        .select(month, "model_version", *COUNTS, *RATES)
    )


def update_performance(
    spark: SparkSession, contract: Contract, settings: Settings, silver: SilverTables, months: set[str] | None
) -> tuple[str, ...]:
    """Compute these months again, all of them for None; the months that were. Nothing where nothing was asked."""
    if silver.asked is None or (months is not None and not months):
        return ()
    asked, key = silver.asked, contract.key.column
    if months is not None and _has_other_columns(spark, contract, settings):
        months = None
    if months is not None:
        asked = asked.where(month_in(contract, months))
    low, high = asked.agg(sf.min(quoted(key)), sf.max(quoted(key))).collect()[0]
    truth = silver.truth.where(within(key, [(low, high)]) if low is not None else "false")
    known = calibrations(spark, settings)
    rows = performance_rows(asked, truth, contract, known).coalesce(1).persist()
    try:
        _write(spark, contract, settings, rows, months)
        month = quoted(contract.event_time.column)
        return tuple(sorted(row[0] for row in rows.select(month).distinct().collect()))
    finally:
        rows.unpersist()


def _has_other_columns(spark: SparkSession, contract: Contract, settings: Settings) -> bool:
    """Whether the table was made when it had other columns; then it is made anew, whole."""
    path = table_path(settings, "gold", PERFORMANCE)
    if not table_exists(spark, path):
        return False
    there = spark.read.format("delta").load(path).columns
    return there != [contract.event_time.column, "model_version", *COUNTS, *RATES]


def _write(
    spark: SparkSession, contract: Contract, settings: Settings, rows: DataFrame, months: set[str] | None
) -> None:
    path, month = table_path(settings, "gold", PERFORMANCE), contract.event_time.column
    counts = [f"{name} bigint NOT NULL COMMENT {literal(text)}" for name, text in COUNTS.items()]
    rates = [f"{name} double COMMENT {literal(text)}" for name, text in RATES.items()]
    names = [f"{quoted(month)} string NOT NULL", "model_version string NOT NULL COMMENT '\\'\\': no model was asked'"]
    comment = f"{contract.title}: how right the answers of each month were"
    create_table(spark, path, ", ".join([*names, *counts, *rates]), comment=comment, replace=months is None)
    target = month_in(contract, months, "target.") if months else "true"
    same = f"target.{quoted(month)} = new.{quoted(month)} AND target.model_version = new.model_version"
    (
        DeltaTable.forPath(spark, path)
        .alias("target")
        .merge(rows.alias("new"), f"{same} AND {target}")
        .whenMatchedUpdateAll(differs([*COUNTS, *RATES]))
        .whenNotMatchedInsertAll()
        .whenNotMatchedBySourceDelete(target)
        .execute()
    )
