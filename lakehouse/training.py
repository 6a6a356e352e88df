"""gold/training: features joined with ground truth and label, one row a key."""

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.feature_rows import SilverTables
from lakehouse.gold_changes import Changes, joined_ranges, within
from lakehouse.layout import TRAINING, table_path
from lakehouse.metrics import MergeCounts, last_operation, merge_counts
from lakehouse.schema import constraints, create_table, literal, quoted, training_columns
from lakehouse.silver import differs
from lakeloop.contract import Contract, LabelClass
from lakeloop.settings import Settings


def class_id(contract: Contract) -> Column:
    """The label's class id as an expression; the same as `Contract.label.class_id`."""
    truth = sf.col(quoted(contract.label.column))
    classes = list(enumerate(contract.label.classes))
    otherwise = next((i for i, c in classes if c.when is None), -1)
    chain = sf.when(sf.lit(False), otherwise)
    for i, label_class in classes:
        if label_class.when is not None:
            chain = chain.when(_holds(label_class, truth), i)
    return chain.otherwise(otherwise).cast("int")


def _holds(label_class: LabelClass, truth: Column) -> Column:
    when = label_class.when
    if when is None:
        raise ValueError(f"class {label_class.name} has no condition")
    if when.equals is not None:
        return truth == sf.lit(when.equals)
    return truth > sf.lit(when.above) if when.above is not None else truth < sf.lit(when.below)


def training_rows(
    features: DataFrame, truth: DataFrame | None, contract: Contract, unlabelled: bool = False
) -> DataFrame:
    """Features joined with the ground truth by key (`truth` None: it is in the same table) and labelled.

    `unlabelled`: rows without truth stay, their truth and label are null.
    """
    key, label = contract.key.column, contract.label
    how = "left" if unlabelled else "inner"
    joined = features if truth is None else features.join(truth.select(quoted(key), quoted(label.column)), key, how)
    class_of = class_id(contract)
    if unlabelled:
        class_of = sf.when(sf.col(quoted(label.column)).isNotNull(), class_of)
    name_of = sf.get(sf.array(*(sf.lit(name) for name in label.class_names)), sf.col(quoted(label.name)))
    labelled = joined.withColumn(label.name, class_of).withColumn(label.name_column, name_of)
    return labelled.select(*map(quoted, training_column_names(contract)))


def training_column_names(contract: Contract) -> tuple[str, ...]:
    """Columns of gold's training table, in order."""
    label = contract.label
    return (
        contract.key.column, contract.event_time.column, *contract.features, label.column, label.name, label.name_column
    )  # fmt: skip


def create_training(spark: SparkSession, contract: Contract, settings: Settings, replace: bool = False) -> None:
    """The training table with the contract's types and limits; `replace` as for `create_table`."""
    label, month = contract.label, contract.event_time.column
    checks = constraints(contract, {**contract.columns_of(contract.feature_source), label.column: label.truth})
    create_table(
        spark,
        table_path(settings, "gold", TRAINING),
        training_columns(contract),
        comment=f"{contract.title}: features with ground truth, one row a {contract.key.column}",
        checks=checks,
        partition=month,
        statistics=(contract.key.column,),
        replace=replace,
    )


def load_training(spark: SparkSession, contract: Contract, silver: SilverTables, path: str) -> MergeCounts:
    """The first run: everything. Where the progress file was lost, the same rows are merged instead of appended."""
    features, truth = silver.features_and_truth(contract)
    rows = training_rows(features, truth, contract)
    table = DeltaTable.forPath(spark, path)
    if table.toDF().isEmpty():
        if features.isEmpty() or silver.truth.isEmpty():
            return MergeCounts()
        rows.write.format("delta").mode("append").save(path)
        return MergeCounts(inserted=int(last_operation(table)["numOutputRows"]))
    return _merge(table, rows.withColumn("_gone", sf.lit(False)), contract, None)


def update_training(
    spark: SparkSession, contract: Contract, silver: SilverTables, changes: Changes, path: str
) -> tuple[MergeCounts, set[str]]:
    """Join the changed keys again; what that changed, and every month that may have changed with it."""
    if not changes.ranges:
        return MergeCounts(), changes.months
    rows = affected_rows(changes, silver, contract).persist()
    try:
        found = rows.groupBy(quoted(contract.event_time.column)).agg(sf.sum((~sf.col("_gone")).cast("int"))).collect()
        months = changes.months | {row[0] for row in found if row[0] is not None}
        if not any(row[1] for row in found) and changes.only_new:
            return MergeCounts(), months
        return _merge(DeltaTable.forPath(spark, path), rows, contract, months), months
    finally:
        rows.unpersist()


def affected_rows(changes: Changes, silver: SilverTables, contract: Contract) -> DataFrame:
    """What training should hold for every changed key; `_gone`: nothing, since features or truth are missing."""
    key = contract.key.column
    ranges = joined_ranges([r for ranges in changes.ranges.values() for r in ranges])
    features, truth = silver.where(within(key, ranges)).features_and_truth(contract)
    keys = changes.keys.where("key IS NOT NULL").select(sf.col("key").alias(key)).distinct()
    month = features.select(quoted(key), sf.col(quoted(contract.event_time.column)).alias("_month"))
    rows = keys.join(training_rows(features, truth, contract), key, "left").join(month, key, "left")
    event_time = quoted(contract.event_time.column)
    rows = rows.withColumn("_gone", sf.col(quoted(contract.label.name)).isNull())
    return rows.withColumn(contract.event_time.column, sf.coalesce(event_time, "_month")).drop("_month")


def _merge(table: DeltaTable, rows: DataFrame, contract: Contract, months: set[str] | None) -> MergeCounts:
    key, month = quoted(contract.key.column), quoted(contract.event_time.column)
    condition = f"target.{key} = new.{key}"
    if months:
        condition += f" AND target.{month} IN ({', '.join(literal(m) for m in sorted(months))})"
    columns = list(training_column_names(contract))
    values: dict[str, str | Column] = {quoted(c): f"new.{quoted(c)}" for c in columns}
    return merge_counts(
        table.alias("target")
        .merge(rows.alias("new"), condition)
        .whenMatchedDelete("new._gone")
        .whenMatchedUpdate(differs(columns), values)
        .whenNotMatchedInsert("NOT new._gone", values)
        .execute()
    )
