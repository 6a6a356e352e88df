"""A changed contract: silver and gold follow it, from what bronze kept."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse import contract_change
from lakeloop.contract import Contract, Feature
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy


def with_features(contract: Contract, source: str = "policies", **features: Feature) -> Contract:
    """The contract with features replaced or added, added ones delivered as last columns of `source`."""
    new = [name for name in features if name not in contract.features]
    spec = contract.sources[source]
    spec = spec.model_copy(update={"columns": (*spec.columns, *new)})
    return contract.model_copy(
        update={"features": {**contract.features, **features}, "sources": {**contract.sources, source: spec}}
    )


@pytest.fixture(scope="module")
def delivered_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = own_lake(spark, tmp_path_factory.mktemp("delivered"))
    lake.deliver(
        "policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0) + policy("2023-01", 1, {"age": "160"})
    )
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4, 0))
    lake.ingest()
    return lake.settings.home


@pytest.fixture
def delivered(spark: SparkSession, delivered_home: Path, tmp_path: Path) -> OwnLake:
    """A copy of it."""
    return own_lake(spark, Path(shutil.copytree(delivered_home, tmp_path / "delivered")))


def test_wider_limits_bring_rejected_rows_back_and_earlier_versions_stay(delivered: OwnLake) -> None:
    assert delivered.rows("gold/training")["policy_id"].tolist() == ["2023-01-0000"]
    version = delivered.versions()["gold/training"]
    age = delivered.contract.features["age"].model_copy(update={"valid": (0.0, 200.0)})
    delivered = replace(delivered, contract=with_features(delivered.contract, age=age))
    delivered.lines.clear()
    delivered.ingest()
    assert delivered.lines[0] == contract_change.NOTICE
    assert sorted(delivered.rows("gold/training")["age"]) == [41.5, 160.0]
    assert delivered.rows("silver/rejects").empty
    assert delivered.rows("gold/monthly")["labelled"].tolist() == [2]
    path = delivered.table("gold/training")
    assert delivered.spark.read.format("delta").option("versionAsOf", version).load(path).count() == 1
    assert not delivered.ingest().changed


def test_a_new_column_is_asked_of_every_row_interrupted_or_not(
    delivered: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = with_features(delivered.contract, doors=delivered.contract.features["age"])
    delivered = replace(delivered, contract=wider)
    with monkeypatch.context() as patch:
        patch.setattr(contract_change, "write_json", lambda *_: pytest.fail("crash"))
        with pytest.raises(pytest.fail.Exception):
            delivered.ingest()
    header = HEADER.strip() + ";doors\n"
    delivered.deliver("policies", "policies-2023-02.csv", header + policy("2023-02", 0).strip() + ";4\n")
    delivered.deliver("claims", "claims-2023-02.csv", claims("2023-02", 2))
    delivered.ingest()
    assert delivered.rows("gold/training")[["policy_id", "doors"]].values.tolist() == [["2023-02-0000", 4.0]]
    assert set(delivered.rows("silver/rejects")["reason"]) == {
        "`doors` is missing", "`age` is outside 0 to 150 years; `doors` is missing"
    }  # fmt: skip


def test_other_words_in_the_contract_make_nothing_anew(reference: OwnLake) -> None:
    before = reference.versions()
    age = reference.contract.features["age"].model_copy(update={"description": "how old the driver is"})
    reworded = replace(reference, contract=with_features(reference.contract, age=age))
    assert not reworded.ingest().changed
    assert reworded.versions() == before
