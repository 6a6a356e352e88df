"""Bronze -> silver: a stream that stops when it has read everything; typed, judged, one row a key, or a reject.

Within a file the first row of a key is kept and the others are rejected; between files the newer delivery wins.
Everything written is idempotent by key, so a batch that is replayed after a crash changes nothing.
"""

import logging
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as sf

from lakehouse.commit_note import commit_note
from lakehouse.judge import bad_rows, good_rows, is_good, rejects
from lakehouse.layout import (
    REJECTS,
    checkpoint_path,
    folder_exists,
    read_json,
    table_exists,
    table_path,
    work_folder,
    write_json,
)
from lakehouse.lock import SHARED_TABLES
from lakehouse.metrics import last_operation, merge_counts, table_version
from lakehouse.schema import constraints, create_table, literal, quoted, silver_columns
from lakeloop.contract import Contract
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
REJECTS_SCHEMA = (
    "source string, key string, file string COMMENT 'file it was delivered in', line bigint, reason string, "
    "raw string COMMENT 'delivered columns as JSON, or the line', batch bigint, rejected_at timestamp"
)
TOP_REASONS = 5


@dataclass
class SilverReport:
    """What one run changed in a source's silver table, and what it rejected (most frequent reasons first).

    `repeated`: records left out because their request id was there already.
    """

    inserted: int = 0
    updated: int = 0
    repeated: int = 0
    rejected: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Written:
    """Rows given to a table: new keys, keys whose values changed, and all of them."""

    inserted: int = 0
    updated: int = 0
    seen: int = 0


