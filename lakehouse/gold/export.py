"""Gold -> CSV shards and a manifest: the hard cut between the lakehouse and the pipeline.

The shards of one version are always the same bytes: rows are put into shards by the hash that splits them and
sorted by key, and doubles are written with as many digits as they need to come back unchanged.
"""

import hashlib
import logging
import shutil
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv

from lakehouse.gold.split import rows_a_split, split_in_words, with_split
from lakehouse.gold.training_periods import training_periods
from lakehouse.lake import Lake
from lakehouse.read.tables import open_table, read_table
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.schema import literal, quoted
from lakeloop.clock import period_spans, read_clock
from lakeloop.contract import Contract
from lakeloop.contract.columns import TIMES
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.time_features import DAY_SECONDS
from lakeloop.derived_features import features_sha256
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.lake_tables import has_lake_table
from lakeloop.manifest import FILE_NAME, ExportedFile, Manifest, file_sha256, read_manifest
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)
ROWS_A_SHARD = 250_000
EXPORTED_AS = {
    "bool": "CAST({} AS INT)", "decimal": "CAST({} AS DOUBLE)", "date": f"unix_date({{}}) * {DAY_SECONDS}L",
    "timestamp": "unix_seconds({})",
}  # fmt: skip
"""How values of types that an export does not have are written."""


def export(
    lake: Lake, version: int | None = None, periods: tuple[int, int] | None = None, git_commit: str = ""
) -> Path:
    """Write one version of gold/training (default: the newest), or its periods `(first, last)`, as CSV shards.

    Returns the manifest's path. What was exported before and is still whole is returned as it is.

    Raises:
        NotFoundError: no such version, or periods without labelled rows; the text says when their truth arrives.
        LakeloopError: one of the two splits would be empty.
    """
    contract = lake.contract
    version = _version_of(lake, version)
    folder = _folder(lake, version, periods)
    if _is_whole(folder):
        return folder / FILE_NAME
    _check_periods(lake, version, periods)
    rows = read_table(lake, TRAINING_TABLE, version)
    if periods is not None:
        first, last = (literal(contract.period_name(period)) for period in periods)
        rows = rows.where(f"{quoted(contract.period_column)} BETWEEN {first} AND {last}")
    counts = rows_a_split(rows, contract)
    part = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}.part")
    try:
        files = _write_shards(with_split(rows, contract), contract, counts, part)
        manifest = Manifest(
            use_case=lake.name,
            table=TRAINING_TABLE,
            version=version,
            periods=periods,
            query=export_query(contract, version, periods),
            columns=export_columns(contract),
            label=contract.label.name,
            schema_sha256=contract.schema_sha256,
            own_code={FEATURES_FILE: features_sha256(lake)} if contract.derived_features else {},
            split=split_in_words(contract),
            rows=sum(f.rows for f in files),
            files=tuple(files),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            git_commit=git_commit,
        )
        manifest.save(part)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("event=exported table=%s version=%d rows=%d files=%d", TRAINING_TABLE, version, manifest.rows, len(files))
    return folder / FILE_NAME


def finished_export(
    use_case: UseCase, version: int | None = None, periods: tuple[int, int] | None = None
) -> Path | None:
    """The manifest of what `export` would give, where that is there already; needs no Spark. Raises as that does."""
    version = _version_of(use_case, version)
    folder = _folder(use_case, version, periods)
    if _is_whole(folder):
        return folder / FILE_NAME
    _check_periods(use_case, version, periods)
    return None


def export_columns(contract: Contract) -> tuple[str, ...]:
    """The CSV's header: key, event time, features in the contract's order, class id."""
    return (contract.key.column, contract.period_column, *contract.features, contract.label.name)


def export_query(contract: Contract, version: int, periods: tuple[int, int] | None) -> str:
    """The SQL an export is the answer to."""
    columns = ", ".join(_exported_sql(contract))
    query = f"SELECT {columns} FROM {TRAINING_TABLE.replace('/', '.')} VERSION AS OF {version}"
    if periods is not None:
        first, last = (literal(contract.period_name(m)) for m in periods)
        query += f" WHERE {quoted(contract.period_column)} BETWEEN {first} AND {last}"
    return f"{query} ORDER BY {quoted(contract.key.column)}"


def _exported_sql(contract: Contract) -> list[str]:
    """The columns as SQL: a bool is 0 or 1 in an export, a decimal a float, a date or time its seconds since 1970."""
    features = contract.features
    as_exported = {
        name: EXPORTED_AS[f.type].format(quoted(name)) for name, f in features.items() if f.type in EXPORTED_AS
    }
    return [
        f"{as_exported[name]} AS {quoted(name)}" if name in as_exported else quoted(name)
        for name in export_columns(contract)
    ]


def scored_sql(contract: Contract) -> list[str]:
    """The features as SQL for rows that go through pandas, whose times end in 2262: dates and times as in an export."""
    return [
        f"{EXPORTED_AS[feature.type].format(quoted(name))} AS {quoted(name)}" if feature.type in TIMES else quoted(name)
        for name, feature in contract.features.items()
    ]


