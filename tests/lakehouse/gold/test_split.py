"""Exports are split by key, by another column or by time: the same rows as of a frame."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.gold.feature_rows import feature_rows
from lakehouse.gold.split import with_split
from lakeloop.contract import Split
from lakeloop.exported import read_shards
from lakeloop.held_out import is_held_out
from lakeloop.manifest import read_manifest
from tests.lakes import OwnLake, own_lake

CITIES = ("Bonn", "Köln", "Ulm", "Kiel", "Jena", "Mainz", "Trier", "Hof")


@pytest.fixture(scope="module")
def cities(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """80 customers of two months, each of a city, which is no feature; for reading only."""
    lake = own_lake(spark, tmp_path_factory.mktemp("cities"), "churn")
    spec = lake.contract.sources["customers"]
    wider = spec.model_copy(update={"columns": (*spec.columns, "city")})
    split = Split.model_validate({"by": "column", "column": "city", "salt": "1", "every": 3})
    lake = replace(lake, contract=lake.contract.model_copy(update={"sources": {"customers": wider}, "split": split}))
    for month, rows in (("2024-01", 60), ("2024-02", 20)):
        lines = (f"{month}-{n},{month},{'basic' if n % 3 else 'plus'},{n},{'yes' if n % 2 else 'no'},{CITIES[n % 8]}\n"
                 for n in range(rows))  # fmt: skip
        lake.deliver("customers", f"customers-{month}.csv", "customer,period,plan,usage,left,city\n" + "".join(lines))
    lake.ingest()
    return lake


@pytest.mark.parametrize(
    "split",
    [
        {"salt": "1", "every": 3},
        {"by": "column", "column": "city", "salt": "1", "every": 3},
        {"by": "column", "column": "plan", "salt": "2", "every": 2},
        {"by": "time", "eval": 0.3},
        {"salt": "1", "every": 3, "stratify": True},
    ],
)
def test_spark_and_pandas_hold_out_the_same_rows(cities: OwnLake, split: dict[str, object]) -> None:
    contract = cities.contract.model_copy(update={"split": Split.model_validate(split)})
    gold = cities.rows("gold/training")
    rows = with_split(cities.spark.read.format("delta").load(cities.table("gold/training")), contract)
    found = {row["customer"]: row["_split"] == "eval" for row in rows.select("customer", "_split").collect()}
    assert found == dict(zip(gold["customer"], is_held_out(contract, gold), strict=True))
    assert 0 < sum(found.values()) < 80


def test_an_export_by_column_has_all_rows_of_a_value_on_one_side_and_not_the_column(cities: OwnLake) -> None:
    path = export(cities)
    manifest = read_manifest(path)
    assert manifest.split == "sha256('1:'+city)[:8] % 3 == 0"
    assert "city" not in manifest.columns
    by_key = cities.rows("gold/training").set_index("customer")["city"]
    there = {
        split: {by_key[key] for key in read_shards(
            cities.contract, [path.parent / f.path for f in manifest.files if f.split == split], ["customer"]
        )["customer"]}
        for split in ("train", "eval")
    }  # fmt: skip
    assert there["train"] and there["eval"] and not there["train"] & there["eval"]


def test_an_export_by_time_holds_the_newest_period_out(cities: OwnLake) -> None:
    split = Split.model_validate({"by": "time", "eval": 0.3})
    by_time = replace(cities, contract=cities.contract.model_copy(update={"split": split}))
    path = export(by_time, periods=(0, 1))
    manifest = read_manifest(path)
    assert manifest.split == "the newest months, nearest to 0.3 of the rows"
    shards = {s: [path.parent / f.path for f in manifest.files if f.split == s] for s in ("train", "eval")}
    assert {split: set(read_shards(by_time.contract, paths)["period"]) for split, paths in shards.items()} == {
        "train": {"2024-01"}, "eval": {"2024-02"},
    }  # fmt: skip


def test_a_split_that_the_contract_says_otherwise_is_exported_anew_and_the_old_one_stays(cities: OwnLake) -> None:
    before = export(cities, periods=(0, 0))
    stratified = Split.model_validate({"salt": "1", "every": 3, "stratify": True})
    changed = replace(cities, contract=cities.contract.model_copy(update={"split": stratified}))
    after = export(changed, periods=(0, 0))
    assert after.parent.name.startswith(f"{before.parent.name}-") and before.is_file()
    assert read_manifest(after).rows_of("eval") == 20
    assert (export(changed, periods=(0, 0)), export(cities, periods=(0, 0))) == (after, before)


def test_a_row_that_came_as_a_request_alone_has_no_value_to_be_split_by(cities: OwnLake, tmp_path: Path) -> None:
    schema = "customer string, period string, plan string, usage double"
    delivered = cities.spark.createDataFrame([("a", "2024-01", "plus", 1.0, "Bonn")], f"{schema}, city string")
    asked = cities.spark.createDataFrame(
        [("b", "2024-01", "plus", 2.0, "t", "t", "r")], f"{schema}, at string, answered_at string, request_id string"
    )
    rows = feature_rows(delivered, asked, cities.contract).collect()
    assert {row["customer"]: row["city"] for row in rows} == {"a": "Bonn", "b": None}
