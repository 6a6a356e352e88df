"""Bronze -> silver: what is new in bronze, typed, validated, one row a key, or a reject.

Within a file the first row of a key is kept and the others are rejected; between files the newer delivery wins.
Everything written is idempotent by key, so what is read again after a crash changes nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.lake import Lake, lake_with
from lakehouse.silver.problems import shown
from lakehouse.silver.validation import bad_rows, good_rows, is_good, rejects
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import (
    REJECTS,
    checkpoint_path,
    delete_folder,
    read_json,
    write_json,
)
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.merge import append, merge, upsert
from lakehouse.storage.schema import add_columns, constraints, create_table, quoted, silver_columns
from lakehouse.storage.table_log import DataFile, files_at, key_ranges, overlap, version_of
from lakeloop.contract import Contract, Key
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
REJECTS_SCHEMA = (
    "source string, key string, file string COMMENT 'file it was delivered in', line bigint, reason string, "
    "raw string COMMENT 'delivered columns as JSON, or the line', batch bigint, rejected_at timestamp"
)
LATER_REJECTS_COLUMNS = ("value string COMMENT 'what the reason is about, as delivered'",)
"""Added to tables that an older release made; null in their old rows."""
TOP_REASONS = 5


@dataclass
class SilverReport:
    """What one run changed in a source's silver table, and what it rejected (most frequent reasons first).

    `delivered`: rows that it looked at. `repeated`: records left out because their request id was there already. Of
    `reasons` each has an example beside it; `by_reason` has all of them, without.
    """

    inserted: int = 0
    updated: int = 0
    repeated: int = 0
    rejected: int = 0
    delivered: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far silver has read bronze: the version, and the last batch in it."""

    version: int | None = None
    batch: int = 0


def refine(lake: Lake, source: str) -> SilverReport:
    """Bring everything new in bronze into silver; returns when nothing is left."""
    report = SilverReport()
    bronze = lake.table(f"bronze/{source}")
    version = version_of(bronze)
    if version is None:
        return report
    done = _read_progress(lake, source)
    if done.version == version and version_of(lake.table(f"silver/{source}")) is not None:
        return report
    # Of its own, since the sources of an ingest are refined side by side and a commit's note is the session's.
    own = lake_with(lake, lake.spark.newSession())
    create_silver(own, source)
    new = [file for file in files_at(bronze, version) or [] if file.rows and file.highest["_batch"] > done.batch]
    last = max((file.highest["_batch"] for file in new), default=done.batch)
    if new:
        first = max(done.batch + 1, min(file.lowest["_batch"] for file in new))
        with commit_note(own.spark, {"bronze": {source: version}, "batches": [first, last]}):
            rows = bronze_frame(own, source, version).where(sf.col("_batch") > done.batch)
            doubles = _has_doubles(lake, source, lake.contract.key.column, version, done.batch)
            _write(rows, new, doubles, lake, source, report, (first, last))
    write_json(progress_path(lake, source), {"version": version, "batch": last})
    log.info("event=refined source=%s inserted=%d updated=%d rejected=%d", source, report.inserted, report.updated,
             report.rejected)  # fmt: skip
    return report


def progress_path(use_case: UseCase, source: str) -> Path:
    """How far this source's silver has read bronze, so that nothing starts where nothing is new."""
    return use_case.work_folder / source / "silver.json"


def _read_progress(lake: Lake, source: str) -> Progress:
    """How far silver came. An older release noted the version alone, and had a stream's checkpoint beside it."""
    found = read_json(progress_path(lake, source))
    if isinstance(found, dict):
        return Progress(**found)
    delete_folder(lake.spark, checkpoint_path(lake, source))
    files = None if found is None else files_at(lake.table(f"bronze/{source}"), found)
    return Progress(found, max((f.highest["_batch"] for f in files if f.rows), default=0)) if files else Progress()


def bronze_frame(lake: Lake, source: str, version: int | None = None) -> DataFrame:
    """A bronze table; columns that the contract has had only since are null in it."""
    rows = lake.frame(f"bronze/{source}", version)
    missing = [name for name in lake.contract.columns_of(source) if name not in rows.columns]
    return rows.withColumns({name: sf.lit(None).cast("string") for name in missing}) if missing else rows


def create_silver(lake: Lake, source: str, replace: bool = False) -> None:
    """The source's table with the contract's types and limits; `replace` as for `create_table`."""
    contract = lake.contract
    create_table(
        lake.spark,
        lake.table(f"silver/{source}"),
        silver_columns(contract, source),
        comment=contract.sources[source].description,
        checks=constraints(contract, contract.silver_columns(source)),
        statistics=_looked_up_by(contract, source),
        replace=replace,
    )


def _looked_up_by(contract: Contract, source: str) -> tuple[str, ...]:
    """Columns that files can be skipped by; the others' lowest and highest say nothing in unsorted files."""
    names = (contract.key.column, contract.period_column)
    return (*(name for name in names if name in contract.silver_columns(source)), "_batch")


