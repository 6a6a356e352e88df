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

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.lake import Lake, lake_with
from lakehouse.silver.ahead import write_ahead
from lakehouse.silver.joins import JoinedSource, Unmet, joined_sources, write_base
from lakehouse.silver.mended_rows import mended_rows
from lakehouse.silver.mendings import count_mendings, write_mendings
from lakehouse.silver.one_row_a_key import has_doubles, newest_by_key, ranked_by_key, ranked_good, repeated_in_file
from lakehouse.silver.rejects import Rejected, reject_columns, rejects, write_rejects
from lakehouse.silver.truth_parts import combined_truth, impossible
from lakehouse.silver.validation import Validation, validation_of
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import checkpoint_path, delete_folder, read_json, write_json
from lakehouse.storage.merge import COMPLETE, MergeCounts, upsert, within
from lakehouse.storage.schema import change_column, constraints, create_table, quoted, silver_columns
from lakehouse.storage.table_log import DataFile, Range, files_at, key_ranges, version_of
from lakeloop.contract import Contract
from lakeloop.contract.contract import AHEAD
from lakeloop.derived_features import derivation_of
from lakeloop.mended_texts import mends
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
TOP_REASONS = 5


@dataclass
class SilverReport:
    """What one run changed in a source's silver table, and what it rejected (most frequent reasons first).

    `delivered`: rows that it looked at. `repeated`: records left out because their request id was there already. Of
    `reasons` each has an example beside it; `by_reason` has all of them, without. `unmet`: rows without a row of a
    joined source. `mended`: values and lines that were read otherwise than they were delivered.
    """

    inserted: int = 0
    updated: int = 0
    repeated: int = 0
    rejected: int = 0
    delivered: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)
    unmet: tuple[Unmet, ...] = ()
    mended: int = 0

    def add(self, rejected: Rejected) -> None:
        """Count rows that were rejected now."""
        self.rejected += rejected.rows
        self.by_reason |= {reason.text: reason.rows for reason in rejected.reasons}
        self.reasons += [(reason.with_example, reason.rows) for reason in rejected.reasons[:TOP_REASONS]]


@dataclass(frozen=True)
class Progress:
    """How far silver has read bronze: the version, and the last batch in it; and the last batch of joined sources."""

    version: int | None = None
    batch: int = 0
    joined: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class NewRows:
    """What bronze has at a `version` of batches after the one that silver read last, and the files it stands in."""

    version: int
    after: int
    files: tuple[DataFile, ...]

    @property
    def count(self) -> int:
        """Rows, good and bad."""
        return sum(file.rows for file in self.files)

    @property
    def batches(self) -> tuple[int, int]:
        """The first and the last batch; the one read last twice, where nothing is new."""
        last = max((file.highest["_batch"] for file in self.files), default=self.after)
        first = max(self.after + 1, min((file.lowest["_batch"] for file in self.files), default=0))
        return min(first, last), last


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
    ahead = (AHEAD,) if lake.contract.ahead and source == lake.contract.label.source else ()
    for name in (source, *ahead, *(one.name for one in joined)):  # nothing of a joined source may have come yet
        create_silver(own, name)
    there = (file for file in files_at(bronze, version) or [] if file.rows)
    new = NewRows(version, done.batch, tuple(file for file in there if file.highest["_batch"] > done.batch))
    if new.files or any(one.changed for one in joined):
        note: dict[str, Any] = {"bronze": {source: version}, "batches": list(new.batches)}
        if joined:
            note["silver"] = {one.name: one.version for one in joined}
        with commit_note(own.spark, note):
            report = _write(own, source, new, joined)
    found = {"version": version, "batch": new.batches[1]}
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
        comment=_about(contract, source),
        checks=constraints(contract, contract.silver_columns(source)),
        statistics=_looked_up_by(contract, source),
        replace=replace,
    )


def _about(contract: Contract, source: str) -> str:
    if source == AHEAD and contract.ahead:
        return f"Truth of rows of {contract.label.source}, delivered {contract.ahead} {contract.period}s after them"
    return contract.sources[source].description


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


