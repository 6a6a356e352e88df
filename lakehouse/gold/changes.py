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
class Changes:
    """What may differ in gold from what an earlier silver gave.

    `batches`: of each table that changed the last batch, or change, that gold knows; rows of later ones are new or have
    new values. `keys`, `truth_keys`: where the changed keys of any table lie, and those of the truth; None: anywhere.
    `touch_training`: whether one of them may have both features and truth, else training stays as it is. `periods`,
    `request_periods`: those of the files of features and requests, and of requests alone, that came and went; None:
    any.
    """

    batches: Mapping[str, int]
    keys: list[Range] | None
    truth_keys: list[Range] | None
    touch_training: bool
    periods: set[str] | None
    request_periods: set[str] | None


@dataclass(frozen=True)
class _TableChange:
    """The same of one table alone."""

    batch: int
    keys: list[Range] | None
    periods: set[str] | None


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
    key, truth, features = contract.key.column, contract.truth_table, (contract.feature_source, PREDICTIONS)
    feature_keys, truth_keys = _keys_of(found, features), _keys_of(found, (truth,))
    meet = bool(found)
    if truth not in features:
        having = [file for table in features for file in files.get(table, ())]
        meet = overlap(files[truth], key, feature_keys) or overlap(having, key, truth_keys)
    return Changes(
        batches={table: change.batch for table, change in found.items()},
        keys=_keys_of(found, (*features, truth)),
        truth_keys=truth_keys,
        touch_training=meet,
        periods=_periods_of(found, features),
        request_periods=_periods_of(found, (PREDICTIONS,)),
    )


def _keys_of(changes: Mapping[str, _TableChange], tables: Sequence[str]) -> list[Range] | None:
    found = [changes[table].keys for table in tables if table in changes]
    if any(ranges is None for ranges in found):
        return None
    return joined_ranges(each for ranges in found for each in ranges or ())


def _periods_of(changes: Mapping[str, _TableChange], tables: Sequence[str]) -> set[str] | None:
    found = [changes[table].periods for table in tables if table in changes]
    if any(periods is None for periods in found):
        return None
    return {period for periods in found for period in periods or ()}


def _change(
    contract: Contract, table: str, path: str, done: int | None, after: Sequence[DataFile]
) -> _TableChange | None:
    before = [] if done is None else files_at(path, done)
    if before is None:
        return None
    if done is not None and not all(map(_keeps_keys, commits_after(path, done))):
        return None
    came, gone = _came_and_gone(before, after)
    batches = [file.highest.get(change_column(contract, table)) for file in before if file.rows]
    if any(batch is None for batch in batches):
        return None
    dated = [*came, *gone] if table in (contract.feature_source, PREDICTIONS) else []
    if any(file.rows and file.range_of(contract.period_column) is None for file in dated):
        return None
    last = max((batch for batch in batches if batch is not None), default=0)
    return _TableChange(last, key_ranges(came, contract.key.column), _periods_in(contract, dated))


def _keeps_keys(commit: Commit) -> bool:
    return commit.operation in FOLLOWED and not commit.overwrote and not commit.count("numTargetRowsDeleted")


def periods_between(contract: Contract, before: Sequence[DataFile], after: Sequence[DataFile]) -> set[str] | None:
    """The periods of a table's files that came or went; None: any."""
    came, gone = _came_and_gone(before, after)
    return _periods_in(contract, [*came, *gone])


def _came_and_gone(before: Sequence[DataFile], after: Sequence[DataFile]) -> tuple[list[DataFile], list[DataFile]]:
    known, there = {file.path for file in before}, {file.path for file in after}
    return [file for file in after if file.path not in known], [file for file in before if file.path not in there]


def _periods_in(contract: Contract, files: Sequence[DataFile]) -> set[str] | None:
    """Every period between the lowest and the highest of each file; None, any, where they are too many to list."""
    found: set[str] = set()
    for file in files:
        between = file.range_of(contract.period_column)
        if between is not None:
            first, last = map(contract.period_number, between)
            if last - first >= MOST_LISTED:
                return None
            found.update(contract.period_name(number) for number in range(first, last + 1))
    return found if len(found) <= MOST_LISTED else None
