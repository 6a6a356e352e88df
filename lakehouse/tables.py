"""Lists, reads and dates the lake's tables for people: names like `gold/training`, or `training` where it is clear."""

from dataclasses import dataclass
from datetime import UTC, datetime

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from lakehouse.layout import LAYERS, REJECTS, list_folder, table_exists, table_path
from lakeloop.errors import NotFound
from lakeloop.settings import Settings


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
    """One version of a table; `rows` is what the operation wrote, changed or removed, by name."""

    version: int
    at: datetime
    operation: str
    rows: dict[str, int]
    note: str


def table_names(spark: SparkSession, settings: Settings) -> list[tuple[str, str]]:
    """(layer, table) of every table of the use case, bronze first."""
    names = []
    for layer in LAYERS:
        for status in list_folder(spark, table_path(settings, layer, "")):
            name = str(status.getPath().getName())
            if status.isDirectory() and table_exists(spark, table_path(settings, layer, name)):
                names.append((layer, name))
    return sorted(names, key=lambda n: (LAYERS.index(n[0]), n[1]))


def list_tables(spark: SparkSession, settings: Settings) -> list[TableInfo]:
    """Every table of the use case; rows come from Delta's statistics, not from reading the data."""
    infos = []
    for layer, name in table_names(spark, settings):
        path = table_path(settings, layer, name)
        table = DeltaTable.forPath(spark, path)
        newest = table.history(1).select("version", "timestamp").collect()[0]
        size = table.detail().select("sizeInBytes").collect()[0][0]
        rows = spark.read.format("delta").load(path).count()
        infos.append(TableInfo(layer, name, rows, newest[0], size, newest[1].astimezone(UTC)))
    return infos


def find_table(spark: SparkSession, settings: Settings, name: str) -> tuple[str, str]:
    """(layer, table) for `gold/training`, or `training` if only one layer has it.

    Raises:
        NotFound: there is no such table, or several; the text names what there is.
    """
    known = table_names(spark, settings)
    layer, _, table = name.rpartition("/")
    matches = [n for n in known if n[1] == table and layer in ("", n[0])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        options = " or ".join("/".join(m) for m in matches)
        raise NotFound(f"`{name}` is the name of several tables; write {options}")
    if known and table == REJECTS and layer in ("", "silver"):
        raise NotFound(
            f"no row of use case {settings.use_case} was rejected so far, so there is no silver/{REJECTS} yet"
        )
    there = ", ".join("/".join(n) for n in known)
    raise NotFound(
        f"there is no table `{name}` in use case {settings.use_case}; "
        + (f"tables: {there}" if there else "there are no tables yet, `lakeloop lake ingest` makes them")
    )


def read_table(spark: SparkSession, settings: Settings, name: str, version: int | None = None) -> DataFrame:
    """A table as it is now, or as it was at `version`.

    Raises:
        NotFound: no such table or version; the text names what there is.
    """
    layer, table = find_table(spark, settings, name)
    path = table_path(settings, layer, table)
    if version is None:
        return spark.read.format("delta").load(path)
    versions = [row[0] for row in DeltaTable.forPath(spark, path).history().select("version").collect()]
    if version not in versions:
        raise NotFound(f"{layer}/{table} has no version {version}; it has {min(versions)} to {max(versions)}")
    return spark.read.format("delta").option("versionAsOf", version).load(path)


def rejects_by_reason(spark: SparkSession, settings: Settings) -> dict[str, int]:
    """How many rows were rejected so far, by reason, the most frequent first; empty if none ever was."""
    path = table_path(settings, "silver", REJECTS)
    if not table_exists(spark, path):
        return {}
    counted = spark.read.format("delta").load(path).groupBy("reason").count().orderBy("count", ascending=False)
    return {row["reason"]: row["count"] for row in counted.collect()}


def history(spark: SparkSession, settings: Settings, name: str, limit: int | None = None) -> list[Commit]:
    """The table's versions, newest first.

    Raises:
        NotFound: no such table; the text names what there is.
    """
    layer, table = find_table(spark, settings, name)
    handle = DeltaTable.forPath(spark, table_path(settings, layer, table))
    commits = handle.history() if limit is None else handle.history(limit)
    return [
        Commit(row["version"], row["timestamp"].astimezone(UTC), row["operation"], _row_counts(row["operationMetrics"]),
               row["userMetadata"] or "")
        for row in commits.collect()
    ]  # fmt: skip


def _row_counts(metrics: dict[str, str] | None) -> dict[str, int]:
    return {k: int(v) for k, v in (metrics or {}).items() if "Rows" in k and v.isdigit() and v != "0"}
