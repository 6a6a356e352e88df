"""What Delta's log tells of a table's versions: what came after one, and the bounds of each file; without Spark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.storage.commits import Commit, commits_of

Range = tuple[Any, Any]
MAX_RANGES = 16


@dataclass(frozen=True)
class DataFile:
    """One file of a table: its rows, and the lowest and highest value of the columns that Delta keeps them for.

    A partition column's value stands in both.
    """

    path: str
    rows: int
    lowest: Mapping[str, Any]
    highest: Mapping[str, Any]

    def range_of(self, column: str) -> tuple[Any, Any] | None:
        """Lowest and highest value of a column; None if the log does not say."""
        low, high = self.lowest.get(column), self.highest.get(column)
        return None if low is None or high is None else (low, high)


def version_of(path: str) -> int | None:
    """The newest version of the table at `path`; None where there is no table."""
    try:
        return DeltaTable(path, without_files=True).version()
    except TableNotFoundError:
        return None


def files_at(path: str, version: int | None = None) -> list[DataFile] | None:
    """The files of a version, by default the newest; None if the log does not reach back to it, or there is no table.

    What was vacuumed away is still listed: only the log is read.
    """
    try:
        table = DeltaTable(path, version=version)
    except (DeltaError, TableNotFoundError):
        return None
    found = []
    for row in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        lowest, highest = _named(row, "min."), _named(row, "max.")
        partition = _named(row, "partition.")
        found.append(DataFile(row["path"], row.get("num_records") or 0, lowest | partition, highest | partition))
    return found


def _named(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def commits_after(path: str, version: int) -> list[Commit]:
    """The commits that came after a version, newest first."""
    newest = version_of(path)
    if newest is None or newest <= version:
        return []
    return [commit for commit in commits_of(DeltaTable(path), newest - version) if commit.version > version]


def key_ranges(files: Iterable[DataFile], column: str) -> list[Range] | None:
    """Where a column's values of these files lie, overlapping ranges joined; None if the log does not say."""
    ranges = [file.range_of(column) for file in files if file.rows]
    known = [found for found in ranges if found is not None]
    return joined_ranges(known) if len(known) == len(ranges) else None


def joined_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Overlapping ranges as one; more than MAX_RANGES become one that spans them all."""
    result: list[Range] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result if len(result) <= MAX_RANGES else [(result[0][0], result[-1][1])]


def overlap(files: Iterable[DataFile], column: str, ranges: Sequence[Range] | None) -> bool:
    """Whether a value in these ranges may stand in these files; what the log does not say may."""
    for file in files:
        if not file.rows:
            continue
        there = file.range_of(column)
        if ranges is None or there is None or any(there[0] <= high and low <= there[1] for low, high in ranges):
            return True
    return False
