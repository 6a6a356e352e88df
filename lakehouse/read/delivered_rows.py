"""One delivered file's rows as bronze keeps them, read without Spark and without the lake."""

import csv
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.bronze.delivered_columns import Content
from lakehouse.bronze.parts import ROWS
from lakehouse.bronze.plain_lines import plain_fields
from lakehouse.bronze.quoted_lines import LINE_BREAK
from lakehouse.bronze.staging import stage_file
from lakehouse.exceptions import FileRefusedError
from lakeloop.contract import Source

LINE = "_line"


def delivered_rows(path: Path, source: Source, may_lack: Collection[str] = ()) -> pa.Table:
    """The contract's columns as texts, null where a field is empty, and `_line`; lines that are flawed are left out.

    `may_lack`: columns that the file need not have; they are null then.

    Raises:
        FileRefusedError: an ingest would refuse the file; the text says why.
        NotReadableYetError: it cannot be read.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        staged = stage_file(path, path.name, 0, source, folder, may_lack)
        if staged.refusal:
            raise FileRefusedError(f"{path} {staged.refusal}")
        empty = pa.table(
            {name: pa.array([], pa.string()) for name in source.columns} | {LINE: pa.array([], pa.int64())}
        )
        return pa.concat_tables([empty, *_tables(folder, staged.content, source)]).combine_chunks()


def _tables(folder: Path, content: Content, source: Source) -> Iterator[pa.Table]:
    for part in sorted(path for path in folder.iterdir() if path.stat().st_size):
        if part.suffix == ROWS:
            with pa.OSFile(str(part)) as file:
                rows = pa.ipc.open_file(file).read_all()
            yield _with_all(rows.filter(rows["_flaw"].is_null()), source)
            continue
        first, data = int(part.name.split(".")[0]), part.read_bytes()
        fields = plain_fields(data, source.separator, len(content.header)) if not content.quoted else None
        if fields is not None:
            named = fields.rename_columns(list(content.header))
            yield _with_all(named.append_column(LINE, pa.array(np.arange(first, first + named.num_rows))), source)
        else:
            yield _odd(data, first, content.header, source)


def _odd(data: bytes, first: int, header: tuple[str, ...], source: Source) -> pa.Table:
    """Lines that are not plain, by Python's own parser: slower, and as an ingest's where a line is good."""
    places = {name: header.index(name) for name in source.columns if name in header}
    columns: dict[str, list[str | None]] = {name: [] for name in places}
    lines = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), first):
        fields = next(csv.reader([line], delimiter=source.separator), []) if line else []
        if len(fields) == len(header):
            lines.append(number)
            for name, place in places.items():
                columns[name].append(fields[place].replace(LINE_BREAK.decode(), "\n") or None)
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return _with_all(pa.table(texts | {LINE: pa.array(lines, pa.int64())}), source)


def _with_all(rows: pa.Table, source: Source) -> pa.Table:
    """The source's columns, null where the file has none of that name, and the line."""
    for name in source.columns:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    return rows.select([*source.columns, LINE])
