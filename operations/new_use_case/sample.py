"""A sample of one table as texts: what a profile is made from."""

import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from lakehouse.bronze.csv_text import HEADER_COLUMNS
from lakehouse.bronze.json_records import record_texts
from lakehouse.bronze.parquet_rows import flat
from lakeloop.contract.sources import Format
from operations.new_use_case.dialect import Dialect, dialect_of, encoding_of
from operations.new_use_case.files import MOST_BYTES, SampleFile, pieces
from operations.new_use_case.problems import Findings

MOST_ROWS = 200_000
MOST_FILES = 60
HEAD_BYTES = 256 << 10
MOST_ODD = 0.1
"""Of the lines, that may be no records."""
SHARED = 0.6
"""Of the columns of two files, that they must have in common to be of one table."""


@dataclass(frozen=True)
class Sample:
    """Rows of one table as texts, null where nothing stands, under the names that were delivered.

    `first_line` is the line of the first row in the first file, 0 where rows have no lines; `whole`: every row of every
    file is there; `records`: where in a JSON document the list of records stands; `odd`: lines with another number of
    fields, of which `odd_line` is the first. `dialects`: how each CSV file is written, with its own columns; `parts`:
    what was read of which file, in the table's order, and `picked` which of those rows are in the table, all if None.
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
    dialects: Mapping[Path, Dialect] = field(default_factory=dict)
    parts: tuple["Sample", ...] = ()
    ascii: bool = False
    picked: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """The columns as delivered."""
        return list(self.table.column_names)

    @property
    def file(self) -> Path:
        """The file that is named where a row is."""
        return self.files[0].path

    def dialect_of(self, file: SampleFile) -> Dialect:
        """How one file is written: as all are, with columns of its own."""
        return replace(self.dialect, names=self.dialects[file.path].names)

    @property
    def heads(self) -> list[tuple[str, ...]]:
        """The columns of each CSV file in its own order."""
        return [self.dialects[file.path].names for file in self.files]

    def columns_of(self, file: SampleFile) -> tuple[tuple[str, str | None], ...]:
        """The columns that the folders of a file say and its rows have not."""
        own = self.dialects[file.path].names
        return tuple((name, value) for name, value in file.columns if name not in own)

    def where(self, row: int) -> str:
        """A row's place in words; the file alone where nobody has counted the lines above it."""
        place = row if self.picked is None else int(self.picked[row])
        for part in self.parts or (self,):
            if place < part.table.num_rows:
                return part._place(place)
            place -= part.table.num_rows
        return str(self.file)

    def _place(self, row: int) -> str:
        if not self.first_line:
            return f"{self.file}, row {row + 1}"
        if not self.whole and row >= self.table.num_rows // 3:
            return str(self.file)
        above = self.table.slice(0, row)
        breaks = sum(pc.sum(pc.count_substring(column, "\n")).as_py() or 0 for column in above.columns)
        return f"{self.file}, line {row + breaks + self.first_line}"


def read_samples(files: Sequence[SampleFile], findings: Findings) -> list[Sample]:
    """A sample a table: files of the same format, written alike, with mostly the same columns are one."""
    tables = list[list[Sample]]()
    for file in files:
        head = _read(file, findings, HEAD_BYTES)
        if head is not None:
            alike = next((group for group in tables if _alike(group[0], head)), None)
            if alike is None:
                tables.append(alike := [])
            alike.append(head)
    return [sample for group in tables if (sample := _joined(group, findings))]


def _alike(one: Sample, other: Sample) -> bool:
    """Whether one contract's source can have both: the same writing, and columns of which few are in one alone."""
    if one.format != other.format or one.dialect.layout != other.dialect.layout or one.records != other.records:
        return False
    ours, theirs = set(one.names), set(other.names)
    return len(ours & theirs) >= SHARED * len(ours | theirs)


