"""A table's values as texts: nested ones as JSON, times in UTC, and a missing one told from an empty text."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
from rich.text import Text

from console.cli.render import DIM

MISSING = "null"


def shown_rows(rows: pa.Table) -> list[list[object]]:
    """The rows as cells for a terminal; floats stay numbers."""
    return [
        [Text(MISSING, DIM) if cell is None else cell if isinstance(cell, float) else str(cell) for cell in row]
        for row in _plain_rows(rows)
    ]


def rows_as_csv(rows: pa.Table) -> str:
    """Header and rows as CSV; a missing value is an empty field."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows(_plain_rows(rows))
    return written.getvalue()


def number_columns(rows: pa.Table) -> list[str]:
    """The columns that hold numbers."""
    return [f.name for f in rows.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]


def _plain_rows(rows: pa.Table) -> Iterable[tuple[object, ...]]:
    columns = [
        [_plain(value, field.type) for value in _values(column)]
        for field, column in zip(rows.schema, rows.columns, strict=True)
    ]
    return zip(*columns, strict=True)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """The column as Python's values; times beyond its last year as texts."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        return list(column.cast(pa.string()).to_pylist())


def _plain(value: Any, of_type: pa.DataType) -> object:
    if isinstance(value, datetime):
        return str(value.replace(tzinfo=None))
    if value is not None and pa.types.is_map(of_type):
        value = dict(value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value