def _write(lake: Lake, source: str, new: NewRows, joined: Sequence[JoinedSource]) -> SilverReport:
    """Write new rows into silver and rejects; `joined`: the sources whose features they get."""
    contract, files = lake.contract, new.files
    derivation = derivation_of(lake) if source == contract.feature_source else None
    validation = validation_of(contract, source, derivation)
    bronze = bronze_frame(lake, source, new.version).where(sf.col("_batch") > new.after)
    rows = mended_rows(bronze, contract, source)
    clean, refused = validation.good_rows(rows), rejects(validation.bad_rows(rows), contract, source)
    if files and has_doubles(lake, source, new.version, new.after):
        repeated = repeated_in_file(ranked_good(rows, validation), contract, source)
        refused = refused.unionByName(rejects(repeated, contract, source))
        clean = newest_by_key(ranked_by_key(clean, contract.identity(source)))
    unmet: tuple[Unmet, ...] = ()
    if files and contract.ahead and source == contract.label.source:
        write_ahead(lake, clean)
    if joined:
        came = write_base(lake, clean if files else None, joined)
        written, unmet = came.written, came.unmet
    elif contract.label.truth.in_parts and source == contract.label.source:
        written, beyond = _write_parts(lake, clean, files, validation)
        refused = refused.unionByName(beyond)
    else:
        written = _upsert(lake, source, clean, files)
    report = SilverReport(written.inserted, written.updated, delivered=new.count, unmet=unmet)
    if files and (written.seen is None or written.seen != new.count):
        report.add(write_rejects(refused, lake, source, new.batches))
    if files:
        found = count_mendings(bronze, contract, source)
        write_mendings(lake, found)
        report.mended = sum(one["rows"] for one in found)
    return report


def _write_parts(
    lake: Lake, new: DataFrame, files: Sequence[DataFile], validation: Validation
) -> tuple[MergeCounts, DataFrame]:
    """Write the truth that new parts of a key make with those that bronze has already; and what of it is impossible,
    as rejects."""
    contract, source = lake.contract, lake.contract.label.source
    key, path = contract.key.column, lake.table(f"silver/{source}")
    ranges, until = _key_ranges(contract, source, files), max(file.highest["_batch"] for file in files)
    there = bronze_frame(lake, source).where((sf.col("_batch") <= until) & within(key, ranges))
    known = mended_rows(there, contract, source)
    parts = newest_by_key(ranked_by_key(validation.good_rows(known), contract.identity(source)))
    touched = parts.join(new.select(quoted(key)).distinct(), key, "left_semi")
    combined = combined_truth(touched, contract, [key])
    delivered = sf.to_json(sf.struct(*map(quoted, (key, contract.label.column))))
    bad = reject_columns(impossible(combined, contract), contract, source, delivered)
    values = list(contract.silver_columns(source))
    good = combined.select(*map(quoted, [*values, "_source_file", "_batch"]), COMPLETE)
    counts = upsert(path, good, [key], ranges, values, COMPLETE)
    return replace(counts, seen=None), bad


def _upsert(lake: Lake, source: str, clean: DataFrame, files: Sequence[DataFile]) -> MergeCounts:
    """Write typed rows by what they are told from one another by, looking only where such rows can be."""
    contract, path = lake.contract, lake.table(f"silver/{source}")
    values = list(contract.silver_columns(source))
    rows = clean.select(*map(quoted, [*values, "_source_file", "_batch"]))
    if source not in contract.joins:
        key = contract.key.column
        return upsert(path, rows, [key], _key_ranges(contract, source, files), values)
    first = _told_first_by(contract, source)
    low, high = rows.agg(sf.min(quoted(first)), sf.max(quoted(first))).collect()[0]
    if low is None:
        return MergeCounts(seen=0)
    keys = sorted(contract.identity(source), key=lambda name: name != first)
    return upsert(path, rows, keys, [_widened(low, high)], values)


def _key_ranges(contract: Contract, source: str, files: Sequence[DataFile]) -> list[Range] | None:
    """Where the keys of bronze's files lie in silver; None where a key is not as delivered, and so anywhere."""
    key = contract.key.column
    return None if mends(contract.sources[source], key) else key_ranges(files, key)


def _widened(low: Any, high: Any) -> Range:
    """The range as the log says it, which keeps times to the millisecond, in UTC."""
    if not isinstance(low, datetime):
        return low, high
    margin = timedelta(milliseconds=1)
    return (low - margin).astimezone(UTC), (high + margin).astimezone(UTC)
