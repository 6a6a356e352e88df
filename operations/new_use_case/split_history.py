"""The sample's files, whole, as the history that is replayed: one file a period, every row as it was delivered."""

import gzip
import json
import shutil
import zipfile
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakeloop.event_times import event_times
from operations.new_use_case.columns import encoded_column
from operations.new_use_case.delivered_records import (
    WIDE,
    ParquetRows,
    Records,
    delivered_records,
    row_count,
)
from operations.new_use_case.dialect import Dialect, lines_above
from operations.new_use_case.draft import Draft
from operations.new_use_case.files import SampleFile
from operations.new_use_case.source_names import UNTIMED, file_pattern, joined_names, source_name
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.times import PANDAS_CODES, moments, period_name

DEALT_PERIODS, DEALT_ROWS = 12, 200
"""Months that rows without a time are dealt out over, and the fewest rows of each."""


@dataclass
class HistoryFiles:
    """What was written: rows of each period by its name, in order of time, and rows without a readable time."""

    rows: Counter[str] = field(default_factory=Counter)
    without_time: int = 0

    @property
    def start(self) -> str:
        """The first period."""
        return min(self.rows)

    @property
    def usual(self) -> int:
        """The median of rows a period."""
        return int(np.median(list(self.rows.values())))


Said = Sequence[tuple[str, str | None]]
"""Columns that no row of a file has, with the value that all of them get: the period, what its folders say."""
PeriodsOf = Callable[[Mapping[str, pa.Array]], Sequence[str | None]]
"""Texts of the time's columns (or of any) -> the period of each row, None where there is none."""


def write_history(draft: Draft, folder: Path) -> HistoryFiles:
    """Write the history of every table below `folder`, one folder a source; files of joined sources as they are."""
    found = HistoryFiles()
    if draft.time is None:
        periods: PeriodsOf = _Dealt(row_count(draft.table), draft.label.sorted_by_class)
        by = tuple(list(draft.table.columns)[:1])
    else:
        periods, by = _by_time(draft), draft.time.delivered
    period_of_key: dict[str, str] = {}
    joined = draft.truth is not draft.table
    name = source_name(draft.table)
    with _Files(folder / name, file_pattern(draft.period, draft.table), draft.table, draft) as files:
        for file, records, texts, keys in delivered_records(draft.table, by, draft.key.columns if joined else ()):
            names = periods(texts)
            found.rows.update(one for one in names if one is not None)
            found.without_time += sum(one is None for one in names)
            files.add(file, records, names)
            if joined:
                period_of_key.update((key, one) for key, one in zip(keys, names, strict=True) if one is not None)
    if joined:
        other = source_name(draft.truth, name)
        with _Files(folder / other, file_pattern(draft.period, draft.truth), draft.truth, draft) as files:
            for file, records, _, keys in delivered_records(draft.truth, draft.key.columns[:1], draft.key.columns):
                files.add(file, records, [period_of_key.get(key) for key in keys])
    for join in draft.joins:
        (folder / join.name).mkdir(parents=True, exist_ok=True)
        for file, called in zip(join.table.sample.files, joined_names(join.name, join.table), strict=True):
            shutil.copyfile(file.path, folder / join.name / called)
    return found


def _by_time(draft: Draft) -> PeriodsOf:
    assert draft.time is not None
    time = draft.time
    word, style, period, zone = draft.time.format, draft.table.style, draft.period, draft.time.zone.name
    gaps = pa.array(draft.time.column.own_gaps, pa.string())

    def of(said: Mapping[str, pa.Array]) -> Sequence[str | None]:
        texts = event_times(time.parts, said) if time.parts else said[time.name]
        texts = pc.if_else(pc.is_in(texts, gaps), None, texts)
        times = moments(encoded_column("time", texts.dictionary_encode(), style), word, zone=zone)
        codes, known = pd.factorize(times.dt.to_period(PANDAS_CODES[period]))
        names = np.array([*(period_name(one, period) for one in known), None], dtype=object)
        found: list[str | None] = names[codes].tolist()
        return found

    return of


