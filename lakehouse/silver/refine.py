"""Bronze -> silver: what is new in bronze, typed, validated, one row a key, or a reject.

Within a file the first row of a key is kept and the others are rejected; between files the newer delivery wins.
Everything written is idempotent by key, so what is read again after a crash changes nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.lake import Lake, lake_with
from lakehouse.silver.joins import JoinedSource, Unmet, joined_sources, write_base
from lakehouse.silver.problems import shown
from lakehouse.silver.truth_parts import COMPLETE, combined_truth, impossible
from lakehouse.silver.validation import bad_rows, good_rows, is_good, reject_columns, rejects, told_apart_by
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import (
    REJECTS,
    checkpoint_path,
    delete_folder,
    read_json,
    write_json,
)
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.merge import MergeCounts, append, merge, upsert, within
from lakehouse.storage.schema import add_columns, change_column, constraints, create_table, quoted, silver_columns
from lakehouse.storage.table_log import DataFile, Range, files_at, key_ranges, overlap, version_of
from lakeloop.contract import Contract
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
    `reasons` each has an example beside it; `by_reason` has all of them, without. `unmet`: rows without a row of a
    joined source.
    """

    inserted: int = 0
    updated: int = 0
    repeated: int = 0
    rejected: int = 0
    delivered: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)
    unmet: tuple[Unmet, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far silver has read bronze: the version, and the last batch in it; and the last batch of joined sources."""

    version: int | None = None
    batch: int = 0
    joined: dict[str, int] = field(default_factory=dict)


def refine(lake: Lake, source: str) -> SilverReport:
    """Bring everything new in bronze into silver; returns when nothing is left."""
    report = SilverReport()
    bronze = lake.table(f"bronze/{source}")
    version = version_of(bronze)
    if version is None:
        return report
    done = _read_progress(lake, source)
    joined = joined_sources(lake, done.joined) if lake.contract.joins and source == lake.contract.feature_source else ()
    same = done.version == version and not any(one.changed for one in joined)
    if same and version_of(lake.table(f"silver/{source}")) is not None:
        return report
    # Of its own, since the sources of an ingest are refined side by side and a commit's note is the session's.
    own = lake_with(lake, lake.spark.newSession())
    create_silver(own, source)
    new = [file for file in files_at(bronze, version) or [] if file.rows and file.highest["_batch"] > done.batch]
    last = max((file.highest["_batch"] for file in new), default=done.batch)
    if new or any(one.changed for one in joined):
        first = max(done.batch + 1, min((file.lowest["_batch"] for file in new), default=0))
        note: dict[str, Any] = {"bronze": {source: version}, "batches": [min(first, last), last]}
        if joined:
            note["silver"] = {one.name: one.version for one in joined}
            for one in joined:
                create_silver(own, one.name)  # nothing of it may have come yet
        with commit_note(own.spark, note):
            rows = bronze_frame(own, source, version).where(sf.col("_batch") > done.batch)
            doubles = bool(new) and _has_doubles(lake, source, version, done.batch)
            _write(rows, new, doubles, own, source, joined, report, (first, last))
    found = {"version": version, "batch": last}
    write_json(progress_path(lake, source), found | ({"joined": {j.name: j.last for j in joined}} if joined else {}))
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
    names: tuple[str, ...] = (contract.key.column, contract.period_column)
    if source in contract.joins:
        names = (_told_first_by(contract, source),)
    known = (name for name in names if name in contract.silver_columns(source))
    return tuple(dict.fromkeys([*known, "_batch", change_column(contract, source)]))


def _told_first_by(contract: Contract, source: str) -> str:
    """The column of a joined source that new rows are furthest from old ones by."""
    join = contract.joins[source]
    return join.as_of or next(iter(join.on))


def _write(
    rows: DataFrame,
    files: Sequence[DataFile],
    doubles: bool,
    lake: Lake,
    source: str,
    joined: Sequence[JoinedSource],
    report: SilverReport,
    batches: tuple[int, int],
) -> None:
    """Write new rows of bronze, which stand in `files`, into silver and rejects; `doubles`: a row may be there twice.

    `joined`: the sources whose features the rows get.
    """
    contract = lake.contract
    keys, delivered = contract.identity(source), sum(file.rows for file in files)
    clean, refused = good_rows(rows, contract, source), rejects(bad_rows(rows, contract, source), contract, source)
    if doubles:
        suspects = _ranked_good(rows, contract, source)
        refused = refused.unionByName(rejects(repeated_in_file(suspects, contract, source), contract, source))
        clean = newest_by_key(ranked_by_key(clean, keys))
    if joined:
        came = write_base(lake, clean if files else None, joined)
        written, report.unmet = came.written, came.unmet
    elif _in_parts(contract, source):
        written, beyond = _write_parts(lake, clean, files)
        refused = refused.unionByName(beyond)
    else:
        values = list(contract.silver_columns(source))
        clean = clean.select(*map(quoted, [*values, "_source_file", "_batch"]))
        written = _upsert(lake, source, clean, files, values)
    report.inserted += written.inserted
    report.updated += written.updated
    report.delivered += delivered
    if files and (written.seen is None or written.seen != delivered):
        write_rejects(refused, lake, source, report, batches)


def _in_parts(contract: Contract, source: str) -> bool:
    return contract.label.truth.in_parts and source == contract.label.source


def _write_parts(lake: Lake, new: DataFrame, files: Sequence[DataFile]) -> tuple[MergeCounts, DataFrame]:
    """Write the truth that new parts of a key make with those that bronze has already; and what of it is impossible,
    as rejects."""
    contract, source = lake.contract, lake.contract.label.source
    key, path = contract.key.column, lake.table(f"silver/{source}")
    ranges, until = key_ranges(files, key), max(file.highest["_batch"] for file in files)
    known = bronze_frame(lake, source).where((sf.col("_batch") <= until) & within(key, ranges))
    parts = newest_by_key(ranked_by_key(good_rows(known, contract, source), contract.identity(source)))
    touched = parts.join(new.select(quoted(key)).distinct(), key, "left_semi")
    combined = combined_truth(touched, contract, [key])
    delivered = sf.to_json(sf.struct(*map(quoted, (key, contract.label.column))))
    bad = reject_columns(impossible(combined, contract), contract, source, delivered)
    values = list(contract.silver_columns(source))
    good = combined.select(*map(quoted, [*values, "_source_file", "_batch"]), COMPLETE)
    if overlap(files_at(path) or [], key, ranges):
        counts = merge(lake.spark, path, good, [key], compared=values, ranges=ranges, needed=COMPLETE)
    else:
        counts = append(path, good.where(COMPLETE).drop(COMPLETE))
    return replace(counts, seen=None), bad


def _upsert(lake: Lake, source: str, rows: DataFrame, files: Sequence[DataFile], values: Sequence[str]) -> MergeCounts:
    """Write typed rows by what they are told from one another by, looking only where such rows can be."""
    contract, path = lake.contract, lake.table(f"silver/{source}")
    if source not in contract.joins:
        key = contract.key.column
        return upsert(lake.spark, path, rows, [key], key_ranges(files, key), values)
    first = _told_first_by(contract, source)
    low, high = rows.agg(sf.min(quoted(first)), sf.max(quoted(first))).collect()[0]
    if low is None:
        return MergeCounts(seen=0)
    keys = sorted(contract.identity(source), key=lambda name: name != first)
    return upsert(lake.spark, path, rows, keys, [_widened(low, high)], values)


def _widened(low: Any, high: Any) -> Range:
    """The range as the log says it, which keeps times to the millisecond, in UTC."""
    if not isinstance(low, datetime):
        return low, high
    margin = timedelta(milliseconds=1)
    return (low - margin).astimezone(UTC), (high + margin).astimezone(UTC)


def _has_doubles(use_case: UseCase, source: str, version: int, batch: int) -> bool:
    """Whether a key seems to stand twice in the rows that bronze got after a batch; what is told apart by several
    columns, or by values of joined sources, always may.

    Reads one column and compares hashes, eight bytes a row: a collision, or a double that is bad anyway, only costs the
    longer way.
    """
    if len(use_case.contract.identity(source)) > 1 or source in use_case.contract.joins:
        return True
    key = use_case.contract.key.column
    table = open_lake_table(use_case, f"bronze/{source}", version)
    if table is None or key not in (field.name for field in table.schema().fields):
        return False
    found = dataset_of(table).to_batches(columns=[key], filter=pc.field("_batch") > batch)
    hashes = np.concatenate([_hashes(rows[key].drop_null()) for rows in found] or [np.empty(0, np.uint64)])
    hashes.sort()
    return bool(np.any(hashes[1:] == hashes[:-1]))


def _hashes(texts: pa.Array) -> np.ndarray:
    return hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def ranked_by_key(rows: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Rows with `_rank` (1: first of its keys in its file), `_first` (that row's line), `_newer` (1: newest file)."""
    in_file = Window.partitionBy(*map(quoted, keys), "_delivery").orderBy("_line")
    over_files = Window.partitionBy(*map(quoted, keys)).orderBy(sf.col("_delivery").desc(), "_line")
    return rows.withColumns(
        {
            "_rank": sf.row_number().over(in_file),
            "_first": sf.first("_line").over(in_file),
            "_newer": sf.row_number().over(over_files),
        }
    )


def _ranked_good(rows: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Good rows of bronze, as delivered, ranked by what they are told from one another by."""
    good = rows.where(is_good(contract, source))
    if source not in contract.joins:
        return ranked_by_key(good, contract.identity(source))
    # Two texts can be one value: 7 and 7.0, a moment in two time zones.
    values = {f"_told{n}": typed for n, typed in enumerate(told_apart_by(contract, source))}
    return ranked_by_key(good.withColumns(values), list(values)).drop(*values)


def newest_by_key(ranked: DataFrame) -> DataFrame:
    """One row a key: of the newest file the first."""
    return ranked.where("_newer = 1").drop("_rank", "_first", "_newer")


def repeated_in_file(ranked: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The rows whose key stands earlier in the same file, with the reason."""
    key, names = contract.key, contract.identity(source)
    first = sf.concat(sf.lit("first in line "), "_first")
    given = sf.concat_ws(", ", *map(quoted, names)) if len(names) > 1 else sf.col(quoted(names[0]))
    value = sf.concat(shown(", ".join(names), given), sf.lit(", "), first)
    what = f"`{names[0]}` stands"
    if len(names) > 1:
        what = f"{' and '.join(map(quoted, names))} stand together"
    elif key.columns and source not in contract.joins:
        what = f"{' and '.join(map(quoted, key.columns))} stand together"
    elif key.made == "row_hash" and source not in contract.joins:
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
