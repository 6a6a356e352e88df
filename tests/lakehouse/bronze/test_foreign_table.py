"""A source that is somebody else's Delta table: rows of new versions come once, and what stands in the way is said."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.bronze.foreign_table import deliver_new_versions
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import ForeignTableError
from lakehouse.ingest import ingest
from lakeloop.contract import Source
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from tests.lakes import OwnLake, own_lake
from tests.use_case_copies import USE_CASES

pytestmark = pytest.mark.long

NAMES = ("customer", "period", "plan", "usage", "left")


def rows(*usages: tuple[str, float], **more: list[Any]) -> pa.Table:
    """A customer each, with its usage."""
    names = [name for name, _ in usages]
    return pa.table({
        "customer": names, "period": ["2024-01"] * len(names), "plan": ["basic"] * len(names),
        "usage": [usage for _, usage in usages], "left": ["no"] * len(names), **more,
    })  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path) -> str:
    return str(tmp_path / "theirs" / "customers")


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, theirs: str) -> OwnLake:
    return reading(own_lake(spark, tmp_path, "churn"), theirs)


@pytest.fixture
def asleep(tmp_path: Path, theirs: str) -> OwnLake:
    """The same without Spark."""
    use_case = open_use_case(load_settings(home=tmp_path, use_case="churn", use_cases=USE_CASES["churn"]))
    return reading(OwnLake(use_case.settings, use_case.contract, no_spark), theirs)


def no_spark() -> SparkSession:
    raise AssertionError("Spark is asked for")


def reading(lake: OwnLake, path: str, **words: Any) -> OwnLake:
    """The lake with a contract whose source is the table at `path`."""
    customers = Source(**{"description": "customers", "delta": path, "columns": NAMES, **words})
    return replace(lake, contract=lake.contract.model_copy(update={"sources": {"customers": customers}}))


def usage(lake: OwnLake) -> dict[str, float]:
    silver: pd.DataFrame = lake.rows("silver/customers")
    return dict(zip(silver["customer"], silver["usage"], strict=True))


def new_rows(lake: OwnLake, **options: Any) -> tuple[int, int]:
    """Rows that are delivered now, and rows that are gone."""
    found = deliver_new_versions(lake, "customers", deliveries(lake), **options)
    return found.rows, found.gone


def delivered(lake: OwnLake, name: str) -> dict[str, float]:
    """Customer -> usage, in a file of the landing folder."""
    found = pq.read_table(lake.folder("landing") / "customers" / name).to_pylist()
    return {row["customer"]: row.get("usage", row.get("hours")) for row in found}


def test_rows_of_new_versions_come_once_and_nothing_new_starts_no_spark(lake: OwnLake, theirs: str) -> None:
    write_deltalake(theirs, rows(("a", 1), ("b", 2)), partition_by=["period"])
    report = lake.ingest().sources[0]
    assert (report.taken, report.bronze_rows) == (("version-0.parquet",), 2)
    write_deltalake(theirs, rows(("c", 3)), mode="append")
    write_deltalake(theirs, rows(("d", 4)), mode="append")
    assert lake.ingest().sources[0].taken == ("version-2.parquet",)
    DeltaTable(theirs).optimize.compact()
    assert len(lake.rows("bronze/customers")) == 4 and usage(lake) == {"a": 1, "b": 2, "c": 3, "d": 4}
    asleep = replace(lake, session=no_spark)
    assert not ingest(asleep).changed and not ingest(asleep).changed
    landing = lake.folder("landing")  # what was taken is known without the note, and without the landing folder
    shutil.rmtree(landing / ".fetch")
    assert new_rows(lake) == (0, 0)
    shutil.rmtree(landing)
    write_deltalake(theirs, rows(("e", 5)), mode="append")
    assert new_rows(lake) == (1, 0)


def test_changed_rows_are_corrections_and_deleted_ones_are_told_and_kept(lake: OwnLake, theirs: str) -> None:
    write_deltalake(theirs, rows(("a", 1), ("b", 2), ("c", 3)))
    lake.ingest()
    change_some(theirs)
    report = lake.ingest().sources[0]
    assert (report.bronze_rows, report.silver_inserted, report.silver_updated) == (2, 1, 1)
    told = "version 4: 1 row of before are not in the table any more; the lake keeps what was delivered"
    assert report.notices == (told,)
    assert usage(lake) == {"a": 8, "b": 2, "c": 3, "d": 4}


def test_its_change_data_feed_tells_the_same(asleep: OwnLake, theirs: str) -> None:
    write_deltalake(theirs, rows(("a", 1), ("b", 2), ("c", 3)), configuration={"delta.enableChangeDataFeed": "true"})
    assert new_rows(asleep) == (3, 0)
    change_some(theirs)
    DeltaTable(theirs).optimize.compact()
    assert new_rows(asleep) == (2, 1)
    assert delivered(asleep, "version-5.parquet") == {"a": 8, "d": 4}


def change_some(table: str) -> None:
    for value in ("7", "8"):
        DeltaTable(table).update(updates={"usage": value}, predicate="customer = 'a'")
    DeltaTable(table).delete("customer = 'b'")
    write_deltalake(table, rows(("d", 4)), mode="append")


def test_renamed_columns_are_found_by_both_names(spark: SparkSession, asleep: OwnLake, theirs: str) -> None:
    """The table is Spark's, with column mapping and deletion vectors, as other platforms make them."""
    spark.sql(
        f"CREATE TABLE delta.`{theirs}` (customer string, period string, plan string, usage double, `left` string) "
        "USING DELTA TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.enableDeletionVectors' = 'true')"
    )
    insert = f"INSERT INTO delta.`{theirs}` VALUES "
    spark.sql(insert + "('a', '2024-01', 'basic', 1, 'no'), ('b', '2024-01', 'basic', 2, 'no')")
    assert new_rows(asleep) == (2, 0)
    spark.sql(f"ALTER TABLE delta.`{theirs}` RENAME COLUMN usage TO hours")
    spark.sql(insert + "('c', '2024-01', 'basic', 3, 'no')")
    with pytest.raises(ForeignTableError, match=r"lacks column `usage`; its columns are customer, .*hours, left.*name "
                                                r"both in `sources.customers.columns`"):  # fmt: skip
        new_rows(asleep)
    both = {name: ("usage", "hours") if name == "usage" else None for name in NAMES}
    renamed = reading(asleep, theirs, columns=both)
    assert new_rows(renamed) == (1, 0) and delivered(renamed, "version-3.parquet") == {"c": 3}
    spark.sql(f"DELETE FROM delta.`{theirs}` WHERE customer = 'b'")
    spark.sql(f"UPDATE delta.`{theirs}` SET hours = 9 WHERE customer = 'a'")
    assert new_rows(renamed) == (1, 1) and delivered(renamed, "version-5.parquet") == {"a": 9}