class _Dealt:
    """Rows without a time: the first part is the first month, and so on; `one_by_one`: in turn to each month."""

    def __init__(self, rows: int, one_by_one: bool) -> None:
        self._rows, self._seen, self._one_by_one = max(1, rows), 0, one_by_one
        count = int(np.clip(rows // DEALT_ROWS, 2, DEALT_PERIODS))
        last = pd.Period(date.today(), "M") - 1
        self._names = [period_name(last - (count - 1 - place), "month") for place in range(count)]

    def __call__(self, said: Mapping[str, pa.Array]) -> Sequence[str | None]:
        number = len(next(iter(said.values())))
        rows = self._seen + np.arange(number)
        places = rows % len(self._names) if self._one_by_one else rows * len(self._names) // self._rows
        self._seen += number
        return [self._names[min(place, len(self._names) - 1)] for place in places.tolist()]


class _Files:
    """Writes records into one file a period, packed as the delivered files were; of CSV one a header there is."""

    def __init__(self, folder: Path, pattern: str, table: TableDraft, draft: Draft) -> None:
        self._folder, self._like, self._table = folder, table.sample.files[0], table
        self._before, self._after = pattern.split("{")[0], pattern.split("}")[1].replace("*", "")
        self._plain: dict[tuple[str, int], Path] = {}
        self._rows: dict[str, list[Any]] = {}
        self._untimed = draft.time is None and table is draft.table
        self._heads: dict[bytes, int] = {}

    def __enter__(self) -> "_Files":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def add(self, file: SampleFile, records: Records, periods: Sequence[str | None]) -> None:
        """Put each record of a file with its period; those without one nowhere."""
        codes, names = pd.factorize(np.array(periods, dtype=object))
        for code, name in enumerate(names):
            places = np.flatnonzero(codes == code)
            said = (*([(UNTIMED, name)] if self._untimed else ()), *self._table.sample.columns_of(file))
            if self._like.format == "csv":
                self._append(file, name, said, [records[place] for place in places.tolist()])
            elif isinstance(records, ParquetRows):
                self._rows.setdefault(name, []).append(_with_columns(records.table.take(pa.array(places)), said))
            else:
                self._rows.setdefault(name, []).extend(dict(said) | records[place] for place in places.tolist())

    def _append(self, file: SampleFile, name: str, said: Said, records: list[bytes]) -> None:
        dialect = self._table.sample.dialect_of(file)
        head = _head_of(file, dialect, [column for column, _ in said])
        number = self._heads.setdefault(head, len(self._heads) + 1)
        before = "".join(f"{_field(value or '', dialect)}{dialect.separator}" for _, value in said)
        start = before.encode(dialect.encoding if not dialect.encoding.startswith(WIDE) else "utf-8")
        first = (name, number) not in self._plain
        path = self._plain.setdefault((name, number), self._folder / f".{name}.{number}.part")
        with path.open("ab") as stream:
            if first:
                stream.write(head)
            stream.writelines(start + record for record in records)

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            return
        encoding = self._table.sample.dialect.encoding
        for (name, number), path in self._plain.items():
            content = path.read_bytes()
            if encoding.startswith(WIDE):
                content = content.decode().encode(encoding)
            self._pack(name if number == 1 else f"{name}.{number}", content)
            path.unlink()
        for name, rows in self._rows.items():
            if self._like.format == "parquet":
                pq.write_table(pa.concat_tables(rows, promote_options="permissive"), self._path(name))
            else:
                self._pack(name, self._json(rows))

    def _json(self, rows: list[dict[str, Any]]) -> bytes:
        if self._like.format == "jsonl":
            return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        document: Any = rows
        for part in reversed([part for part in self._table.sample.records.split(".") if part]):
            document = {part: document}
        return json.dumps(document, ensure_ascii=False, indent=1).encode()

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._before}{name}{self._after}"

    def _pack(self, name: str, content: bytes) -> None:
        path = self._path(name)
        if self._like.compression == "gzip":
            path.write_bytes(gzip.compress(content, 5, mtime=0))
        elif self._like.compression == "zstd":
            path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
        elif self._like.compression == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(path.name.removesuffix(".zip"), content)
        else:
            path.write_bytes(content)


def _with_columns(table: pa.Table, said: Said) -> pa.Table:
    for name, value in reversed(said):
        table = table.add_column(0, name, pa.array([value] * table.num_rows, pa.string()))
    return table


def _field(text: str, dialect: Dialect) -> str:
    """A text as a CSV field of the file, quoted where it must be."""
    if not set(text) & {dialect.separator, dialect.quote, "\n", "\r"}:
        return text
    return (
        dialect.quote + text.replace(dialect.quote, (dialect.escape or dialect.quote) + dialect.quote) + dialect.quote
    )


def _head_of(file: SampleFile, dialect: Dialect, before: Sequence[str]) -> bytes:
    """What stands above the rows of a CSV file, as it stands there; with names for the columns put `before` them."""
    with file.open() as stream:
        start = stream.read(4 << 20)
    encoding = dialect.encoding
    if encoding.startswith(WIDE):
        start, encoding = start[: len(start) // 4 * 4].decode(encoding, "ignore").encode(), "utf-8"
    above = lines_above(start.removeprefix(BOM_UTF8), dialect)
    if not (before and dialect.header):
        return above
    names = "".join(f"{_field(name, dialect)}{dialect.separator}" for name in before).encode(encoding)
    header = above.rstrip(b"\n").rfind(b"\n") + 1
    return above[:header] + names + above[header:]