def _joined(heads: list[Sample], findings: Findings) -> Sample | None:
    """A sample of files that are alike; of many or large ones from the first, the middle and the last."""
    files = [head.files[0] for head in heads]
    looked_at = files
    if len(files) > MOST_FILES or sum(file.path.stat().st_size for file in files) > MOST_BYTES:
        looked_at = [files[place] for place in sorted({0, len(files) // 2, len(files) - 1})]
    parts = [_read(file, findings, MOST_BYTES // len(looked_at)) for file in looked_at]
    there = [part for part in parts if part is not None]
    if not there:
        return None
    first = there[0]
    table = pa.concat_tables([part.table for part in there], promote_options="default").combine_chunks()
    whole = all(part.whole for part in there) and len(looked_at) == len(files)
    picked = None
    if table.num_rows > MOST_ROWS:
        picked, whole = _thinned(table.num_rows, MOST_ROWS), False
        table = table.take(pa.array(picked)).combine_chunks()
    if not table.num_rows:
        findings.problems.append(f"{first.file}: has a header and no rows; a sample with rows is needed")
        return None
    if len(table.column_names) > HEADER_COLUMNS:
        findings.problems.append(
            f"{first.file}, line {max(1, first.first_line - 1)}: has {len(table.column_names):,} columns, and up to "
            f"{HEADER_COLUMNS:,} can be read; deliver a table with those that matter"
        )
        return None
    dialects = {part.file: part.dialect for part in (*heads, *there)}
    odd = [part for part in there if part.odd]
    return replace(
        first, files=tuple(files), table=table, whole=whole, dialect=_common_dialect(there, findings),
        odd=sum(part.odd for part in odd), odd_line=odd[0].odd_line if odd else "", dialects=dialects,
        parts=tuple(there), picked=picked,
    )  # fmt: skip


def _common_dialect(parts: Sequence[Sample], findings: Findings) -> Dialect:
    """The one that reads every file: what is special in any of them, since nothing of it stands in the others."""
    first = parts[0].dialect
    special: dict[str, str] = {
        name: next((value for part in parts if (value := getattr(part.dialect, name)) != plain), plain)
        for name, plain in (("encoding", "utf-8"), ("quote", '"'), ("escape", ""), ("comment", ""))
    }
    if special["encoding"] != "utf-8":
        for part in parts:
            if part.dialect.encoding != special["encoding"] and not part.ascii:
                findings.problems.append(
                    f"{part.file}: is written in {part.dialect.encoding}, and other files of the same table in "
                    f"{special['encoding']}; a table's files are written alike"
                )
    encoding, quote, escape, comment = special.values()
    return replace(first, encoding=encoding, quote=quote, escape=escape, comment=comment)


def _thinned(rows: int, most: int) -> np.ndarray:
    """A third of the rows each from start, middle and end."""
    third = most // 3
    return np.concatenate([np.arange(start, start + third) for start in (0, (rows - third) // 2, rows - third)])


def _read(file: SampleFile, findings: Findings, most: int) -> Sample | None:
    found = _content(file, findings, most)
    if found is None:
        return None
    table, own = found.table, tuple(found.names)
    for name, value in reversed(file.columns):
        if name not in own:
            table = table.add_column(0, name, pa.array([value] * table.num_rows, pa.string()))
    return replace(found, table=table, dialect=replace(found.dialect, names=own))


def _content(file: SampleFile, findings: Findings, most: int) -> Sample | None:
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
        (file,), "csv", table, whole, dialect, "", above + commented + 1, len(odd), odd[0][:80] if odd else "",
        ascii=all(part.isascii() for part in parts),
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


def _json_lines(file: SampleFile, parts: list[bytes], whole: bool) -> Sample:
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
    return Sample(
        (file,), "jsonl", table, whole and len(records) < MOST_ROWS, first_line=1, odd=len(odd),
        odd_line=odd[0][1] if odd else "",
    )  # fmt: skip


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


def _parquet(file: SampleFile, most: int) -> Sample:
    opened = pq.ParquetFile(file.path)
    groups, rows = list(range(opened.num_row_groups)), opened.metadata.num_rows
    size = sum(opened.metadata.row_group(group).total_byte_size for group in groups)
    if size > most and len(groups) > 3:
        groups = sorted({0, len(groups) // 2, len(groups) - 1})
    batches = opened.iter_batches(row_groups=groups, batch_size=50_000)
    table = pa.Table.from_batches(itertools.islice(batches, MOST_ROWS // 50_000), opened.schema_arrow)
    flattened = flat(table)
    texts = {name: cast_to_text(flattened[name]) for name in flattened.column_names}
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
