"""A sample of one table as texts, of one file or of several that are alike: what a profile is made from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.bronze.csv_text import HEADER_COLUMNS
from lakeloop.contract.sources import Format
from operations.new_use_case.dialect import Dialect
from operations.new_use_case.file_rows import MOST_ROWS, FileRows, read_file
from operations.new_use_case.files import MOST_BYTES, SampleFile
from operations.new_use_case.problems import Findings

MOST_FILES = 60
HEAD_BYTES = 256 << 10
"""Of each file, by which those of one table are found."""
SHARED = 0.6
"""Of the columns of two files, that they must have in common to be of one table."""


@dataclass(frozen=True)
class Sample:
    """Rows of one table as texts, null where nothing stands, under the names that were delivered.

    `parts`: what was read of which file, in the table's order, and `picked` which of those rows are in the table, all
    if None; `whole`: every row of every file is there. `dialect` reads every CSV file; `heads` are the columns of each
    file in its own order.
    """

    files: tuple[SampleFile, ...]
    heads: tuple[tuple[str, ...], ...]
    parts: tuple[FileRows, ...]
    table: pa.Table
    whole: bool
    dialect: Dialect
    picked: np.ndarray | None = None

    @property
    def format(self) -> Format:
        """That of its files."""
        return self.files[0].format

    @property
    def names(self) -> list[str]:
        """The columns as delivered."""
        return list(self.table.column_names)

    @property
    def file(self) -> Path:
        """The file that is named where it is about all of them."""
        return self.parts[0].file.path

    @property
    def header_line(self) -> int:
        """The line that has the columns' names, about."""
        return max(1, self.parts[0].first_line - 1)

    @property
    def records(self) -> str:
        """Where in a JSON document the list of records stands."""
        return self.parts[0].records

    @property
    def all_rows(self) -> int:
        """About how many rows the files have, by their size beside the sample's."""
        if self.whole:
            return int(self.table.num_rows)
        size = sum(file.path.stat().st_size for file in self.files)
        return max(self.table.num_rows, round(self.table.num_rows * size / max(1, self.table.nbytes)))

    @property
    def odd(self) -> int:
        """Lines of another number of fields than there are columns, or that are no records."""
        return sum(part.odd for part in self.parts)

    def dialect_of(self, file: SampleFile) -> Dialect:
        """How one file is written: as all are, with columns of its own."""
        return replace(self.dialect, names=self.heads[self.files.index(file)])

    def columns_of(self, file: SampleFile) -> tuple[tuple[str, str | None], ...]:
        """The columns that the folders of a file say and its rows have not."""
        own = self.heads[self.files.index(file)]
        return tuple((name, value) for name, value in file.columns if name not in own)

    def where(self, row: int) -> str:
        """A row's place in words; the file alone where nobody has counted the lines above it."""
        place = row if self.picked is None else int(self.picked[row])
        for part in self.parts:
            if place < part.table.num_rows:
                return part.where(place)
            place -= part.table.num_rows
        return str(self.file)


def read_samples(files: Sequence[SampleFile], findings: Findings) -> list[Sample]:
    """A sample a table: files of the same format, written alike, with mostly the same columns are one."""
    tables = list[list[FileRows]]()
    for file in files:
        head = read_file(file, findings, HEAD_BYTES)
        if head is not None:
            alike = next((group for group in tables if _alike(group[0], head)), None)
            if alike is None:
                tables.append(alike := [])
            alike.append(head)
    return [sample for group in tables if (sample := _joined(group, findings))]


def _alike(one: FileRows, other: FileRows) -> bool:
    """Whether one contract's source can have both: the same writing, and columns of which few are in one alone."""
    if one.file.format != other.file.format or one.dialect.layout != other.dialect.layout:
        return False
    if one.records != other.records:
        return False
    ours, theirs = set(one.table.column_names), set(other.table.column_names)
    return len(ours & theirs) >= SHARED * len(ours | theirs)


def _joined(heads: list[FileRows], findings: Findings) -> Sample | None:
    """A sample of files that are alike; of many or large ones from the first, the middle and the last."""
    files = [head.file for head in heads]
    looked_at = files
    if len(files) > MOST_FILES or sum(file.path.stat().st_size for file in files) > MOST_BYTES:
        looked_at = [files[place] for place in sorted({0, len(files) // 2, len(files) - 1})]
    read = [read_file(file, findings, MOST_BYTES // len(looked_at)) for file in looked_at]
    parts = tuple(part for part in read if part is not None)
    if not parts:
        return None
    table = pa.concat_tables([part.table for part in parts], promote_options="default").combine_chunks()
    whole = all(part.whole for part in parts) and len(looked_at) == len(files)
    picked = None
    if table.num_rows > MOST_ROWS:
        picked, whole = _thinned(table.num_rows, MOST_ROWS), False
        table = table.take(pa.array(picked)).combine_chunks()
    names = {rows.file.path: rows.dialect.names for rows in (*heads, *parts)}
    own = tuple(names[file.path] for file in files)
    sample = Sample(tuple(files), own, parts, table, whole, _common_dialect(parts, findings), picked)
    if not table.num_rows:
        findings.problems.append(f"{sample.file}: has a header and no rows; a sample with rows is needed")
        return None
    if len(table.column_names) > HEADER_COLUMNS:
        findings.problems.append(
            f"{sample.file}, line {sample.header_line}: has {len(table.column_names):,} columns, and up to "
            f"{HEADER_COLUMNS:,} can be read; deliver a table with those that matter"
        )
        return None
    return sample


def _common_dialect(parts: Sequence[FileRows], findings: Findings) -> Dialect:
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
                    f"{part.file.path}: is written in {part.dialect.encoding}, and other files of the same table in "
                    f"{special['encoding']}; a table's files are written alike"
                )
    encoding, quote, escape, comment = special.values()
    return replace(first, encoding=encoding, quote=quote, escape=escape, comment=comment)


def _thinned(rows: int, most: int) -> np.ndarray:
    """A third of the rows each from start, middle and end."""
    third = most // 3
    return np.concatenate([np.arange(start, start + third) for start in (0, (rows - third) // 2, rows - third)])