def _write(
    rows: DataFrame,
    files: Sequence[DataFile],
    doubles: bool,
    use_case: UseCase,
    source: str,
    report: SilverReport,
    batches: tuple[int, int],
) -> None:
    """Write new rows of bronze, which stand in `files`, into silver and rejects; `doubles`: a key may have several."""
    contract = use_case.contract
    key, delivered = contract.key.column, sum(file.rows for file in files)
    clean, refused = good_rows(rows, contract, source), rejects(bad_rows(rows, contract, source), contract, source)
    if doubles:
        suspects = ranked_by_key(rows.where(is_good(contract, source)), key)
        refused = refused.unionByName(rejects(repeated_in_file(suspects, contract.key), contract, source))
        clean = newest_by_key(ranked_by_key(clean, key))
    values = list(contract.silver_columns(source))
    clean = clean.select(*map(quoted, [*values, "_source_file", "_batch"]))
    path = use_case.table(f"silver/{source}")
    written = upsert(rows.sparkSession, path, clean, key, key_ranges(files, key), values)
    report.inserted += written.inserted
    report.updated += written.updated
    report.delivered += delivered
    if written.seen != delivered:
        write_rejects(refused, use_case, source, report, batches)


def _has_doubles(use_case: UseCase, source: str, key: str, version: int, batch: int) -> bool:
    """Whether a key seems to stand twice in the rows that bronze got after a batch.

    Reads one column and compares hashes, eight bytes a row: a collision, or a double that is bad anyway, only costs the
    longer way.
    """
    table = open_lake_table(use_case, f"bronze/{source}", version)
    if table is None or key not in (field.name for field in table.schema().fields):
        return False
    found = dataset_of(table).to_batches(columns=[key], filter=pc.field("_batch") > batch)
    hashes = np.concatenate([_hashes(rows[key].drop_null()) for rows in found] or [np.empty(0, np.uint64)])
    hashes.sort()
    return bool(np.any(hashes[1:] == hashes[:-1]))


def _hashes(texts: pa.Array) -> np.ndarray:
    return hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


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


def repeated_in_file(ranked: DataFrame, key: Key) -> DataFrame:
    """The rows whose key stands earlier in the same file, with the reason."""
    first = sf.concat(sf.lit("first in line "), "_first")
    value = sf.concat(shown(key.column, sf.col(quoted(key.column))), sf.lit(", "), first)
    what = f"`{key.column}` stands"
    if key.columns:
        what = f"{' and '.join(map(quoted, key.columns))} stand together"
    elif key.made == "row_hash":
        what, value = "the row, with the same value in every column, stands", first
    reason = sf.lit(f"{what} earlier in the same file; the first row is kept")
    return ranked.where("_rank > 1").withColumns({"_reason": reason, "_value": value}).drop("_rank", "_first", "_newer")


def write_rejects(
    rows: DataFrame, use_case: UseCase, source: str, report: SilverReport, batches: tuple[int, int]
) -> None:
    """Add rows of `rejects`' columns that are not there yet, and their count and reasons to the report.

    `batches`: the first and the last that they are from.
    """
    path, first = use_case.table(f"silver/{REJECTS}"), batches[0]
    with SHARED_TABLES:
        columns = ", ".join([REJECTS_SCHEMA, *LATER_REJECTS_COLUMNS])
        create_table(rows.sparkSession, path, columns, comment="Rows that break the contract, each with the reason")
        add_columns(rows.sparkSession, path, LATER_REJECTS_COLUMNS)
        there = [file for file in files_at(path) or [] if overlap([file], "source", [(source, source)])]
        if overlap(there, "batch", [(first, batches[1])]):
            keys = ["file", "line", "batch", "source"]
            written = merge(rows.sparkSession, path, rows, keys, where={"source": source})
        else:
            written = append(path, rows)
    report.rejected += written.inserted
    if written.inserted:
        counted = _counted_reasons(use_case, source, batches)
        report.by_reason |= {row["reason"]: row["reason_count"] for row in counted}
        report.reasons += [
            (f"{row['reason']} ({row['value_min']})" if row["value_min"] else row["reason"], row["reason_count"])
            for row in counted[:TOP_REASONS]
        ]


def _counted_reasons(use_case: UseCase, source: str, batches: tuple[int, int]) -> list[dict[str, Any]]:
    """The reasons of what was rejected in these batches, the most frequent first, each with an example value."""
    table = open_lake_table(use_case, f"silver/{REJECTS}")
    if table is None:
        return []
    these = (pc.field("source") == source) & (pc.field("batch") >= batches[0]) & (pc.field("batch") <= batches[1])
    found = dataset_of(table).to_table(columns=["reason", "value"], filter=these)
    counted: list[dict[str, Any]] = (
        found.group_by("reason").aggregate([("reason", "count"), ("value", "min")]).to_pylist()
    )
    counted.sort(key=lambda row: (-row["reason_count"], row["reason"]))
    return counted
