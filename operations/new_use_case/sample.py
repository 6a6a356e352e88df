"""A sample of one table as texts: what a profile is made from."""

import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from operations.new_use_case.dialect import Dialect, dialect_of, encoding_of
from operations.new_use_case.files import MOST_BYTES, Format, SampleFile, pieces
from operations.new_use_case.problems import Findings

MOST_ROWS = 200_000
MOST_FILES = 60
MOST_COLUMNS = 2_000
"""What the lake takes of one file."""


@dataclass(frozen=True)
class Sample:
    """Rows of one table as texts, null where nothing stands, under the names that were delivered.

    `first_line` is the line of the first row in the first file, 0 where rows have no lines; `whole`: every row of every
    file is there; `records`: where in a JSON document the list of records stands; `odd`: lines with another number of
    fields, of which `odd_line` is the first.
    """

    files: tuple[SampleFile, ...]
    format: Format
    table: pa.Table
    whole: bool
    dialect: Dialect = field(default_factory=Dialect)
    records: str = ""
    first_line: int = 0
    odd: int = 0
    odd_line: str = ""

    @property
    def names(self) -> list[str]:
        """The columns as delivered."""
        return list(self.table.column_names)

    @property
    def file(self) -> Path:
        """The file that is named where a row is."""
        return self.files[0].path

    def where(self, row: int) -> str:
        """A row's place in words."""
        return f"{self.file}, line {row + self.first_line}" if self.first_line else f"{self.file}, row {row + 1}"


def read_samples(files: Sequence[SampleFile], findings: Findings) -> list[Sample]:
    """A sample a table: files of the same format and the same columns are one."""
    tables: dict[tuple[str, ...], list[tuple[SampleFile, Sample]]] = {}
    for file in files:
        head = _read(file, findings, 256 << 10)
        if head is not None:
            tables.setdefault((file.format, *sorted(head.names)), []).append((file, head))
    return [sample for group in tables.values() if (sample := _joined([file for file, _ in group], findings))]


