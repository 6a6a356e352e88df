"""Writes rows as a source's files are written: names, format, dialect, compression; the lake reads them back."""

import codecs
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from lakeloop.atomic_file import replacing
from lakeloop.contract import Source
from lakeloop.exceptions import WrongUseError


def write_delivered(frame: pd.DataFrame, source: Source, path: Path) -> None:
    """Write the rows of a frame, which has the contract's columns, to the file at `path`.

    Raises:
        WrongUseError: a value cannot be written so: a letter outside the encoding, a separator where nothing is quoted.
    """
    frame = frame.drop(columns=list(source.in_file_names), errors="ignore")
    named = frame.set_axis([source.delivered(column)[0] for column in frame.columns], axis="columns")
    written = source.format_of(path.name)
    try:
        if written == "csv":
            content = _csv(named, source)
        elif written == "parquet":
            content = _parquet(named)
        else:
            content = _json(named, source, one_a_line=written == "jsonl").encode(source.read.encoding)
    except (UnicodeEncodeError, csv.Error) as error:
        raise WrongUseError(f"{path.name} cannot be written as the contract's `read` says: {error}") from None
    with replacing(path) as part:
        part.write_bytes(_compressed(content, path))


def _csv(frame: pd.DataFrame, source: Source) -> bytes:
    """Floats keep every digit."""
    read, text = source.read, io.StringIO(newline="")
    text.write("\n" * (read.skip_lines if isinstance(read.skip_lines, int) else 0))
    writer = csv.writer(text, delimiter=source.separator, quotechar=read.quote or None, escapechar=read.escape,
                        doublequote=not read.escape, lineterminator="\n",
                        quoting=csv.QUOTE_MINIMAL if read.quote else csv.QUOTE_NONE)  # fmt: skip
    if read.header:
        writer.writerow(frame.columns)
    else:
        frame = _by_position(frame)
    if (read.quote, read.escape, read.decimal) != ('"', None, "."):
        writer.writerows(_text_rows(frame, read.decimal))
        return text.getvalue().encode(read.encoding)
    rows = io.BytesIO(text.getvalue().encode())
    rows.seek(0, io.SEEK_END)
    options = arrow_csv.WriteOptions(include_header=False, delimiter=source.separator, quoting_style="needed")
    arrow_csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), rows, options)
    usual = codecs.lookup(read.encoding).name == "utf-8"
    return rows.getvalue() if usual else rows.getvalue().decode().encode(read.encoding)


def _by_position(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns `column_1`, … in order, with empty ones for positions that the contract does not name."""
    last = max(int(name.removeprefix("column_")) for name in frame.columns)
    return frame.reindex(columns=[f"column_{position}" for position in range(1, last + 1)])


def _text_rows(frame: pd.DataFrame, decimal: str) -> Iterator[list[str]]:
    for row in frame.itertuples(index=False, name=None):
        yield [
            "" if pd.isna(value) else str(value).replace(".", decimal) if isinstance(value, float) else str(value)
            for value in row
        ]


def _json(frame: pd.DataFrame, source: Source, one_a_line: bool) -> str:
    records = [
        {name: None if pd.isna(value) else value for name, value in record.items()}
        for record in frame.to_dict("records")
    ]
    if one_a_line:
        return "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)
    document: object = records
    for part in reversed(source.read.records.split(".") if source.read.records else ()):
        document = [*[None] * int(part), document] if part.isdecimal() else {part: document}
    return json.dumps(document, ensure_ascii=False, default=str)


def _parquet(frame: pd.DataFrame) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), made)
    return made.getvalue()


def _compressed(content: bytes, path: Path) -> bytes:
    """As the name's ending says; the same content gives the same bytes."""
    if path.suffix == ".gz":
        return gzip.compress(content, mtime=0)
    if path.suffix == ".zst":
        made = pa.BufferOutputStream()
        with pa.CompressedOutputStream(made, "zstd") as stream:
            stream.write(content)
        return bytes(made.getvalue())
    if path.suffix == ".zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
            writer.writestr(zipfile.ZipInfo(path.stem), content)
        return archive.getvalue()
    return content
