"""Keys that no file has as they are: made on the way into bronze, and all that comes after goes by them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.bronze.ledger import deliveries
from lakehouse.read.as_of import read_points
from lakehouse.read.point_in_time import features_as_of
from lakeloop.clock import Clock
from lakeloop.contract import Key
from operations.features.catalogue import describe_column
from tests.lakes import OwnLake, own_lake

pytestmark = pytest.mark.long

TRAFFIC = "district,month,cars,area\n00101,2024-01,12.5,homes\n00102,2024-01,80,shops\n"
COMPLAINTS = "month;complaints;district\n2024-01;3;00101\n2024-01;25;00102\n"
CUSTOMERS = "period,plan,usage,left\n2024-01,basic,12,yes\n2024-01,plus,90,no\n2024-01,basic,12,yes\n"


@pytest.fixture
def noise(spark: SparkSession, tmp_path: Path) -> OwnLake:
    """Two sources that share a key of two columns."""
    return own_lake(spark, tmp_path, "noise")


@pytest.fixture(scope="module")
def districts(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """Two districts with their complaints; for reading only."""
    lake = own_lake(spark, tmp_path_factory.mktemp("districts"), "noise")
    deliver_districts(lake)
    lake.ingest()
    return lake


@pytest.fixture
def keyless(spark: SparkSession, tmp_path: Path) -> Callable[[str], OwnLake]:
    """One source without a key of its own; `keyless("row_hash")` has made ones."""
    lake = own_lake(spark, tmp_path, "churn")
    spec = lake.contract.sources["customers"].model_copy(update={"columns": ("period", "plan", "usage", "left")})

    def with_key(made: str) -> OwnLake:
        contract = lake.contract.model_copy(
            update={"key": Key.model_validate({"made": made}), "sources": {"customers": spec}}
        )
        return replace(lake, contract=contract)

    return with_key


def deliver_districts(lake: OwnLake) -> None:
    lake.deliver("traffic", "traffic-2024-01.csv", TRAFFIC)
    lake.deliver("complaints", "complaints-2024-01.csv", COMPLAINTS)


def labels(lake: OwnLake) -> dict[str, str]:
    rows = lake.rows("gold/training")
    return dict(zip(rows[lake.contract.key.column], rows[lake.contract.label.name_column], strict=True))


def row_hash(*values: str) -> str:
    """Of the values of left, period, plan and usage."""
    return sha256("\0".join(values).encode()).hexdigest()[:32]


def test_sources_meet_by_a_key_that_each_makes_of_its_own_columns(districts: OwnLake) -> None:
    assert labels(districts) == {"00101|2024-01": "quiet", "00102|2024-01": "loud"}
    assert districts.rows("bronze/complaints")["row_key"].tolist() == ["00101|2024-01", "00102|2024-01"]
    assert districts.rows("silver/traffic").columns[:3].tolist() == ["row_key", "district", "month"]
    assert not districts.ingest().changed


def test_a_corrected_row_takes_the_place_of_the_one_with_the_same_parts(noise: OwnLake) -> None:
    deliver_districts(noise)
    noise.ingest()
    noise.deliver("complaints", "complaints-2024-01.v2.csv", "district;month;complaints\n00101;2024-01;30\n")
    noise.deliver("traffic", "traffic-2024-02.csv", TRAFFIC.replace("2024-01", "2024-02"))
    noise.ingest()
    assert labels(noise) == {"00101|2024-01": "loud", "00102|2024-01": "loud"}
    assert len(noise.rows("silver/traffic")) == 4


def test_rows_whose_parts_do_not_make_a_key_are_rejected_with_their_line(noise: OwnLake) -> None:
    noise.deliver(
        "traffic", "traffic-2024-01.csv",
        TRAFFIC + "00101,2024-01,13,homes\n,2024-01,13,homes\n1|2,2024-01,13,homes\nbroken\n",
    )  # fmt: skip
    report = noise.ingest()
    assert report.rejects.sentence.startswith("4 of 6 rows (66.7 %) were rejected: ")
    found = noise.rejects("traffic-2024-01.csv")
    assert found[["line", "reason", "value"]].values.tolist() == [
        [4, "`district` and `month` stand together earlier in the same file; the first row is kept",
         "row_key = '00101|2024-01', first in line 2"],
        [5, "`district` is missing", None],
        [6, "a part of the key has `|` in it, which stands between its parts", "row_key = '1|2|2024-01'"],
        [7, "the line has 1 field, 4 expected", None],
    ]  # fmt: skip
    assert found["key"].tolist() == ["00101|2024-01", None, "1|2|2024-01", None]


def test_what_was_known_of_a_compound_key_can_be_asked_by_its_parts(districts: OwnLake, tmp_path: Path) -> None:
    asked = tmp_path / "asked.csv"
    asked.write_text("month,district\n2024-01,00102\n2024-01,00999\n")
    points = read_points(asked, "0", Clock(districts.contract, "simulated", 0, datetime.now(UTC)))
    known = {row["row_key"]: (row["known"], row["cars"]) for row in features_as_of(districts, points).collect()}
    assert known == {"00102|2024-01": ("features and label", 80.0), "00999|2024-01": ("nothing", None)}


def test_the_catalogue_says_where_a_compound_key_came_from(districts: OwnLake) -> None:
    found = describe_column(districts, "row_key")
    assert (found.kind, found.source, found.meaning) == ("key", "silver/traffic", "district and month, joined by |")
    assert [origin.table for origin in found.origins] == ["silver/traffic", "silver/complaints"]


def test_rows_without_a_key_are_known_by_a_hash_of_their_values(keyless: Callable[[str], OwnLake]) -> None:
    lake = keyless("row_hash")
    lake.deliver("customers", "customers-2024-01.csv", CUSTOMERS)
    lake.ingest()
    assert labels(lake) == {
        row_hash("yes", "2024-01", "basic", "12"): "leaves",
        row_hash("no", "2024-01", "plus", "90"): "stays",
    }
    found = lake.rejects("customers-2024-01.csv")
    assert found[["line", "reason", "value"]].values.tolist() == [
        [4, "the row, with the same value in every column, stands earlier in the same file; the first row is kept",
         "first in line 2"],
    ]  # fmt: skip


def test_a_row_delivered_again_in_a_later_file_is_the_same_row(keyless: Callable[[str], OwnLake]) -> None:
    lake = keyless("row_hash")
    lake.deliver("customers", "customers-2024-01.csv", CUSTOMERS)
    lake.ingest()
    again = "left,usage,plan,period\nno,90,plus,2024-01\nno,7,plus,2024-01\n"
    lake.deliver("customers", "customers-2024-01.v2.csv", again)
    report = lake.ingest()
    assert (report.sources[0].silver_inserted, report.sources[0].silver_updated) == (1, 0)
    assert len(labels(lake)) == 3


def test_rows_can_be_known_by_the_line_they_stand_in(keyless: Callable[[str], OwnLake]) -> None:
    lake = keyless("file_line")
    lake.deliver("customers", "customers-2024-01.csv", CUSTOMERS)
    lake.ingest()
    assert labels(lake) == {
        "customers-2024-01.csv:2": "leaves",
        "customers-2024-01.csv:3": "stays",
        "customers-2024-01.csv:4": "leaves",
    }


@pytest.mark.parametrize(
    ("key", "second"),
    [
        ({"made": "row_hash"}, row_hash("no", "2024-01", "plus", "90")),
        ({"columns": ("plan", "usage")}, "plus|90"),
    ],
)
def test_bronze_gets_the_keys_that_a_changed_contract_says(
    keyless: Callable[[str], OwnLake], key: dict[str, Any], second: str
) -> None:
    earlier = keyless("file_line")
    earlier.deliver("customers", "customers-2024-01.csv", CUSTOMERS + "flawed\n")
    earlier.ingest()
    changed = replace(earlier, contract=earlier.contract.model_copy(update={"key": Key.model_validate(key)}))
    changed.ingest()
    rows = changed.rows("bronze/customers").sort_values("_line")["row_key"].tolist()
    assert rows[1] == second
    assert (rows[0] == rows[2], rows[3]) == (True, None)
    assert labels(changed)[second] == "stays" and len(labels(changed)) == 2
    assert [d.state for d in deliveries(changed)] == ["taken"]
    assert not changed.ingest().changed
