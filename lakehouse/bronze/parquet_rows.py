"""Parquet files -> rows: each value as a text, those of inner structs under `outer.inner`."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.bronze.delivered_columns import Content, check_columns, extra_columns, in_own_names, renamed_columns
from lakehouse.bronze.extra_values import extra_values
from lakehouse.bronze.parts import BATCH_ROWS, RowParts
from lakehouse.exceptions import FileRefusedError
from lakeloop.contract import Source
from lakeloop.contract.section import some
from lakeloop.exceptions import first_line

MAGIC = b"PAR1"
WRONG_PARQUET = (pa.ArrowException, OSError, ValueError)


def stage_parquet(
    chunks: Iterator[bytes], path: Path, source: Source, may_lack: Collection[str], folder: Path, number: int
) -> Content:
    """The file's rows, numbered from 1. `chunks` is what is in it, taken out of its compression if `path` has one.

    Raises:
        FileRefusedError: it is no whole Parquet file, or lacks a column.
    """
    unpacked = _as_file(chunks, path, folder)
    rows = RowParts(folder, number, source.columns)
    try:
        own, renamed = tuple[str, ...](), dict[str, str]()
        for table in _tables(unpacked):
            if not own:
                names = table.column_names
                check_columns(names, source, may_lack, f"its columns are {some(names, 20)}")
                own, renamed = in_own_names(names, source), renamed_columns(names, source)
            if table.num_rows:
                rows.add_batch(_rows(table, own, source, rows.rows + 1, rows.schema))
    finally:
        rows.close()
        if unpacked != path:
            unpacked.unlink()
    return Content(own, rows.rows, split=True, renamed=renamed)


def _tables(path: Path) -> Iterator[pa.Table]:
    """The file's rows in batches, the first without rows, with inner structs flattened."""
    try:
        with pq.ParquetFile(path) as file:
            yield flat(file.schema_arrow.empty_table())
            for batch in file.iter_batches(BATCH_ROWS):
                yield flat(pa.Table.from_batches([batch]).combine_chunks())
    except WRONG_PARQUET as error:
        raise FileRefusedError(f"is no Parquet file that can be read, or breaks off ({first_line(error)})") from None


def _as_file(chunks: Iterator[bytes], path: Path, folder: Path) -> Path:
    """A Parquet file is read from its end, so what was compressed as a whole is written down."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) == MAGIC:
            for _ in chunks:
                pass
            return path
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / "unpacked"
    with unpacked.open("wb") as written:
        written.writelines(chunks)
    return unpacked


def flat(table: pa.Table) -> pa.Table:
    """The table with what is in structs as columns `outer.inner`."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _rows(table: pa.Table, own: tuple[str, ...], source: Source, first: int, schema: pa.Schema) -> pa.RecordBatch:
    texts = {name: _texts(table.column(place)) for place, name in enumerate(own)}
    extra = extra_values({name: texts[name] for name in extra_columns(own, source)})
    nothing = pa.nulls(table.num_rows, pa.string())
    line = pa.array(range(first, first + table.num_rows), pa.int64())
    found = [
        *(texts.get(name, nothing) for name in source.columns),
        nothing,
        nothing,
        nothing if extra is None else extra,
        line,
    ]
    return pa.RecordBatch.from_arrays(found, schema=schema)


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Numbers keep their digits, times are ISO 8601, lists are JSON."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        texts = pa.array([None if value is None else _text(value) for value in values.to_pylist()], pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