def test_a_table_that_is_not_there_or_is_none_is_told(asleep: OwnLake, theirs: str) -> None:
    (refused,) = asleep.ingest().refused
    assert refused.startswith(f"customers: {theirs}: there is no Delta table; mend `sources.customers.delta.path`")
    (Path(theirs) / "_delta_log").mkdir(parents=True)
    (Path(theirs) / "_delta_log" / f"{0:020}.json").write_text("no log\n")
    with pytest.raises(ForeignTableError, match="cannot be read"):
        new_rows(asleep)


def test_versions_that_were_vacuumed_are_told_and_the_table_can_be_taken_whole(asleep: OwnLake, theirs: str) -> None:
    write_deltalake(theirs, rows(("a", 1), ("b", 2)))
    new_rows(asleep)
    table = DeltaTable(theirs)
    table.update(updates={"usage": "5"}, predicate="customer = 'a'")
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(ForeignTableError) as refused:
        new_rows(asleep)
    assert str(refused.value) == (
        f"customers: {theirs}: what came after version 0 cannot be told any more, since files of it were vacuumed. "
        "`lakeloop data fetch --source customers --again` takes it whole as it is now: rows that are known by their "
        "key are corrected, and the same row again changes nothing. Look more often than it is vacuumed: "
        "`sources.customers.delta.every`"
    )
    assert new_rows(asleep, whole=True) == (2, 0)
    assert delivered(asleep, f"version-{DeltaTable(theirs).version()}.parquet") == {"a": 5, "b": 2}
    assert new_rows(asleep) == (0, 0)


def test_another_table_in_its_place_is_noticed(asleep: OwnLake, theirs: str) -> None:
    write_deltalake(theirs, rows(("a", 1)))
    new_rows(asleep)
    shutil.rmtree(theirs)
    write_deltalake(theirs, rows(("z", 9)))
    with pytest.raises(ForeignTableError, match="is another table than before: it was made anew"):
        new_rows(asleep)
    assert new_rows(asleep, whole=True) == (1, 0) and delivered(asleep, "version-0.v2.parquet") == {"z": 9}
    by_line = asleep.contract.key.model_copy(update={"made": "file_line"})
    keyless = replace(asleep, contract=asleep.contract.model_copy(update={"key": by_line}))
    with pytest.raises(ForeignTableError, match="every row would be another one"):
        new_rows(keyless, whole=True)
