"""The records of a sample's files as they are delivered, whole, with the texts that tell their period and their key."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from lakehouse.bronze.parquet_rows import flat
from operations.new_use_case.dialect import Dialect, is_comment, lines_above
from operations.new_use_case.file_rows import cast_to_text, records_at, texts_of
from operations.new_use_case.files import SampleFile
from operations.new_use_case.tables import TableDraft

CHUNK_BYTES = 64 << 20
WIDE = ("utf-16", "utf-32")
"""Beginnings of the encodings in which no single byte ends a line: such files are read as UTF-8, whole."""

Records = Sequence[Any]
"""Records of one file: lines of CSV (bytes with their end), objects of JSON, or `ParquetRows`."""


def row_count(table: TableDraft) -> int:
    """All records of a table's files; those are read once more where the sample is only their beginning."""
    if table.sample.whole:
        return table.sample.table.num_rows
    return sum(len(records) for _, records, _, _ in delivered_records(table, list(table.columns)[:1], ()))


def delivered_records(
    table: TableDraft, by: Sequence[str], key: Sequence[str]
) -> Iterator[tuple[SampleFile, Records, dict[str, pa.Array], list[str]]]:
    """Records as they are delivered, with their file, the texts of the columns `by` and their keys, some at a time."""
    for file in table.sample.files:
        for records, found in _contents(file, table, {*by, *key}):
            rows = len(records)
            said = {name: pa.array([value] * rows, pa.string()) for name, value in file.columns}
            nothing = pa.nulls(rows, pa.string())
            texts = {name: _array(found.get(name, said.get(name, nothing))) for name in (*by, *key)}
            yield file, records, {name: texts[name] for name in by}, _keys([texts[name] for name in key])


def _contents(file: SampleFile, table: TableDraft, wanted: set[str]) -> Iterator[tuple[Records, dict[str, pa.Array]]]:
    """Records of one file, with the texts of those of the wanted columns that it has."""
    if file.format == "csv":
        yield from _csv_pieces(file, table, wanted)
    elif file.format == "parquet":
        for batch in pq.ParquetFile(file.path).iter_batches(batch_size=200_000):
            rows = pa.Table.from_batches([batch])
            flattened = flat(rows)
            there = [name for name in flattened.column_names if name in wanted]
            yield ParquetRows(rows), {name: cast_to_text(flattened[name]) for name in there}
    else:
        records = [one for one in _json_records(file, table) if isinstance(one, dict)]
        rows_of_texts = [texts_of(record) for record in records]
        yield (
            records,
            {name: pa.array([row.get(name) or None for row in rows_of_texts], pa.string()) for name in wanted},
        )


def _json_records(file: SampleFile, table: TableDraft) -> Iterator[Any]:
    """Its records; lines that are none are left out, as the lake rejects them."""
    with file.open() as stream:
        content = stream.read()
    if file.format == "json":
        yield from records_at(json.loads(content), table.sample.records)
        return
    for line in content.splitlines():
        with suppress(ValueError):
            if line.strip():
                yield json.loads(line)


def _array(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _keys(parts: Sequence[pa.Array]) -> list[str]:
    return ["|".join(map(str, row)) for row in zip(*(part.to_pylist() for part in parts), strict=True)]


class ParquetRows(Sequence[Any]):
    """Rows of a Parquet file; one is its place in the batch."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, place: Any) -> Any:
        return place


def _csv_pieces(file: SampleFile, table: TableDraft, wanted: set[str]) -> Iterator[tuple[Records, dict[str, pa.Array]]]:
    dialect = table.sample.dialect_of(file)
    rest, head = b"", True
    with file.open() as stream:
        while True:
            chunk = stream.read(CHUNK_BYTES)
            if dialect.encoding.startswith(WIDE):  # no single byte ends its lines
                chunk = (chunk + stream.read()).decode(dialect.encoding).encode()
            last = len(chunk) < CHUNK_BYTES or dialect.encoding.startswith(WIDE)
            data = rest + chunk
            if head:
                data = data.removeprefix(BOM_UTF8)
                data = data[len(lines_above(data, dialect)) :]
                head = False
            records, rest = _records(data, dialect.quote.encode(), bool(dialect.escape), last)
            records = [one for one in records if one.strip(b"\r\n") and not is_comment(one, dialect)]
            if records:
                yield _fields(records, dialect, wanted)
            if last:
                return


def _records(data: bytes, quote: bytes, escaped: bool, last: bool) -> tuple[list[bytes], bytes]:
    """The records with their line ends, and what is left of one that goes on in the next chunk."""
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    if quote in data and not escaped:
        inside = np.searchsorted(np.flatnonzero(text == quote[0]), ends) % 2 == 1
        if not (last and inside.size and inside[-1]):  # else some quote is never closed, and none can be counted on
            ends = ends[~inside]
    bounds = [0, *(ends + 1).tolist()]
    records = [data[a:b] for a, b in pairwise(bounds)]
    left = data[bounds[-1] :]
    if last and left:
        records.append(left + b"\n")
        left = b""
    return records, left


def _fields(records: list[bytes], dialect: Dialect, wanted: set[str]) -> tuple[Records, dict[str, pa.Array]]:
    """Records with the fields that are needed of them; those with another number of fields have none."""
    odd: list[int] = []

    def note(row: csv.InvalidRow) -> str:
        odd.append(row.number - 1)
        return "skip"

    there = [name for name in dialect.names if name in wanted]
    encoding = dialect.encoding if not dialect.encoding.startswith(WIDE) else "utf8"
    found = csv.read_csv(
        pa.BufferReader(b"".join(records)),
        csv.ReadOptions(column_names=list(dialect.names), encoding=encoding, use_threads=False, block_size=16 << 20),
        csv.ParseOptions(
            delimiter=dialect.separator, quote_char=dialect.quote, escape_char=dialect.escape or False,
            double_quote=not dialect.escape, newlines_in_values=True, invalid_row_handler=note,
            ignore_empty_lines=False,
        ),
        csv.ConvertOptions(
            include_columns=there or list(dialect.names[:1]),
            column_types=dict.fromkeys(dialect.names, pa.string()), null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip
    if odd:
        kept = np.ones(len(records), bool)
        kept[odd] = False
        records = [record for record, good in zip(records, kept, strict=True) if good]
    return records, {name: found[name] for name in there}
