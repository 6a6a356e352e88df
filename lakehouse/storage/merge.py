"""Writes rows into a table by key: a MERGE, or an append where the table's log shows that no key can be there yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.storage.schema import quoted
from lakehouse.storage.table_log import Range, commits_after, files_at, overlap, version_of

COMPLETE = "_complete"
"""A column for `needed`: null in a row that is known and must not stand in the table."""


@dataclass(frozen=True)
class MergeCounts:
    """Rows that a write inserted, updated and deleted; `seen` were given to it, None where Delta did not count them."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seen: int | None = None


def append(path: str, rows: DataFrame, **options: str) -> MergeCounts:
    """Append rows; none at all make no commit."""
    before = version_of(path)
    rows.write.format("delta").mode("append").options(**options).save(path)
    commits = [] if before is None else commits_after(path, before)
    count = sum(commit.count("numOutputRows") for commit in commits)
    return MergeCounts(inserted=count, seen=count)


def upsert(
    path: str,
    rows: DataFrame,
    keys: Sequence[str],
    ranges: Sequence[Range] | None,
    compared: Sequence[str] | None = None,
    needed: str = "",
) -> MergeCounts:
    """Insert new keys, update rows that differ in a `compared` column (default: all), leave the others untouched.

    `ranges` is where the first key of `rows` lies (None: anywhere): files outside are not opened, and where the table
    has no file inside, nothing needs to be looked for. `needed` as for `merge`; the table does not have that column.
    """
    if not overlap(files_at(path) or [], keys[0], ranges):
        return append(path, rows.where(sf.col(needed).isNotNull()).drop(needed) if needed else rows)
    columns = rows.columns if compared is None else compared
    return merge(path, rows, keys, ranges=ranges, compared=columns, needed=needed)


def merge(
    path: str,
    rows: DataFrame,
    keys: Sequence[str],
    *,
    compared: Sequence[str] = (),
    ranges: Sequence[Range] | None = None,
    where: Mapping[str, Any] | None = None,
    delete_others: bool = False,
    needed: str = "",
) -> MergeCounts:
    """Insert the rows whose `keys` are not there; those that are get new values where a `compared` column differs.

    `ranges` bounds the first key and `where` names columns with the one value they have: only such rows of the table
    are looked at. `delete_others` deletes those of them whose key is not among `rows`. A row without a value in
    `needed` is not inserted, and the one with its key is deleted. Values never travel as SQL text.
    """
    values: dict[str, Any] = {}
    same = [f"target.{quoted(key)} = new.{quoted(key)}" for key in keys]
    bounds = []
    if ranges:
        values |= {"low": min(low for low, _ in ranges), "high": max(high for _, high in ranges)}
        bounds += [f"target.{quoted(keys[0])} >= :low", f"target.{quoted(keys[0])} <= :high"]
    for number, (name, value) in enumerate((where or {}).items()):
        values[f"value{number}"] = value
        bounds.append(f"target.{quoted(name)} = :value{number}")
    clauses = [f"WHEN NOT MATCHED{f' AND new.{quoted(needed)} IS NOT NULL' if needed else ''} THEN INSERT *"]
    if compared:
        equal = " AND ".join(f"target.{quoted(name)} <=> new.{quoted(name)}" for name in compared)
        clauses.insert(0, f"WHEN MATCHED AND NOT ({equal}) THEN UPDATE SET *")
    if needed:
        clauses.insert(0, f"WHEN MATCHED AND new.{quoted(needed)} IS NULL THEN DELETE")
    if delete_others:
        only = f" AND {' AND '.join(bounds)}" if bounds else ""
        clauses.append(f"WHEN NOT MATCHED BY SOURCE{only} THEN DELETE")
    view = f"lakeloop_{uuid4().hex}"
    rows.createOrReplaceTempView(view)
    on = " AND ".join([*same, *bounds])
    before = version_of(path) or 0
    spark = rows.sparkSession
    try:
        text = f"MERGE INTO delta.{quoted(path)} AS target USING {view} AS new ON {on} {' '.join(clauses)}"
        row = spark.sql(text, args=values).collect()[0]
    finally:
        spark.catalog.dropTempView(view)
    seen = next((commit.count("numSourceRows") for commit in commits_after(path, before)), None)
    return MergeCounts(row["num_inserted_rows"], row["num_updated_rows"], row["num_deleted_rows"], seen)


def within(column: str, ranges: Sequence[Range] | None) -> Column:
    """The ranges as a condition, by which Delta skips files; everything for None."""
    if ranges is None:
        return sf.lit(True)
    condition = sf.lit(False)
    for low, high in ranges:
        condition = condition | sf.col(quoted(column)).between(low, high)
    return condition