def _joined(files: list[SampleFile], findings: Findings) -> Sample | None:
    """A sample of files that are alike; of many or large ones from the first, the middle and the last."""
    looked_at = files
    if len(files) > MOST_FILES or sum(file.path.stat().st_size for file in files) > MOST_BYTES:
        looked_at = [files[place] for place in sorted({0, len(files) // 2, len(files) - 1})]
    parts = [_read(file, findings, MOST_BYTES // len(looked_at)) for file in looked_at]
    there = [part for part in parts if part is not None]
    if not there:
        return None
    first = there[0]
    table = pa.concat_tables([part.table.select(first.names) for part in there]).combine_chunks()
    whole = all(part.whole for part in there) and len(looked_at) == len(files)
    if table.num_rows > MOST_ROWS:
        table, whole = _thinned(table, MOST_ROWS), False
    if not table.num_rows:
        findings.problems.append(f"{first.file}: has a header and no rows; a sample with rows is needed")
        return None
    if len(first.names) > MOST_COLUMNS:
        findings.problems.append(
            f"{first.file}, line {max(1, first.first_line - 1)}: has {len(first.names):,} columns, and up to "
            f"{MOST_COLUMNS:,} can be read; deliver a table with those that matter"
        )
        return None
    return replace(first, files=tuple(files), table=table, whole=whole)


def _thinned(table: pa.Table, most: int) -> pa.Table:
    """A third of the rows each from start, middle and end."""
    third = most // 3
    middle = (table.num_rows - third) // 2
    parts = [table.slice(start, third) for start in (0, middle, table.num_rows - third)]
    return pa.concat_tables(parts).combine_chunks()


def _read(file: SampleFile, findings: Findings, most: int) -> Sample | None:
    try:
        if file.format == "parquet":
            return _parquet(file, most)
        parts, whole = pieces(file, most)
        encoding = encoding_of(parts)
        if not encoding or any(b"\0" in part for part in parts if encoding != "utf-16"):
            findings.problems.append(
                f"{file.path}: is no text, though its name says so; CSV, JSON and Parquet are read"
            )
            return None
        if file.format == "csv":
            return _csv(file, parts, whole, encoding)
        return _json_lines(file, parts, whole) if file.format == "jsonl" else _json(file, parts, whole)
    except (OSError, ValueError, pa.ArrowException) as error:  # ArrowInvalid is a ValueError
        findings.problems.append(f"{file.path}: cannot be read as {file.format} ({error})")
        return None


def _csv(file: SampleFile, parts: list[bytes], whole: bool, encoding: str) -> Sample:
    start = parts[0].decode(encoding, "replace").removeprefix("\ufeff")
    dialect = dialect_of(start[: 1 << 20], encoding)
    above = dialect.skip_lines + dialect.header
    odd: list[str] = []

    def note(row: csv.InvalidRow) -> str:
        odd.append(row.text or "")
        return "skip"

    tables = []
    for number, part in enumerate(parts):
        text = part
        if encoding not in ("utf-8", "latin-1") or dialect.comment:
            lines = part.decode(encoding, "replace").splitlines(keepends=True)
            text = "".join(
                line for line in lines if not (dialect.comment and line.startswith(dialect.comment))
            ).encode()
        if number == 0:
            text = text.removeprefix(b"\xef\xbb\xbf")
            for _ in range(above):
                text = text[text.find(b"\n") + 1 :] if b"\n" in text else b""
        if not text.strip():
            continue
        tables.append(
            _fields(text, dialect, "latin-1" if encoding == "latin-1" and not dialect.comment else "utf8", note)
        )
    empty = pa.table({name: pa.array([], pa.string()) for name in dialect.names})
    table = pa.concat_tables(tables) if tables else empty
    commented = sum(line.startswith("#") for line in start.splitlines()[: above + 20]) if dialect.comment else 0
    return Sample(
        (file,), "csv", table, whole, dialect, "", above + commented + 1, len(odd), odd[0][:80] if odd else ""
    )


def _fields(text: bytes, dialect: Dialect, encoding: str, note: Any) -> pa.Table:
    return csv.read_csv(
        io.BytesIO(text),
        csv.ReadOptions(column_names=list(dialect.names), encoding=encoding, block_size=8 << 20),
        csv.ParseOptions(
            delimiter=dialect.separator, quote_char=dialect.quote, escape_char=dialect.escape or False,
            double_quote=not dialect.escape, newlines_in_values=True, invalid_row_handler=note,
        ),
        csv.ConvertOptions(
            column_types=dict.fromkeys(dialect.names, pa.string()), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=True, check_utf8=True,
        ),
    )  # fmt: skip


def _json_lines(file: SampleFile, parts: list[bytes], whole: bool) -> Sample:
    lines = itertools.chain.from_iterable(part.splitlines() for part in parts)
    table = _table(json.loads(line) for line in itertools.islice((one for one in lines if one.strip()), MOST_ROWS))
    return Sample((file,), "jsonl", table, whole and table.num_rows < MOST_ROWS, first_line=1)


def _json(file: SampleFile, parts: list[bytes], whole: bool) -> Sample:
    if not whole:
        with file.open() as stream:
            parts = [stream.read()]
    document = json.loads(b"".join(parts))
    where, records = records_in(document)
    if records is None:
        raise ValueError('there is no list of records in it, such as [{…}, {…}] or {"data": [{…}]}')
    table = _table(itertools.islice(iter(records), MOST_ROWS))
    return Sample((file,), "json", table, len(records) <= MOST_ROWS, records=where)


def records_in(document: Any, at: str = "") -> tuple[str, list[Any] | None]:
    """Where the longest list of objects stands in a JSON document, keys joined by dots, and the list."""
    if isinstance(document, list):
        return (at, document) if document and all(isinstance(one, dict) for one in document[:100]) else (at, None)
    found: tuple[str, list[Any] | None] = (at, None)
    for key, value in document.items() if isinstance(document, dict) else ():
        where, records = records_in(value, f"{at}.{key}" if at else str(key))
        if records is not None and len(records) > len(found[1] or ()):
            found = where, records
    return found


def _table(records: Iterable[Any]) -> pa.Table:
    rows = [record if isinstance(record, dict) else {"value": record} for record in records]
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    columns: Iterator[list[str | None]] = ([text_of(row.get(name)) for row in rows] for name in names)
    return pa.table({str(name): pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def text_of(value: Any) -> str | None:
    """A value of JSON as the text that a file of texts would have."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parquet(file: SampleFile, most: int) -> Sample:
    opened = pq.ParquetFile(file.path)
    groups, rows = list(range(opened.num_row_groups)), opened.metadata.num_rows
    size = sum(opened.metadata.row_group(group).total_byte_size for group in groups)
    if size > most and len(groups) > 3:
        groups = sorted({0, len(groups) // 2, len(groups) - 1})
    batches = opened.iter_batches(row_groups=groups, batch_size=50_000)
    table = pa.Table.from_batches(itertools.islice(batches, MOST_ROWS // 50_000), opened.schema_arrow)
    texts = {name: cast_to_text(table[name]) for name in table.column_names}
    return Sample((file,), "parquet", pa.table(texts), table.num_rows == rows)


def cast_to_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of Parquet as texts, null where it has nothing that is one value."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    texts = column.cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)
