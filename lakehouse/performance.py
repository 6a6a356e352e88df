"""gold/performance: how often the answers of a month were right, as far as their ground truth has come."""

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.feature_rows import SilverTables
from lakehouse.gold_changes import within
from lakehouse.layout import PERFORMANCE, table_path
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
}
RATES = {
    "accuracy": "realised: correct / with_truth; null before any truth is known",
    "rules_share": "rules / answered",
    "mean_confidence": "mean highest probability where the model was asked",
}


def performance_rows(asked: DataFrame, truth: DataFrame, contract: Contract) -> DataFrame:
    """A row a month and model version ('' where no model was asked); counts add up over both."""
    key, month = contract.key.column, quoted(contract.event_time.column)
    known = truth.select(quoted(key), class_id(contract).alias("_truth"))
    right = (sf.col("class_id") == sf.col("_truth")).cast("int")
    counted = (
        asked.join(known, key, "left")
        .groupBy(month, sf.coalesce("model_version", sf.lit("")).alias("model_version"))
        .agg(
            sf.count("*").alias("answered"),
            sf.count_if(sf.col("predictor_type") == "rules").alias("rules"),
            sf.count("_truth").alias("with_truth"),
            sf.coalesce(sf.sum(right), sf.lit(0)).alias("correct"),
            sf.avg("confidence").alias("mean_confidence"),
        )
    )
    accuracy = sf.try_divide("correct", "with_truth").alias("accuracy")
    rules_share = (sf.col("rules") / sf.col("answered")).alias("rules_share")
    return counted.select(month, "model_version", *COUNTS, accuracy, rules_share, "mean_confidence")


def update_performance(
    spark: SparkSession, contract: Contract, settings: Settings, silver: SilverTables, months: set[str] | None
) -> tuple[str, ...]:
    """Compute these months again, all of them for None; the months that were. Nothing where nothing was asked."""
    if silver.asked is None or (months is not None and not months):
        return ()
    asked, key = silver.asked, contract.key.column
    if months is not None:
        asked = asked.where(month_in(contract, months))
    low, high = asked.agg(sf.min(quoted(key)), sf.max(quoted(key))).collect()[0]
    truth = silver.truth.where(within(key, [(low, high)]) if low is not None else "false")
    rows = performance_rows(asked, truth, contract).coalesce(1).persist()
    try:
        _write(spark, contract, settings, rows, months)
        month = quoted(contract.event_time.column)
        return tuple(sorted(row[0] for row in rows.select(month).distinct().collect()))
    finally:
        rows.unpersist()


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
