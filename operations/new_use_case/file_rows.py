"""One file's rows as texts, up to a number of bytes: CSV in its dialect, JSON lines, JSON documents, Parquet."""

import io
import itertools
import json
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from lakehouse.bronze.json_records import record_texts
from lakehouse.bronze.parquet_rows import flat
from operations.new_use_case.dialect import Dialect, dialect_of, encoding_of, is_comment, lines_above
from operations.new_use_case.files import SampleFile, pieces
from operations.new_use_case.problems import Findings

MOST_ROWS = 200_000
MOST_ODD = 0.1
"""Of the lines, that may be no records."""


@dataclass(frozen=True)
class FileRows:
    """Rows of one file as texts, null where nothing stands, under the names that were delivered.

    `whole`: every row of the file is there; `first_line` is the line of the first row, 0 where rows have no lines;
    `records`: where in a JSON document the list of records stands; `odd`: lines with another number of fields, of which
    `odd_line` is the first; `ascii`: no character beyond ASCII was seen, so it is in any encoding.
    """

    file: SampleFile
    table: pa.Table
    whole: bool
    dialect: Dialect = field(default_factory=Dialect)
    records: str = ""
    first_line: int = 0
    odd: int = 0
    odd_line: str = ""
    ascii: bool = False

    def where(self, row: int) -> str:
        """A row's place in words; the file alone where nobody has counted the lines above it."""
        path = self.file.path
        if not self.first_line:
            return f"{path}, row {row + 1}"
        if not self.whole and row >= self.table.num_rows // 3:
            return str(path)
        above = self.table.slice(0, row)
        breaks = sum(pc.sum(pc.count_substring(column, "\n")).as_py() or 0 for column in above.columns)
        return f"{path}, line {row + breaks + self.first_line}"


def read_file(file: SampleFile, findings: Findings, most: int) -> FileRows | None:
    """Its rows, of a larger one those in about `most` bytes; None, with a problem, where it cannot be read.

    The columns that its folders say are among them.
    """
    found = _content(file, findings, most)
    if found is None:
        return None
    table, own = found.table, tuple(found.table.column_names)
    for name, value in reversed(file.columns):
        if name not in own:
            table = table.add_column(0, name, pa.array([value] * table.num_rows, pa.string()))
    return replace(found, table=table, dialect=replace(found.dialect, names=own))


def _content(file: SampleFile, findings: Findings, most: int) -> FileRows | None:
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


def _csv(file: SampleFile, parts: list[bytes], whole: bool, encoding: str) -> FileRows:
    start = parts[0].decode(encoding, "replace").removeprefix("\ufeff")
    dialect = dialect_of(start[: 1 << 20], encoding)
    odd: list[str] = []

    def note(row: csv.InvalidRow) -> str:
        odd.append(row.text or "")
        return "skip"

    tables, first_line = [], 1
    for number, part in enumerate(parts):
        text = part if encoding in ("utf-8", "latin-1") else part.decode(encoding, "replace").encode()
        if number == 0:
            text = text.removeprefix(BOM_UTF8)
            above = lines_above(text, dialect)
            text, first_line = text[len(above) :], above.count(b"\n") + 1
        if dialect.comment:
            text = b"".join(line for line in text.splitlines(keepends=True) if not is_comment(line, dialect))
        if not text.strip():
            continue
        tables.append(_fields(text, dialect, "latin-1" if encoding == "latin-1" else "utf8", note))
    empty = pa.table({name: pa.array([], pa.string()) for name in dialect.names})
    table = pa.concat_tables(tables) if tables else empty
    return FileRows(
        file, table, whole, dialect, first_line=first_line, odd=len(odd),
        odd_line=odd[0][:80] if odd else "", ascii=all(part.isascii() for part in parts),
    )  # fmt: skip


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


def _json_lines(file: SampleFile, parts: list[bytes], whole: bool) -> FileRows:
    records, odd = list[Any](), list[tuple[int, str]]()
    for number, line in enumerate(itertools.chain.from_iterable(part.split(b"\n") for part in parts), 1):
        if len(records) == MOST_ROWS:
            break
        try:
            found = json.loads(line) if line.strip() else None
        except ValueError:
            found = line.strip()
        if isinstance(found, dict):
            records.append(found)
        elif found is not None:
            odd.append((number, line.decode("utf-8", "replace")[:80]))
    if odd and len(odd) > MOST_ODD * (len(records) + len(odd)):
        number, text = odd[0]
        raise ValueError(
            f"line {number} is no JSON object: {text}; {len(odd):,} of {len(records) + len(odd):,} are none"
        )
    table = _table(records)
    return FileRows(
        file, table, whole and len(records) < MOST_ROWS, first_line=1, odd=len(odd),
        odd_line=odd[0][1] if odd else "",
    )  # fmt: skip


def _json(file: SampleFile, parts: list[bytes], whole: bool) -> FileRows:
    if not whole:
        with file.open() as stream:
            parts = [stream.read()]
    document = json.loads(b"".join(parts))
    where, records = records_in(document)
    if records is None:
        raise ValueError('there is no list of records in it, such as [{…}, {…}] or {"data": [{…}]}')
    table = _table(itertools.islice(iter(records), MOST_ROWS))
    return FileRows(file, table, len(records) <= MOST_ROWS, records=where)


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
    rows = [texts_of(record) for record in records]
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    return pa.table({name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in names})


def texts_of(record: Any) -> dict[str, str | None]:
    """A record's values as the lake has them, those of inner objects as `outer.inner`; nothing of what is no object."""
    try:
        return record_texts(record, (), "", {}) if isinstance(record, dict) else {}
    except UnicodeEncodeError:  # half a character: the lake rejects the record
        return {}


def records_at(document: Any, path: str) -> list[Any]:
    """The list at a path such as `data.items` of a JSON document; none where it has none."""
    for part in path.split(".") if path else ():
        document = document.get(part, []) if isinstance(document, dict) else []
    return document if isinstance(document, list) else []


def _parquet(file: SampleFile, most: int) -> FileRows:
    opened = pq.ParquetFile(file.path)
    groups, rows = list(range(opened.num_row_groups)), opened.metadata.num_rows
    size = sum(opened.metadata.row_group(group).total_byte_size for group in groups)
    if size > most and len(groups) > 3:
        groups = sorted({0, len(groups) // 2, len(groups) - 1})
    batches = opened.iter_batches(row_groups=groups, batch_size=50_000)
    table = pa.Table.from_batches(itertools.islice(batches, MOST_ROWS // 50_000), opened.schema_arrow)
    flattened = flat(table)
    texts = {name: cast_to_text(flattened[name]) for name in flattened.column_names}
    return FileRows(file, pa.table(texts), table.num_rows == rows)


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
