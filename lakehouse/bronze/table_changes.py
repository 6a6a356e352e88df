"""What is new in a Delta table since a version: its rows, and how many are gone; by delta-rs, without Spark.

Where files were only added, just these are read, and files that were merely rewritten (optimized) are passed over.
Where rows were changed or removed, the table's change data feed tells which, or else the two versions are compared.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileSystem

from lakehouse.exceptions import VersionsGoneError
from lakeloop.exceptions import first_line
from lakeloop.lake_tables import files_of

FEED = "delta.enableChangeDataFeed"
PHYSICAL = "delta.columnMapping.physicalName"
CHANGE, COMMIT = "_change_type", "_commit_version"
CAME = ("insert", "update_postimage")
NOT_THERE = ("No such file", "not found", "NotFound", "does not exist", "Object at location")
READ_ERRORS = (DeltaError, OSError, ValueError, pa.ArrowException)


@dataclass
class Changes:
    """The rows that came, in batches of one schema, and how many rows of before are `gone`."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    gone: int = 0


@dataclass(frozen=True)
class _Log:
    """Files that commits brought and took, with what Delta's log says of each; without those only rewritten."""

    added: Sequence[Mapping[str, Any]]
    removed: Sequence[Mapping[str, Any]]


def all_rows(table: DeltaTable) -> Changes:
    """Every row of a table."""
    schema = pa.schema(table.schema())
    return Changes(schema, _as(schema, pa.RecordBatchReader.from_stream(table.scan())))


def changes_since(table: DeltaTable, version: int, key: Sequence[str]) -> Changes:
    """What came after a version up to that of `table`; `key`: columns that a row is known by, none if it has no key.

    Raises:
        VersionsGoneError: the log or the files of the versions between are not there any more.
    """
    log = _read_log(table, version)
    if not log.added and not log.removed:
        schema = pa.schema(table.schema())
        return Changes(schema, iter(()))
    if not log.removed and (columns := _plain_columns(table, log.added)) is not None:
        schema = pa.schema(table.schema())
        return Changes(schema, _file_rows(table, log.added, schema, columns))
    if table.metadata().configuration.get(FEED) == "true":
        found = _feed(table, version, key)
        if found is not None:
            return found
    return _difference(table, version, key)


def _read_log(table: DeltaTable, version: int) -> _Log:
    files = files_of(table)
    added: dict[tuple[str, str], Mapping[str, Any]] = {}
    removed: dict[tuple[str, str], Mapping[str, Any]] = {}
    for number in range(version + 1, table.version() + 1):
        for line in _commit(files, number).splitlines():
            action = json.loads(line)
            for kind, ours, others in (("add", added, removed), ("remove", removed, added)):
                file = action.get(kind)
                if file is None or not file.get("dataChange", True):
                    continue
                name = (file["path"], json.dumps(file.get("deletionVector"), sort_keys=True))
                if others.pop(name, None) is None:
                    ours[name] = file
    return _Log(list(added.values()), list(removed.values()))


def _commit(files: FileSystem, number: int) -> str:
    try:
        with files.open_input_stream(f"_delta_log/{number:020d}.json") as stream:
            return str(stream.read().decode())
    except OSError:
        raise VersionsGoneError(f"version {number} is not in its log any more") from None


def _plain_columns(table: DeltaTable, added: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Name of each column -> its name in files; None where files cannot simply be read by themselves."""
    fields = table.schema().fields
    columns = {field.name: str(field.metadata.get(PHYSICAL, field.name)) for field in fields}
    mapped = any(name != physical for name, physical in columns.items())
    nested = any(pa.types.is_nested(field.type) for field in pa.schema(table.schema()))
    elsewhere = any(file.get("deletionVector") or "://" in file["path"] or file["path"][0] == "/" for file in added)
    return None if elsewhere or (mapped and nested) else columns


def _file_rows(
    table: DeltaTable, added: Sequence[Mapping[str, Any]], schema: pa.Schema, columns: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    files = files_of(table)
    for file in added:
        partition = file.get("partitionValues") or {}
        try:
            with files.open_input_file(unquote(file["path"])) as stream, pq.ParquetFile(stream) as parquet:
                for batch in parquet.iter_batches():
                    yield _in_table_types(batch, partition, schema, columns)
        except READ_ERRORS as error:
            raise VersionsGoneError(_why(error)) from None


def _in_table_types(
    batch: pa.RecordBatch, partition: Mapping[str, str | None], schema: pa.Schema, columns: Mapping[str, str]
) -> pa.RecordBatch:
    made = []
    for column in schema:
        name = columns[column.name]
        if name in partition:
            value = pa.scalar(partition[name] or None, pa.string()).cast(column.type)
            made.append(pa.repeat(value, batch.num_rows))
        elif name in batch.schema.names:
            made.append(batch[name].cast(column.type))
        else:
            made.append(pa.nulls(batch.num_rows, column.type))
    return pa.RecordBatch.from_arrays(made, schema=schema)


def _feed(table: DeltaTable, version: int, key: Sequence[str]) -> Changes | None:
    """The changes by the table's own feed, of each key the last one; None where it does not cover all versions."""
    try:
        read = table.load_cdf(starting_version=version + 1, ending_version=table.version())
        changes = pa.table(read).sort_by(COMMIT)
    except READ_ERRORS:
        return None
    changes = changes.filter(pc.field(CHANGE) != "update_preimage")
    known = [name for name in key if name in changes.column_names]
    if known:
        numbered = changes.append_column("#", pa.array(range(changes.num_rows)))
        last = numbered.group_by(known).aggregate([("#", "max")])["#_max"]
        changes = changes.take(last.combine_chunks().sort())
    came = changes.filter(pc.is_in(changes[CHANGE], pa.array(CAME)))
    schema = pa.schema(table.schema())
    return Changes(schema, _as(schema, came.to_batches()), changes.num_rows - came.num_rows)


def _difference(table: DeltaTable, version: int, key: Sequence[str]) -> Changes:
    """The rows of a table that stood in none of its rows at an earlier version; equal rows count as one."""
    try:
        before = DeltaTable(table.table_uri, version=version)
        both = QueryBuilder().register("before", before).register("now", table)
        names = [field.name for field in table.schema().fields]
        old = {field.name for field in before.schema().fields}
        now = ", ".join(map(_quoted, names))
        then = ", ".join(_quoted(name) if name in old else f"NULL AS {_quoted(name)}" for name in names)
        known = [name for name in key if name in names and name in old] or [name for name in names if name in old]
        keys = ", ".join(map(_quoted, known))
        gone = pa.table(
            both.execute(f"SELECT count(*) AS rows FROM (SELECT {keys} FROM before EXCEPT SELECT {keys} FROM now)")
        )
        came = pa.table(both.execute(f"SELECT {now} FROM now EXCEPT ALL SELECT {then} FROM before"))
    except READ_ERRORS as error:
        raise VersionsGoneError(_why(error)) from None
    schema = pa.schema(table.schema())
    return Changes(schema, _as(schema, came.to_batches()), gone["rows"][0].as_py())


def _as(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The columns of a schema in its types; delta-rs reads texts in another type than Parquet is written in."""
    try:
        for batch in batches:
            columns = [batch[field.name].cast(field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
    except READ_ERRORS as error:
        raise VersionsGoneError(_why(error)) from None


def _why(error: Exception) -> str:
    """Why files cannot be read: most often the owner has vacuumed them."""
    if isinstance(error, FileNotFoundError) or any(said in str(error) for said in NOT_THERE):
        return "files of it were vacuumed"
    return f"a file of it cannot be read ({first_line(error)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