def no_truth(use_case: UseCase, period: int, known: Iterable[str]) -> str:
    """Why a period has no labelled rows, when it will, and which periods have some."""
    contract, clock = use_case.contract, read_clock(use_case)
    source = contract.label.source
    text = f"{contract.period} {period} ({contract.period_name(period)}) has no labelled rows in gold"
    text += f"; its ground truth ({source}) was not taken in yet"
    if period and (delay := contract.truth_delay):
        periods = f"{delay} {contract.period}{'' if delay == 1 else 's'}"
        text += f", by the contract it comes {periods} after the {contract.period}"
    if clock.is_wall:
        text += f" ({clock.due_in_words(source, period + contract.ahead)})"
    elif period and contract.truth_delay:
        text += f" (simulated: at clock {contract.truth_arrives(period)})"
    numbers = [contract.period_number(name) for name in known]
    return f"{text}. Labelled {contract.period}s: {period_spans(numbers) or 'none yet'}"


def _version_of(use_case: UseCase, version: int | None) -> int:
    """The version asked for, by default the newest."""
    if not has_lake_table(use_case, TRAINING_TABLE):
        raise NotFoundError(
            f"{TRAINING_TABLE} of use case {use_case.name} does not exist yet: deliver files and run "
            "`lakeloop lake ingest`"
        )
    return open_table(use_case, TRAINING_TABLE, version).version()


def _folder(use_case: UseCase, version: int, periods: tuple[int, int] | None) -> Path:
    """Where an export goes: one that the contract would split in another way now stays, for models were made of it."""
    name = str(version) if periods is None else f"{version}-m{periods[0]}-{periods[1]}"
    folder, split = use_case.folder("export") / name, split_in_words(use_case.contract)
    try:
        if not (folder / FILE_NAME).is_file() or read_manifest(folder / FILE_NAME).split == split:
            return folder
    except LakeloopError:
        return folder
    return folder.with_name(f"{name}-{hashlib.sha256(split.encode()).hexdigest()[:8]}")


def _check_periods(use_case: UseCase, version: int, periods: tuple[int, int] | None) -> None:
    """Raises where the version has no rows, or a period asked for has none; its partitions tell, without Spark."""
    contract = use_case.contract
    known = training_periods(use_case, version)
    if periods is not None:
        lacking = [m for m in range(periods[0], periods[1] + 1) if contract.period_name(m) not in known]
        if lacking:
            raise NotFoundError("\n".join(no_truth(use_case, m, known) for m in lacking[:3]))
    if not known:
        raise NotFoundError(
            f"{TRAINING_TABLE} of use case {use_case.name} has no rows yet: no ground truth was delivered"
        )


def _write_shards(rows: "DataFrame", contract: Contract, counts: dict[str, int], folder: Path) -> list[ExportedFile]:
    from pyspark.sql import functions as sf

    shards = {split: max(1, round(count / ROWS_A_SHARD)) for split, count in counts.items()}
    many = sf.when(sf.col("_split") == "eval", shards["eval"]).otherwise(shards["train"])
    shard = ((sf.col("_hash") / contract.split.every).cast("bigint") % many).cast("int")
    raw = folder / "_raw"
    (
        rows.withColumn("_shard", shard)
        .repartition(sum(shards.values()), "_split", "_shard")
        .sortWithinPartitions("_split", "_shard", quoted(contract.key.column))
        .selectExpr("_split", "_shard", *_exported_sql(contract))
        .write.partitionBy("_split", "_shard")
        .options(header="true", quote='"', escape='"', encoding="UTF-8", lineSep="\n", ignoreLeadingWhiteSpace="false",
                 ignoreTrailingWhiteSpace="false")
        .csv(str(raw))
    )  # fmt: skip
    files = []
    for split, total in shards.items():
        (folder / split).mkdir()
        for number in range(total):
            found = list((raw / f"_split={split}" / f"_shard={number}").glob("part-*.csv"))
            if not found:
                continue
            target = folder / split / f"data-{number:05d}-of-{total:05d}.csv"
            found[0].replace(target)
            files.append(
                ExportedFile(
                    path=f"{split}/{target.name}",
                    split="eval" if split == "eval" else "train",
                    rows=_rows(target, contract.key.column),
                    bytes=target.stat().st_size,
                    sha256=file_sha256(target),
                )
            )
    shutil.rmtree(raw)
    return files


def _rows(path: Path, key: str) -> int:
    """Rows of a shard; a text may hold line breaks, so lines are not counted."""
    convert = csv.ConvertOptions(include_columns=[key], column_types={key: pa.string()})
    with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=convert) as reader:
        return sum(batch.num_rows for batch in reader)


def _is_whole(folder: Path) -> bool:
    """Whether a manifest is there and every file it names has the size and hash it says."""
    if not (folder / FILE_NAME).is_file():
        return False
    try:
        files = read_manifest(folder / FILE_NAME).files
    except LakeloopError:
        return False
    paths = {folder / f.path: f for f in files}
    return all(p.is_file() and p.stat().st_size == f.bytes and file_sha256(p) == f.sha256 for p, f in paths.items())
