"""Lists, reads and dates the lake's tables for people: names like `gold/training`, or `training` where it is clear.

All of it is in Delta's log or in a few rows, so it is read by delta-rs; only `read_table` gives Spark's frame.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse.lake import Lake
from lakehouse.storage.commits import Commit, commits_of
from lakehouse.storage.layout import LAYERS, REJECTS, REJECTS_TABLE
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, folder_names, has_lake_table, open_lake_table, rows_of_log
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class TableInfo:
    """One table: `version` is its newest, `changed` (UTC) that version's time, `bytes` the files of it."""

    layer: str
    name: str
    rows: int
    version: int
    bytes: int
    changed: datetime

    @property
    def full_name(self) -> str:
        """E.g. `gold/training`."""
        return f"{self.layer}/{self.name}"


def table_names(use_case: UseCase) -> list[tuple[str, str]]:
    """(layer, table) of every table of the use case, bronze first."""
    return [
        (layer, name)
        for layer in LAYERS
        for name in folder_names(use_case.table(f"{layer}/"))
        if has_lake_table(use_case, f"{layer}/{name}")
    ]


def list_tables(use_case: UseCase) -> list[TableInfo]:
    """Every table of the use case; rows come from Delta's statistics, not from reading the data."""
    return [_info(layer, name, _opened(use_case, layer, name)) for layer, name in table_names(use_case)]


def _info(layer: str, name: str, table: "DeltaTable") -> TableInfo:
    import pyarrow as pa

    newest = commits_of(table, 1)[0]
    size = sum(pa.table(table.get_add_actions(flatten=True))["size_bytes"].to_pylist())
    return TableInfo(layer, name, count_rows(table), table.version(), size, newest.at)


def count_rows(table: "DeltaTable") -> int:
    """A table's rows: by its log, or, where that does not count those of every file, by the files."""
    counted = rows_of_log(table)
    return dataset_of(table).count_rows() if counted is None else counted


def find_table(use_case: UseCase, name: str) -> tuple[str, str]:
    """(layer, table) for `gold/training`, or `training` if only one layer has it.

    Raises:
        NotFoundError: there is no such table, or several; the text names what there is.
    """
    known = table_names(use_case)
    layer, _, table = name.rpartition("/")
    matches = [n for n in known if n[1] == table and layer in ("", n[0])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        options = " or ".join("/".join(m) for m in matches)
        raise NotFoundError(f"`{name}` is the name of several tables; write {options}")
    if known and table == REJECTS and layer in ("", "silver"):
        raise NotFoundError(
            f"no row of use case {use_case.name} was rejected so far, so there is no {REJECTS_TABLE} yet"
        )
    there = ", ".join("/".join(n) for n in known)
    raise NotFoundError(
        f"there is no table `{name}` in use case {use_case.name}; "
        + (f"tables: {there}" if there else "there are no tables yet, `lakeloop lake ingest` makes them")
    )


def open_table(use_case: UseCase, name: str, version: int | None = None) -> "DeltaTable":
    """A table as it is now, or as it was at `version`.

    Raises:
        NotFoundError: no such table or version; the text names what there is.
    """
    layer, table = find_table(use_case, name)
    newest = _opened(use_case, layer, table)
    if version is None or version == newest.version():
        return newest
    versions = [commit.version for commit in commits_of(newest)]
    if version not in versions:
        raise NotFoundError(f"{layer}/{table} has no version {version}; it has {min(versions)} to {max(versions)}")
    newest.load_as_version(version)
    return newest


def first_rows(table: "DeltaTable", limit: int) -> "pa.Table":
    """At most `limit` rows of a table.

    Raises:
        NotFoundError: this version's files were vacuumed.
    """
    try:
        return dataset_of(table).head(limit)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the rows of version {table.version()} are gone: `lakeloop lake vacuum` removed its files; "
            "versions that an export, a model or a decision refers to are kept"
        ) from error


def read_table(lake: Lake, name: str, version: int | None = None) -> "DataFrame":
    """A table for Spark, as it is now, or as it was at `version`.

    Raises:
        NotFoundError: no such table or version; the text names what there is.
    """
    found = "/".join(find_table(lake, name))
    if version is not None:
        open_table(lake, name, version)
    return lake.frame(found, version)


def rejects_by_reason(use_case: UseCase) -> dict[str, int]:
    """How many rows were rejected so far, by reason, the most frequent first; empty if none ever was."""
    found = open_lake_table(use_case, REJECTS_TABLE)
    if found is None:
        return {}
    return dict(Counter(dataset_of(found).to_table(columns=["reason"])["reason"].to_pylist()).most_common())


def history(use_case: UseCase, name: str, limit: int | None = None) -> list[Commit]:
    """The table's versions, newest first.

    Raises:
        NotFoundError: no such table; the text names what there is.
    """
    return commits_of(_opened(use_case, *find_table(use_case, name)), limit)


def _opened(use_case: UseCase, layer: str, name: str) -> "DeltaTable":
    found = open_lake_table(use_case, f"{layer}/{name}")
    if found is None:
        raise NotFoundError(f"there is no table {layer}/{name} in use case {use_case.name} any more")
    return found
