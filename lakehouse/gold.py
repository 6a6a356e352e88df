"""Silver -> gold: `training` (features joined with ground truth and label) and `monthly` (averages of a month).

Incremental: silver's change feed names the keys that changed since the last run, and only those are joined again.
The progress file is written after both tables, and every write is idempotent, so a crash costs work, not rows.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.layout import MONTHLY, TRAINING, read_json, table_exists, table_path, work_folder, write_json
from lakehouse.metrics import MergeCounts, last_operation, merge_counts, table_version
from lakehouse.schema import constraints, create_table, literal, quoted, training_columns
from lakehouse.silver import differs
from lakeloop.contract import Contract, LabelClass
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
MAX_RANGES = 16


@dataclass(frozen=True)
class GoldReport:
    """Version of `training` after the run and what the run changed in it; `months`: those recomputed in `monthly`."""

    version: int | None = None
    added: int = 0
    updated: int = 0
    removed: int = 0
    months: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """Keys that changed in silver (column `key`), their old and new months, and what to read to see them all."""

    keys: DataFrame
    ranges: dict[str, list[tuple[str, str]]]
    months: set[str]
    only_new: bool


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


def training_rows(features: DataFrame, truth: DataFrame | None, contract: Contract) -> DataFrame:
    """Features joined with the ground truth by key (`truth` None: it is in the same table) and labelled."""
    key, label = contract.key.column, contract.label
    joined = features if truth is None else features.join(truth.select(quoted(key), quoted(label.column)), key)
    names = sf.array(*(sf.lit(name) for name in label.class_names))
    labelled = joined.withColumn(label.name, class_id(contract)).withColumn(
        label.name_column, names[sf.col(quoted(label.name))]
    )
    return labelled.select(*map(quoted, training_column_names(contract)))


def training_column_names(contract: Contract) -> tuple[str, ...]:
    """Columns of gold's training table, in order."""
    label = contract.label
    return (
        contract.key.column, contract.event_time.column, *contract.features, label.column, label.name, label.name_column
    )  # fmt: skip


def monthly_rows(features: DataFrame, training: DataFrame, contract: Contract) -> DataFrame:
    """A row a month: `rows`, `labelled`, `<feature>_mean`, `<truth>_mean` and `<class>_share` of the labelled rows."""
    month, label = contract.event_time.column, contract.label
    numeric = [name for name, feature in contract.features.items() if feature.role != "categorical"]
    delivered = features.groupBy(quoted(month)).agg(
        sf.count("*").alias("rows"), *(sf.avg(quoted(n)).alias(f"{n}_mean") for n in numeric)
    )
    truth_mean = [] if label.truth.type == "string" else [sf.avg(quoted(label.column)).alias(f"{label.column}_mean")]
    shares = [
        sf.avg((sf.col(quoted(label.name)) == i).cast("double")).alias(f"{name}_share")
        for i, name in enumerate(label.class_names)
    ]
    known = training.groupBy(quoted(month)).agg(sf.count("*").alias("labelled"), *truth_mean, *shares)
    return delivered.join(known, month, "left").select(
        quoted(month),
        "rows",
        sf.coalesce("labelled", sf.lit(0).cast("bigint")).alias("labelled"),
        *(quoted(c) for c in delivered.columns[2:]),
        *(quoted(c) for c in known.columns[2:]),
    )


def build_gold(spark: SparkSession, contract: Contract, settings: Settings) -> GoldReport:
    """Bring gold up to date with silver; nothing is read where silver did not change."""
    sources = list(dict.fromkeys([contract.feature_source, contract.label.source]))
    paths = {source: table_path(settings, "silver", source) for source in sources}
    training_path = table_path(settings, "gold", TRAINING)
    if not all(table_exists(spark, path) for path in paths.values()):
        return GoldReport(table_version(spark, training_path) if table_exists(spark, training_path) else None)
    create_training(spark, contract, settings)
    progress = progress_path(settings)
    done: dict[str, int] = read_json(progress) or {}
    now = {source: table_version(spark, path) for source, path in paths.items()}
    if done == now:
        return GoldReport(table_version(spark, training_path))
    silver = {s: spark.read.format("delta").option("versionAsOf", now[s]).load(paths[s]) for s in sources}
    with _commit_note(spark, now):
        if done:
            counts, months = _update(spark, contract, paths, silver, done, now, training_path)
        else:
            counts, months = _load(spark, contract, silver, training_path), None
        touched = _update_monthly(spark, contract, settings, silver, training_path, months)
    write_json(progress, now)
    version = table_version(spark, training_path)
    log.info("event=gold version=%d added=%d updated=%d removed=%d", version, counts.inserted, counts.updated,
             counts.deleted)  # fmt: skip
    return GoldReport(version, counts.inserted, counts.updated, counts.deleted, touched)


def progress_path(settings: Settings) -> Path:
    """The silver versions gold was last made from."""
    return work_folder(settings) / "gold.json"


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


def _split(contract: Contract, silver: dict[str, DataFrame]) -> tuple[DataFrame, DataFrame | None]:
    same = contract.label.source == contract.feature_source
    return silver[contract.feature_source], None if same else silver[contract.label.source]


def _load(spark: SparkSession, contract: Contract, silver: dict[str, DataFrame], path: str) -> MergeCounts:
    """The first run: everything. Where the progress file was lost, the same rows are merged instead of appended."""
    rows = training_rows(*_split(contract, silver), contract)
    table = DeltaTable.forPath(spark, path)
    if table.toDF().isEmpty():
        if any(frame.isEmpty() for frame in silver.values()):
            return MergeCounts()
        rows.write.format("delta").mode("append").save(path)
        return MergeCounts(inserted=int(last_operation(table)["numOutputRows"]))
    return _merge_training(table, rows.withColumn("_gone", sf.lit(False)), contract, None)


