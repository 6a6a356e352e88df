"""Which keys and months changed in silver since gold was last made, from the tables' change data feeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.layout import PREDICTIONS
from lakehouse.schema import literal, quoted
from lakeloop.contract import Contract

MAX_RANGES = 16
Range = tuple[str, str]


@dataclass(frozen=True)
class Changes:
    """Keys that changed in silver (column `key`), and what to read to see them all.

    `months`: old and new months of the changed rows and of every request with a changed key; `asked_months`: those
    of the requests alone. `only_new`: nothing was changed or removed.
    """

    keys: DataFrame
    ranges: dict[str, list[Range]]
    months: set[str]
    asked_months: set[str]
    only_new: bool


def read_changes(
    spark: SparkSession,
    contract: Contract,
    paths: dict[str, str],
    asked: DataFrame | None,
    done: dict[str, int],
    now: dict[str, int],
) -> Changes:
    """What changed from the versions `done` to `now`; `paths` and both by table. `keys` is persisted."""
    keys = reduce(
        DataFrame.unionAll,
        (
            _feed(spark, contract, source, path, done.get(source, -1) + 1, now[source])
            for source, path in paths.items()
            if done.get(source, -1) < now[source]
        ),
    ).persist()
    found = keys.groupBy("source", "version", "month").agg(sf.min("key"), sf.max("key"), sf.max("old")).collect()
    ranges: dict[str, list[Range]] = {}
    for source, _, _, low, high, _ in found:
        if low is not None:
            ranges.setdefault(source, []).append((low, high))
    ranges = {source: joined_ranges(r) for source, r in ranges.items()}
    asked_months = {month for source, _, month, *_ in found if source == PREDICTIONS}
    if asked is not None and ranges:
        asked_months |= _months_asked(contract, asked, keys, joined_ranges(r for rs in ranges.values() for r in rs))
    months = {row[2] for row in found if row[2]} | asked_months
    return Changes(keys, ranges, months, asked_months, not any(row[5] for row in found))


def _feed(spark: SparkSession, contract: Contract, source: str, path: str, first: int, last: int) -> DataFrame:
    key, month = quoted(contract.key.column), quoted(contract.event_time.column)
    feed = (
        spark.read.format("delta")
        .option("readChangeFeed", "true")
        .option("startingVersion", first)
        .option("endingVersion", last)
        .load(path)
    )
    return feed.select(
        sf.col(key).alias("key"),
        (sf.col(month) if source in (contract.feature_source, PREDICTIONS) else sf.lit("")).alias("month"),
        sf.lit(source).alias("source"),
        sf.col("_commit_version").alias("version"),
        (sf.col("_change_type") != "insert").alias("old"),
    )


def _months_asked(contract: Contract, asked: DataFrame, keys: DataFrame, ranges: list[Range]) -> set[str]:
    """Months of every request about a changed key: a row of training may have come from any of them."""
    key = contract.key.column
    changed = keys.where("key IS NOT NULL").select(sf.col("key").alias(key))
    rows = asked.where(within(key, ranges)).join(changed, key, "left_semi")
    return {row[0] for row in rows.select(quoted(contract.event_time.column)).distinct().collect()}


def joined_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Overlapping ranges as one; more than MAX_RANGES become one that spans them all."""
    result: list[Range] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result if len(result) <= MAX_RANGES else [(result[0][0], result[-1][1])]


def within(key: str, ranges: list[Range]) -> str:
    """The ranges as a condition with literals, by which Delta skips files."""
    return " OR ".join(f"({quoted(key)} >= {literal(a)} AND {quoted(key)} <= {literal(b)})" for a, b in ranges)
