"""A truth that comes in parts: payments of a claim, each in a row of its own, late, corrected, too much."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.read.as_of import Points
from lakehouse.read.point_in_time import features_as_of
from lakehouse.silver.truth_parts import combined_truth
from lakeloop.contract_file import load_contract
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from tests.lakes import OwnLake
from tests.payments import PARTS

pytestmark = pytest.mark.long


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> OwnLake:
    contract = tmp_path / "use_cases" / "claims" / "contract.yaml"
    contract.parent.mkdir(parents=True)
    contract.write_text(PARTS)
    use_case = open_use_case(load_settings(home=tmp_path, use_case="claims", use_cases=contract.parent.parent))
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)


def pay(lake: OwnLake, name: str, *rows: str) -> None:
    lake.deliver("payments", f"payments-{name}.csv", "\n".join(["claim,payment,paid", *rows]) + "\n")


def costs(lake: OwnLake) -> dict[str, tuple[float, str]]:
    rows = lake.rows("gold/training")
    return {row["claim"]: (row["paid"], row["cost_name"]) for row in rows.to_dict("records")}


def test_every_further_part_changes_the_truth_and_what_follows_from_it(lake: OwnLake) -> None:
    lake.deliver("claims", "claims-2024-01.csv", "claim,month,power\na,2024-01,90\nb,2024-01,80\nc,2024-01,70\n")
    pay(lake, "1", "a,1,600.25", "a,2,300", "b,1,2000", "b,2,-1500.5", "a,2,999")
    report = lake.ingest()
    assert costs(lake) == {"a": (900.25, "cheap"), "b": (499.5, "cheap")}
    assert lake.rejects("payments-1.csv")[["line", "reason"]].to_numpy().tolist() == [
        [6, "`claim` and `payment` stand together earlier in the same file; the first row is kept"]
    ]
    assert (report.sources[1].silver_inserted, report.sources[1].bronze_rows) == (2, 5)
    before = datetime.now(UTC)

    pay(lake, "2", "a,3,200", "c,1,5")  # a further part
    pay(lake, "3", "b,1,5000")  # a corrected one
    report = lake.ingest()
    assert costs(lake) == {"a": (1100.25, "dear"), "b": (3499.5, "dear"), "c": (5.0, "cheap")}
    assert (report.gold.added, report.gold.updated) == (1, 2)
    assert not lake.ingest().changed

    pay(lake, "4", "a,4,20000", "b,3,-3499.5")
    lake.ingest()
    assert costs(lake) == {"b": (0.0, "cheap"), "c": (5.0, "cheap")}
    (reason,) = lake.rejects("payments-4.csv")["reason"]
    assert reason == "`paid`, sum of its parts, is outside 0 to 10000"
    pay(lake, "5", "a,4,-100")
    lake.ingest()
    assert costs(lake)["a"] == (1000.25, "dear")
    then = features_as_of(lake, Points(before)).collect()
    assert {row["claim"]: row["paid"] for row in then} == {"a": 900.25, "b": 499.5, "c": None}


@pytest.mark.parametrize(
    ("combine", "type_", "expected"),
    [("sum", "float", 5.5), ("mean", "float", 2.75), ("min", "float", 1.5), ("max", "float", 4.0), ("count", "int", 2)],
)
def test_parts_come_to_what_the_contract_says(
    spark: SparkSession, tmp_path: Path, combine: str, type_: str, expected: float
) -> None:
    text = PARTS.replace("combine: sum", f"combine: {combine}").replace(
        "type: float, valid: [0", f"type: {type_}, valid: [0"
    )
    path = tmp_path / "contract.yaml"
    path.write_text(text.replace("payment, paid]", "payment]") if combine == "count" else text)
    rows = [("a", "1", 1.5, "x", 1, 2, 1), ("a", "2", 4.0, "y", 2, 2, 2)]
    parts = spark.createDataFrame(
        rows,
        "claim string, payment string, paid double, _source_file string, _delivery bigint, _line bigint, _batch bigint",
    )
    contract = load_contract(path)
    (row,) = combined_truth(parts.drop("paid") if combine == "count" else parts, contract, ["claim"]).collect()
    assert (row["paid"], row["_source_file"], row["_batch"], row["_complete"]) == (expected, "y", 2, True)