def _update(
    spark: SparkSession,
    contract: Contract,
    paths: dict[str, str],
    silver: dict[str, DataFrame],
    done: dict[str, int],
    now: dict[str, int],
    path: str,
) -> tuple[MergeCounts, set[str]]:
    changes = _changes(spark, contract, paths, done, now)
    try:
        if not changes.ranges:
            return MergeCounts(), changes.months
        rows = affected_rows(changes, silver, contract).persist()
        found = rows.groupBy(quoted(contract.event_time.column)).agg(sf.sum((~sf.col("_gone")).cast("int"))).collect()
        months = changes.months | {row[0] for row in found if row[0] is not None}
        live = sum(row[1] for row in found)
        if live == 0 and changes.only_new:
            counts = MergeCounts()
        else:
            counts = _merge_training(DeltaTable.forPath(spark, path), rows, contract, months)
        rows.unpersist()
        return counts, months
    finally:
        changes.keys.unpersist()


def _changes(
    spark: SparkSession, contract: Contract, paths: dict[str, str], done: dict[str, int], now: dict[str, int]
) -> Changes:
    key, month = contract.key.column, contract.event_time.column
    frames: list[DataFrame] = []
    months: set[str] = set()
    ranges: dict[str, list[tuple[str, str]]] = {}
    only_new = True
    for source, path in paths.items():
        if done.get(source, -1) >= now[source]:
            continue
        feed = (
            spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", done.get(source, -1) + 1)
            .option("endingVersion", now[source])
            .load(path)
        )
        has_month = source == contract.feature_source
        feed = feed.select(
            sf.col(quoted(key)).alias("key"),
            (sf.col(quoted(month)) if has_month else sf.lit("")).alias("month"),
            sf.lit(source).alias("source"),
            sf.col("_commit_version").alias("version"),
            (sf.col("_change_type") != "insert").alias("old"),
        )
        frames.append(feed)
    keys = reduce(DataFrame.unionAll, frames).persist()
    found = keys.groupBy("source", "version", "month").agg(sf.min("key"), sf.max("key"), sf.max("old")).collect()
    for source, _, name, low, high, old in found:
        ranges.setdefault(source, []).append((low, high))
        months |= {name} - {""}
        only_new &= not old
    return Changes(keys, {s: _joined(r) for s, r in ranges.items()}, months, only_new)


def _joined(ranges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Overlapping ranges as one; more than MAX_RANGES become one that spans them all."""
    result: list[tuple[str, str]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result if len(result) <= MAX_RANGES else [(result[0][0], result[-1][1])]


def affected_rows(changes: Changes, silver: dict[str, DataFrame], contract: Contract) -> DataFrame:
    """What training should hold for every changed key; `_gone`: nothing, since features or truth are missing."""
    key = contract.key.column
    within = _within(key, _joined([r for ranges in changes.ranges.values() for r in ranges]))
    features, truth = _split(contract, {source: rows.where(within) for source, rows in silver.items()})
    keys = changes.keys.select(sf.col("key").alias(key)).distinct()
    month = features.select(quoted(key), sf.col(quoted(contract.event_time.column)).alias("_month"))
    rows = keys.join(training_rows(features, truth, contract), key, "left").join(month, key, "left")
    event_time = quoted(contract.event_time.column)
    rows = rows.withColumn("_gone", sf.col(quoted(contract.label.name)).isNull())
    return rows.withColumn(contract.event_time.column, sf.coalesce(event_time, "_month")).drop("_month")


def _within(key: str, ranges: list[tuple[str, str]]) -> str:
    """The ranges as a condition with literals, by which Delta skips files."""
    return " OR ".join(f"({quoted(key)} >= {literal(a)} AND {quoted(key)} <= {literal(b)})" for a, b in ranges)


def _merge_training(table: DeltaTable, rows: DataFrame, contract: Contract, months: set[str] | None) -> MergeCounts:
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


def _update_monthly(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    silver: dict[str, DataFrame],
    training_path: str,
    months: set[str] | None,
) -> tuple[str, ...]:
    if months is not None and not months:
        return ()
    month, path = contract.event_time.column, table_path(settings, "gold", MONTHLY)
    features, training = silver[contract.feature_source], spark.read.format("delta").load(training_path)
    if months is not None:
        listed = f"{quoted(month)} IN ({', '.join(literal(m) for m in sorted(months))})"
        features, training = features.where(listed), training.where(listed)
    rows = monthly_rows(features, training, contract).coalesce(1).persist()
    try:
        present = {row[0] for row in rows.select(quoted(month)).collect()}
        columns = ", ".join(f"{quoted(f.name)} {f.dataType.simpleString()}" for f in rows.schema.fields)
        comment = f"{contract.title}: averages of each month"
        create_table(spark, path, columns, comment=comment, replace=months is None)
        table = DeltaTable.forPath(spark, path)
        names = [f for f in rows.columns if f != month]
        merge = table.alias("target").merge(rows.alias("new"), f"target.{quoted(month)} = new.{quoted(month)}")
        merge.whenMatchedUpdateAll(differs(names)).whenNotMatchedInsertAll().execute()
        if emptied := (months or set()) - present:
            table.delete(sf.col(quoted(month)).isin(*sorted(emptied)))
    finally:
        rows.unpersist()
    return tuple(sorted(present | (months or set())))


@contextmanager
def _commit_note(spark: SparkSession, versions: dict[str, int]) -> Iterator[None]:
    """Gold's commits carry the silver versions they were made from."""
    spark.conf.set(USER_METADATA, json.dumps({"silver": versions}, sort_keys=True))
    try:
        yield
    finally:
        spark.conf.unset(USER_METADATA)
