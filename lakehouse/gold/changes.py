"""What changed in silver since gold was last made, from the logs of silver's tables alone.

Silver's rows carry the batch that brought their newest values, or where sources are joined the number of their newest
change, so the changed rows of a table are those of a later one. Where they lie, in keys and periods, follows from the
files that came and went: more than what changed at times, never less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.storage.commits import Commit
from lakehouse.storage.layout import PREDICTIONS
from lakehouse.storage.schema import change_column
from lakehouse.storage.table_log import (
    DataFile,
    Range,
    commits_after,
    files_at,
    joined_ranges,
    key_ranges,
    overlap,
)
from lakeloop.contract import Contract

FOLLOWED = ("WRITE", "MERGE", "OPTIMIZE", "VACUUM START", "VACUUM END", "CREATE TABLE", "ADD COLUMNS",
            "SET TBLPROPERTIES", "UNSET TBLPROPERTIES")  # fmt: skip
"""Operations that as the platform makes them delete no key. After any other, gold is made from all of silver."""

MOST_LISTED = 2_000
"""More periods than this are not told apart: hours soon are many, and reading all of them is as quick."""


@dataclass(frozen=True)
class TableChange:
    """How a table of silver differs from an earlier version: rows of a batch, or change, above `batch` are new or have
    new values.

    `keys`: where their keys lie, None: anywhere. `periods`: those of the files that came and went, None: any.
    """

    batch: int
    keys: list[Range] | None
    periods: frozenset[str] | None


@dataclass(frozen=True)
class Changes:
    """The tables that changed, by name, and the files of every table as it is now."""

    tables: Mapping[str, TableChange]
    files: Mapping[str, Sequence[DataFile]]

    def keys_of(self, *tables: str) -> list[Range] | None:
        """Where the changed keys of these tables lie; None: anywhere."""
        found = [self.tables[table].keys for table in tables if table in self.tables]
        if any(ranges is None for ranges in found):
            return None
        return joined_ranges(each for ranges in found for each in ranges or ())

    def periods_of(self, *tables: str) -> set[str] | None:
        """The periods of these tables that may have changed; None: any."""
        found = [self.tables[table].periods for table in tables if table in self.tables]
        if any(periods is None for periods in found):
            return None
        return {period for periods in found for period in periods or ()}

    def can_join(self, contract: Contract) -> bool:
        """Whether a changed key may have both features and truth; else training stays as it is."""
        key, truth = contract.key.column, contract.label.source
        features = (contract.feature_source, PREDICTIONS)
        if truth in features:
            return bool(self.tables)
        having = [file for table in features for file in self.files.get(table, ())]
        return overlap(self.files[truth], key, self.keys_of(*features)) or overlap(having, key, self.keys_of(truth))

    def batch_of(self, table: str) -> int | None:
        """The last batch gold knows of a table that changed; None if that did not change."""
        change = self.tables.get(table)
        return None if change is None else change.batch


def read_changes(
    contract: Contract, paths: Mapping[str, str], done: Mapping[str, int], now: Mapping[str, int]
) -> Changes | None:
    """What changed from the versions `done` to `now`, each by table; None where the logs cannot tell."""
    found = {}
    files = {table: files_at(path, now[table]) or [] for table, path in paths.items()}
    for table, path in paths.items():
        if done.get(table) == now[table]:
            continue
        change = _change(contract, table, path, done.get(table), files[table])
        if change is None:
            return None
        found[table] = change
    return Changes(found, files)


def _change(
    contract: Contract, table: str, path: str, done: int | None, after: Sequence[DataFile]
) -> TableChange | None:
    before = [] if done is None else files_at(path, done)
    if before is None:
        return None
    if done is not None and not all(map(_keeps_keys, commits_after(path, done))):
        return None
    known, there = {file.path for file in before}, {file.path for file in after}
    came = [file for file in after if file.path not in known]
    gone = [file for file in before if file.path not in there]
    batches = [file.highest.get(change_column(contract, table)) for file in before if file.rows]
    if any(batch is None for batch in batches):
        return None
    dated = [*came, *gone] if table in (contract.feature_source, PREDICTIONS) else []
    if any(file.rows and file.range_of(contract.period_column) is None for file in dated):
        return None
    last = max((batch for batch in batches if batch is not None), default=0)
    return TableChange(last, key_ranges(came, contract.key.column), periods_between(contract, dated))


def _keeps_keys(commit: Commit) -> bool:
    return commit.operation in FOLLOWED and not commit.overwrote and not commit.count("numTargetRowsDeleted")


def periods_between(contract: Contract, files: Sequence[DataFile]) -> frozenset[str] | None:
    """Every period between the lowest and the highest of each file; None, any, where they are too many to list."""
    found: set[str] = set()
    for file in files:
        between = file.range_of(contract.period_column)
        if between is not None:
            first, last = map(contract.period_number, between)
            if last - first >= MOST_LISTED:
                return None
            found.update(contract.period_name(number) for number in range(first, last + 1))
    return frozenset(found) if len(found) <= MOST_LISTED else None
