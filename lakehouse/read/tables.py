"""Lists, reads and dates the lake's tables for people: names like `gold/training`, or `training` where it is clear.

All of it is in Delta's log or in a few rows, so it is read by delta-rs; only `read_table` gives Spark's frame.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse.storage.layout import LAYERS, REJECTS, table_path
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, folder_names, has_lake_table, open_lake_table, rows_of_log
from lakeloop.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession


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


@dataclass(frozen=True)
class Commit:
    """One version of a table; `rows` is what the operation wrote, changed or removed, by Spark's name for it."""

    version: int
    at: datetime
    operation: str
    rows: dict[str, int]
    note: str


def table_names(settings: Settings) -> list[tuple[str, str]]:
    """(layer, table) of every table of the use case, bronze first."""
    return [
        (layer, name)
        for layer in LAYERS
        for name in folder_names(table_path(settings, layer, ""))
        if has_lake_table(settings, f"{layer}/{name}")
    ]


def list_tables(settings: Settings) -> list[TableInfo]:
    """Every table of the use case; rows come from Delta's statistics, not from reading the data."""
    return [_info(layer, name, _opened(settings, layer, name)) for layer, name in table_names(settings)]


def _info(layer: str, name: str, table: "DeltaTable") -> TableInfo:
    import pyarrow as pa

    newest = table.history(1)[0]
    size = sum(pa.table(table.get_add_actions(flatten=True))["size_bytes"].to_pylist())
    return TableInfo(layer, name, count_rows(table), table.version(), size, _time(newest))


def count_rows(table: "DeltaTable") -> int:
    """A table's rows: by its log, or, where that does not count those of every file, by the files."""
    counted = rows_of_log(table)
    return dataset_of(table).count_rows() if counted is None else counted


def find_table(settings: Settings, name: str) -> tuple[str, str]:
    """(layer, table) for `gold/training`, or `training` if only one layer has it.

    Raises:
        NotFoundError: there is no such table, or several; the text names what there is.
    """
    known = table_names(settings)
    layer, _, table = name.rpartition("/")
    matches = [n for n in known if n[1] == table and layer in ("", n[0])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        options = " or ".join("/".join(m) for m in matches)
        raise NotFoundError(f"`{name}` is the name of several tables; write {options}")
    if known and table == REJECTS and layer in ("", "silver"):
        raise NotFoundError(
            f"no row of use case {settings.use_case} was rejected so far, so there is no silver/{REJECTS} yet"
        )
    there = ", ".join("/".join(n) for n in known)
    raise NotFoundError(
        f"there is no table `{name}` in use case {settings.use_case}; "
        + (f"tables: {there}" if there else "there are no tables yet, `lakeloop lake ingest` makes them")
    )


def open_table(settings: Settings, name: str, version: int | None = None) -> "DeltaTable":
    """A table as it is now, or as it was at `version`.

    Raises:
        NotFoundError: no such table or version; the text names what there is.
    """
    layer, table = find_table(settings, name)
    newest = _opened(settings, layer, table)
    if version is None or version == newest.version():
        return newest
    versions = [commit["version"] for commit in newest.history()]
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


def read_table(spark: "SparkSession", settings: Settings, name: str, version: int | None = None) -> "DataFrame":
    """A table for Spark, as it is now, or as it was at `version`.

    Raises:
        NotFoundError: no such table or version; the text names what there is.
    """
    path = table_path(settings, *find_table(settings, name))
    if version is None:
        return spark.read.format("delta").load(path)
    open_table(settings, name, version)
    return spark.read.format("delta").option("versionAsOf", version).load(path)


def rejects_by_reason(settings: Settings) -> dict[str, int]:
    """How many rows were rejected so far, by reason, the most frequent first; empty if none ever was."""
    found = open_lake_table(settings, f"silver/{REJECTS}")
    if found is None:
        return {}
    return dict(Counter(dataset_of(found).to_table(columns=["reason"])["reason"].to_pylist()).most_common())


def history(settings: Settings, name: str, limit: int | None = None) -> list[Commit]:
    """The table's versions, newest first.

    Raises:
        NotFoundError: no such table; the text names what there is.
    """
    commits = _opened(settings, *find_table(settings, name)).history(limit)
    return [
        Commit(
            commit["version"],
            _time(commit),
            commit["operation"],
            _row_counts(commit.get("operationMetrics") or {}),
            commit.get("userMetadata") or "",
        )
        for commit in sorted(commits, key=lambda commit: -int(commit["version"]))
    ]


def _opened(settings: Settings, layer: str, name: str) -> "DeltaTable":
    found = open_lake_table(settings, f"{layer}/{name}")
    if found is None:
        raise NotFoundError(f"there is no table {layer}/{name} in use case {settings.use_case} any more")
    return found


def _time(commit: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)


def _row_counts(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Those that count rows and are not 0; Spark writes texts, delta-rs numbers and names in its own spelling."""
    counts = {_as_spark_names(name): str(value) for name, value in metrics.items()}
    return {name: int(value) for name, value in counts.items() if "Rows" in name and value.isdigit() and value != "0"}


def _as_spark_names(name: str) -> str:
    """`num_output_rows` as `numOutputRows`."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
