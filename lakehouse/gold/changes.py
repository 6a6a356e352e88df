"""What changed in silver since gold was last made, from the logs of silver's tables alone.

Silver's rows carry the batch that brought their newest values, so the changed rows of a table are those of a later
batch. Where they lie, in keys and months, follows from the files that came and went: more than what changed at times,
never less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.storage.commits import Commit
from lakehouse.storage.layout import PREDICTIONS
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


@dataclass(frozen=True)
class TableChange:
    """How a table of silver differs from an earlier version: rows of a batch above `batch` are new or have new values.

    `keys`: where their keys lie, None: anywhere. `months`: those of the files that came and went.
    """

    batch: int
    keys: list[Range] | None
    months: frozenset[str]


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

    def months_of(self, *tables: str) -> set[str]:
        """The months of these tables that may have changed."""
        return {month for table in tables if table in self.tables for month in self.tables[table].months}

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
    batches = [file.highest.get("_batch") for file in before if file.rows]
    if any(batch is None for batch in batches):
        return None
    months = _months(contract, [*came, *gone]) if table in (contract.feature_source, PREDICTIONS) else frozenset()
    if months is None:
        return None
    last = max((batch for batch in batches if batch is not None), default=0)
    return TableChange(last, key_ranges(came, contract.key.column), months)


def _keeps_keys(commit: Commit) -> bool:
    return commit.operation in FOLLOWED and not commit.overwrote and not commit.count("numTargetRowsDeleted")


def _months(contract: Contract, files: Sequence[DataFile]) -> frozenset[str] | None:
    """Every month between the lowest and the highest of each file."""
    found: set[str] = set()
    for file in files:
        between = file.range_of(contract.event_time.column)
        if between is None and file.rows:
            return None
        if between is not None:
            first, last = map(contract.month_number, between)
            found.update(contract.month_name(number) for number in range(first, last + 1))
    return frozenset(found)