def refine(spark: SparkSession, contract: Contract, settings: Settings, source: str) -> SilverReport:
    """Bring everything new in bronze into silver; returns when nothing is left."""
    report = SilverReport()
    bronze = table_path(settings, "bronze", source)
    if not table_exists(spark, bronze):
        return report
    checkpoint = checkpoint_path(settings, source)
    read_to = progress_path(settings, source)
    version = table_version(spark, bronze)
    if read_json(read_to) == version and folder_exists(spark, checkpoint):
        return report
    create_silver(spark, contract, settings, source)
    # The stream tells which batches are new; their rows are then read column by column as needed, which a
    # foreachBatch frame cannot: it is a plain RDD, read whole each time it is used.
    stream = spark.readStream.format("delta").option("maxFilesPerTrigger", 1_000_000).load(bronze).select("_batch")
    query = (
        stream.writeStream.foreachBatch(lambda rows, _: _write_batch(rows, version, contract, settings, source, report))
        .option("checkpointLocation", checkpoint)
        .queryName(f"silver {settings.use_case} {source}")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    write_json(read_to, version)
    log.info("event=refined source=%s inserted=%d updated=%d rejected=%d", source, report.inserted, report.updated,
             report.rejected)  # fmt: skip
    return report


def progress_path(settings: Settings, source: str) -> Path:
    """The bronze version this source's silver was last made from, so that nothing starts where nothing is new."""
    return work_folder(settings) / source / "silver.json"


def create_silver(
    spark: SparkSession, contract: Contract, settings: Settings, source: str, replace: bool = False
) -> None:
    """The source's table with the contract's types and limits; `replace` as for `create_table`."""
    create_table(
        spark,
        table_path(settings, "silver", source),
        silver_columns(contract, source),
        comment=contract.sources[source].description,
        checks=constraints(contract, contract.columns_of(source)),
        change_feed=True,
        statistics=_looked_up_by(contract, source),
        replace=replace,
    )


def _looked_up_by(contract: Contract, source: str) -> tuple[str, ...]:
    """Columns that files can be skipped by; the others' lowest and highest say nothing in unsorted files."""
    names = (contract.key.column, contract.event_time.column)
    return (*(name for name in names if name in contract.sources[source].columns), "_batch")


def _write_batch(
    new: DataFrame, version: int, contract: Contract, settings: Settings, source: str, report: SilverReport
) -> None:
    """Write the batches named in `new` into silver; `version` is bronze's, for the commit's note."""
    key = contract.key.column
    batches = [row[0] for row in new.distinct().collect()]
    if not batches:
        return
    bronze = new.sparkSession.read.format("delta").load(table_path(settings, "bronze", source))
    rows = bronze.where(sf.col("_batch").isin(batches))
    count, doubles = count_keys(rows, key)
    clean, refused = good_rows(rows, contract, source), rejects(bad_rows(rows, contract, source), contract, source)
    if doubles:
        suspects = ranked_by_key(rows.where(is_good(contract, source)), key)
        refused = refused.unionByName(rejects(repeated_in_file(suspects, key), contract, source))
        clean = newest_by_key(ranked_by_key(clean, key))
    path = table_path(settings, "silver", source)
    columns = [*contract.sources[source].columns, "_source_file", "_batch"]
    with commit_note(rows.sparkSession, {"bronze": {source: version}, "batches": [min(batches), max(batches)]}):
        written = upsert(rows.sparkSession, path, clean.select(*map(quoted, columns)), key)
        report.inserted += written.inserted
        report.updated += written.updated
        if written.seen < count:
            write_rejects(refused, settings, source, report)


def count_keys(bronze: DataFrame, key: str) -> tuple[int, bool]:
    """Rows, and whether a key seems to stand in them twice.

    Reads one column and compares hashes: a collision, or a double that is bad anyway, only costs the longer way.
    """
    hashed = bronze.select(sf.xxhash64(quoted(key)).alias("hash"), quoted(key))
    counts = hashed.groupBy("hash").agg(sf.count("*").alias("rows"), sf.count(quoted(key)).alias("keys"))
    rows, most = counts.agg(sf.sum("rows"), sf.max("keys")).collect()[0]
    return rows or 0, (most or 0) > 1


def ranked_by_key(rows: DataFrame, key: str) -> DataFrame:
    """Rows with `_rank` (1: first of its key in its file), `_first` (that row's line), `_newer` (1: newest file)."""
    in_file = Window.partitionBy(quoted(key), "_delivery").orderBy("_line")
    over_files = Window.partitionBy(quoted(key)).orderBy(sf.col("_delivery").desc(), "_line")
    return rows.withColumns(
        {
            "_rank": sf.row_number().over(in_file),
            "_first": sf.first("_line").over(in_file),
            "_newer": sf.row_number().over(over_files),
        }
    )


def newest_by_key(ranked: DataFrame) -> DataFrame:
    """One row a key: of the newest file the first."""
    return ranked.where("_newer = 1").drop("_rank", "_first", "_newer")


def repeated_in_file(ranked: DataFrame, key: str) -> DataFrame:
    """The rows whose key stands earlier in the same file, with the reason."""
    reason = sf.concat(
        sf.lit("key "),
        sf.col(quoted(key)),
        sf.lit(" stands in line "),
        "_first",
        sf.lit(" and again here; the first is kept"),
    )
    return ranked.where("_rank > 1").withColumn("_reason", reason).drop("_rank", "_first", "_newer")


def upsert(spark: SparkSession, path: str, rows: DataFrame, key: str) -> Written:
    """Insert new keys, update rows whose values differ, leave the others untouched.

    The batch's lowest and highest key stand in the condition as literals: files outside are not even opened.
    """
    table = DeltaTable.forPath(spark, path)
    if table.toDF().isEmpty():
        rows.write.format("delta").mode("append").save(path)
        count = int(last_operation(table)["numOutputRows"])
        return Written(inserted=count, seen=count)
    seen, low, high = rows.agg(sf.count("*"), sf.min(quoted(key)), sf.max(quoted(key))).collect()[0]
    if not seen:
        return Written()
    target = f"target.{quoted(key)}"
    condition = f"{target} = new.{quoted(key)} AND {target} >= {literal(low)} AND {target} <= {literal(high)}"
    values = [name for name in rows.columns if not name.startswith("_")]
    merge = table.alias("target").merge(rows.alias("new"), condition)
    counts = merge_counts(merge.whenMatchedUpdateAll(differs(values)).whenNotMatchedInsertAll().execute())
    return Written(counts.inserted, counts.updated, seen)


def differs(columns: list[str]) -> Column:
    """Whether any of the columns differs between `target` and `new` in a MERGE."""
    same = [sf.col(f"target.{quoted(c)}").eqNullSafe(sf.col(f"new.{quoted(c)}")) for c in columns]
    return ~reduce(lambda a, b: a & b, same)


def write_rejects(rows: DataFrame, settings: Settings, source: str, report: SilverReport) -> None:
    """Add rows of `rejects`' columns that are not there yet, and their count and reasons to the report."""
    spark = rows.sparkSession
    path = table_path(settings, "silver", REJECTS)
    rows = rows.persist()
    try:
        counted = rows.groupBy("reason").count().orderBy(sf.desc("count"), "reason")
        found = rows.agg(sf.count("*"), sf.min("batch")).collect()[0]
        if not found[0]:
            return
        same = "old.source = new.source AND old.file = new.file AND old.line = new.line AND old.batch = new.batch"
        old = f"old.source = {literal(source)} AND old.batch >= {found[1]}"
        with SHARED_TABLES:
            create_table(spark, path, REJECTS_SCHEMA, comment="Rows that break the contract, each with the reason")
            merge = DeltaTable.forPath(spark, path).alias("old").merge(rows.alias("new"), f"{same} AND {old}")
            report.rejected += merge_counts(merge.whenNotMatchedInsertAll().execute()).inserted
        report.reasons += [(row["reason"], row["count"]) for row in counted.limit(TOP_REASONS).collect()]
    finally:
        rows.unpersist()
