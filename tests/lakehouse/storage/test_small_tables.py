"""Tables of a few rows: written by delta-rs, read by Spark as if it had written them, and the other way round."""

from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from lakehouse.read.tables import history
from lakehouse.storage.schema import create_table
from lakehouse.storage.small_tables import RowCounts, SmallTable, among, column, merge_rows, replace_rows, rows_within
from lakeloop.lake_tables import read_lake_records
from lakeloop.use_case import open_use_case
from tests.lakes import OwnLake

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOTES = SmallTable(
    "gold/notes",
    (
        column("name", "string", "whose"),
        column("month", "string"),
        column("score", "double", "it's null where unknown", nullable=True),
        column("at", "timestamp"),
        column("parts", rows_within(name="string", value="double")),
    ),
    key=("name", "month"),
    comment="Notes",
)


def note(name: str, month: str = "2023-01", score: float | None = 0.5) -> dict[str, object]:
    return {"name": name, "month": month, "score": score, "at": NOON, "parts": [{"name": name, "value": 1.5}]}


def spark_rows(lake: OwnLake) -> list[dict[str, object]]:
    found = lake.spark.read.format("delta").load(lake.table("gold/notes")).orderBy("month", "name")
    return [row.asDict(recursive=True) | {"at": row["at"].astimezone(UTC)} for row in found.collect()]


def test_only_rows_that_differ_are_written_and_spark_reads_them(lake: OwnLake) -> None:
    settings = lake.settings
    assert merge_rows(open_use_case(settings), NOTES, [note("a"), note("it's")]) == RowCounts(inserted=2)
    before = lake.versions()
    assert merge_rows(open_use_case(settings), NOTES, [note("a"), note("it's")]) == RowCounts()
    assert lake.versions() == before
    changed = [note("a", score=None), note("b"), note("it's")]
    assert merge_rows(open_use_case(settings), NOTES, changed, note={"silver": {"x": 3}}) == RowCounts(
        inserted=1, updated=1
    )
    assert spark_rows(lake) == changed
    newest = history(open_use_case(settings), "gold/notes")[0]
    assert newest.note == {"silver": {"x": 3}}


def test_rows_of_the_replaced_part_that_are_not_given_are_removed(lake: OwnLake) -> None:
    merge_rows(lake, NOTES, [note("a"), note("b"), note("a", "2023-02")])
    counts = merge_rows(lake, NOTES, [note("b")], replacing=among("month", {"2023-01"}))
    assert counts == RowCounts(deleted=1)
    assert spark_rows(lake) == [note("b"), note("a", "2023-02")]
    assert merge_rows(lake, NOTES, [], replacing=among("name", {"it's"})) == RowCounts()


def test_a_row_that_is_there_can_be_kept_as_it_is(lake: OwnLake) -> None:
    merge_rows(lake, NOTES, [note("a", score=1.0)])
    assert merge_rows(lake, NOTES, [note("a", score=2.0), note("b")], keep_old=True) == RowCounts(inserted=1)
    assert [row["score"] for row in spark_rows(lake)] == [1.0, 0.5]


def test_a_table_that_spark_made_is_written_on_and_spark_goes_on_with_it(lake: OwnLake) -> None:
    path = lake.table("gold/notes")
    parts = "array<struct<name: string, value: double>>"
    columns = (
        f"name string NOT NULL COMMENT 'whose', month string NOT NULL, at timestamp NOT NULL, parts {parts} NOT NULL"
    )
    create_table(lake.spark, path, columns, comment="Notes", statistics=("name",))
    lake.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    row = "('a', '2023-01', timestamp '2026-01-02T12:00:00Z', array(named_struct('name', 'a', 'value', 1.5D)))"
    lake.spark.sql(f"INSERT INTO delta.`{path}` VALUES {row}")
    assert merge_rows(lake, NOTES, [note("a"), note("b")]) == RowCounts(inserted=1, updated=1)
    lake.spark.sql(f"DELETE FROM delta.`{path}` WHERE name = 'a'")
    assert merge_rows(lake, NOTES, [note("c")]) == RowCounts(inserted=1)
    assert [row["name"] for row in spark_rows(lake)] == ["b", "c"]
    feed = lake.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(path)
    kinds = sorted((row["name"], row["_change_type"]) for row in feed.collect())
    updated = [("a", "update_postimage"), ("a", "update_preimage")]
    assert kinds == [("a", "delete"), ("a", "insert"), *updated, ("b", "insert"), ("c", "insert")]


def test_rows_that_deletion_vectors_removed_stay_removed(lake: OwnLake) -> None:
    path = lake.table("gold/notes")
    merge_rows(lake, NOTES, [note(name) for name in "abcdef"])
    lake.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    lake.spark.sql(f"DELETE FROM delta.`{path}` WHERE name = 'b'")
    assert merge_rows(lake, NOTES, [note("a", score=9.0), note("g")]) == RowCounts(inserted=1, updated=1)
    assert [row["name"] for row in spark_rows(lake)] == list("acdefg")
    assert sorted(row["name"] for row in read_lake_records(lake, "gold/notes")) == list("acdefg")


def test_a_table_can_be_made_anew_with_other_columns_and_its_earlier_versions_stay(lake: OwnLake) -> None:
    merge_rows(lake, NOTES, [note("a")])
    other = SmallTable("gold/notes", (column("name", "string", "whose else"), column("n", "long")), key=("name",))
    replace_rows(lake, other, [{"name": "z", "n": 1}])
    path = lake.table("gold/notes")
    assert lake.spark.read.format("delta").load(path).collect() == [("z", 1)]
    assert lake.spark.read.format("delta").option("versionAsOf", 1).load(path).count() == 1
    fields = DeltaTable(path).schema().fields
    assert [(f.name, f.nullable, f.metadata.get("comment")) for f in fields] == [
        ("name", False, "whose else"),
        ("n", False, None),
    ]


def test_a_missing_value_is_refused_and_nothing_is_written(lake: OwnLake) -> None:
    merge_rows(lake, NOTES, [note("a")])
    with pytest.raises(Exception, match="'parts' is declared as non-nullable"):
        merge_rows(lake, NOTES, [note("b") | {"parts": None}])
    assert [row["name"] for row in spark_rows(lake)] == ["a"]
