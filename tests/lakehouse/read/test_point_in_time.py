"""Features as they were known: not what was corrected later, and the label only where the truth had come."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv
from pyspark.sql import SparkSession

from lakehouse.bronze.bronze_table import BronzeTable
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.gold.training import training_column_names
from lakehouse.read.as_of import Point, Points
from lakehouse.read.point_in_time import BOTH, FEATURES, NOTHING, delivery_clocks, features_as_of
from lakehouse.requests.stream import open_stream
from lakeloop.clock import set_clock
from lakeloop.exceptions import NotFoundError, WrongUseError
from operations.features.catalogue import describe_column
from operations.features.read import counted, read_features, read_version, write_features
from tests.lakehouse.request_log import log_file, record
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy

pytestmark = pytest.mark.long
CORRECTED, LATE, ASKED = "2023-01-0003", "2023-02-0000", "asked"


@dataclass
class Past:
    """A lake with a past: at clock 3 a correction and requests, at 26 a late file, its truth and corrected truth."""

    lake: OwnLake
    before_correction: datetime

    def read(self, point: Point, *keys: str) -> list[dict[str, Any]]:
        lake = self.lake
        of_type = pa.string() if isinstance(point, str) else pa.timestamp("us", "UTC")
        table = pa.table({"policy_id": list(keys), "as_of": pa.array([point] * len(keys), of_type)}) if keys else None
        points = Points(point if table is None else None, table)
        return features_as_of(lake, points).toArrow().to_pylist()


@pytest.fixture(scope="module")
def past(spark: SparkSession, small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    lake = own_lake(spark, Path(shutil.copytree(small_home, tmp_path_factory.mktemp("past") / "home")))
    before = datetime.now(UTC)
    set_clock(lake, 3)
    changed = "".join(policy("2023-01", number, {"age": "50.5"}) for number in range(10))
    lake.deliver("policies", "policies-2023-01.v2.csv", HEADER + changed)
    lines = [
        record("r1", key=ASKED, features={"age": 30.5}, at="2023-02-03T10:00:00+00:00"),
        record("r2", key=ASKED, features={"age": 31.5}, at="2023-04-03T10:00:00+00:00"),
        record("r3", at="2023-04-03T10:00:00+00:00"),
    ]
    log_file(lake, "a", lines)
    with open_stream(lake, lambda line: None) as take:
        take()
    lake.ingest()
    set_clock(lake, 26)
    lake.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0) + policy("2023-02", 1))
    lake.deliver("claims", "claims-2023-02.csv", claims("2023-02", 3.5))
    lake.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[0.5] * 5))
    lake.ingest()
    return Past(lake, before)


def test_values_and_labels_are_those_known_at_each_month(past: Past) -> None:
    months = {"2023-01": 0, "2023-03": 2, "2023-04": 3, "2025-01": 24, "2025-02": 25, "2025-03": 26}
    pairs = [(key, month) for month in months for key in (CORRECTED, LATE, ASKED)]
    table = pa.table({"policy_id": [key for key, _ in pairs], "as_of": [month for _, month in pairs]})
    lake = past.lake
    rows = read_features(lake, Points(None, table)).to_pylist()
    told = {
        (months[row["as_of"]], row["policy_id"]): (
            row["known"],
            row["age"],
            row["risk"],
            row["group"],
            row["group_name"],
        )
        for row in rows
    }
    assert {clock: told[clock, CORRECTED] for clock in months.values()} == {
        0: (BOTH, 41.5, 2.0, 1, "medium"),
        2: (BOTH, 41.5, 2.0, 1, "medium"),
        3: (BOTH, 50.5, 2.0, 1, "medium"),
        24: (BOTH, 50.5, 2.0, 1, "medium"),
        25: (BOTH, 50.5, 2.0, 1, "medium"),
        26: (BOTH, 50.5, 0.5, 2, "low"),
    }
    assert [told[clock, LATE][0] for clock in months.values()] == [NOTHING, FEATURES, FEATURES, FEATURES, BOTH, BOTH]
    assert told[0, LATE] == (NOTHING, None, None, None, None) and told[25, LATE] == (BOTH, 41.5, 3.5, 0, "high")
    assert [told[clock, ASKED][1] for clock in months.values()] == [None, 30.5, 31.5, 31.5, 31.5, 31.5]
    assert len(rows) == len(pairs)


def test_what_has_a_label_now_is_gold_training(past: Past) -> None:
    rows = past.read("2025-03")
    names = training_column_names(past.lake.contract)
    labelled = [{name: row[name] for name in names} for row in rows if row["known"] == BOTH]
    gold = past.lake.rows("gold/training").sort_values("policy_id").to_dict("records")
    assert labelled == gold and len(gold) == 31
    assert [row["policy_id"] for row in rows if row["known"] == FEATURES][-2:] == ["2023-02-0001", ASKED]


def test_a_moment_is_the_lakes_own_time(past: Past) -> None:
    (corrected, late) = past.read(past.before_correction, CORRECTED, LATE)
    assert (corrected["age"], corrected["risk"]) == (41.5, 2.0) and late["known"] == NOTHING
    (corrected, late, asked) = past.read(datetime.now(UTC), CORRECTED, LATE, ASKED)
    assert (corrected["age"], corrected["risk"], late["known"], asked["age"]) == (50.5, 0.5, BOTH, 31.5)


def test_a_version_of_gold_is_read_as_training_saw_it_and_a_vacuumed_one_says_so(past: Past, tmp_path: Path) -> None:
    lake = own_lake(past.lake.spark, Path(shutil.copytree(past.lake.settings.home, tmp_path / "copy")))
    keys = Points(None, pa.table({"policy_id": [CORRECTED, CORRECTED, "nobody"], "as_of": ["2023-01"] * 3}))
    first, nobody = read_version(lake, 1, keys).to_pylist()
    assert (first["as_of"], first["age"], first["known"]) == ("gold/training@1", 41.5, BOTH)
    assert nobody["known"] == NOTHING
    newest = lake.versions()["gold/training"]
    whole = read_version(lake, newest, Points("2025-03"))
    found = counted(whole, "policy_id")
    assert (found.rows, found.labelled, found.unknown) == (31, 31, 0)
    write_features(whole, tmp_path / "out.csv")
    assert csv.read_csv(tmp_path / "out.csv").num_rows == 31
    assert (tmp_path / "out.csv").read_text().startswith("policy_id,as_of,known,month,training,age,")
    for file in Path(lake.table("gold/training")).rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            file.unlink()
    with pytest.raises(VersionVacuumedError, match="version 1 of gold/training was vacuumed"):
        read_version(lake, 1, keys)
    with pytest.raises(NotFoundError, match="no version 99"):
        read_version(lake, 99, keys)


def test_bronze_notes_the_clock_and_without_the_note_a_correction_counts_from_now_on(past: Past) -> None:
    lake = past.lake
    assert BronzeTable(lake, "policies").clock_by_batch() == {1: 0, 2: 3, 3: 26}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    files = ["policies-2023-01.csv", "policies-2023-01.v2.csv", "policies-2023-05.csv"]
    taken = [DeliveryRecord("policies", file, "", 0, 1, at, at, batch, "taken") for batch, file in enumerate(files, 1)]
    assert delivery_clocks(lake.contract, "policies", taken, {1: 0, 2: 3, 3: 26}, 30) == [0, 3, 4]
    assert delivery_clocks(lake.contract, "policies", taken, {}, 30) == [0, 30, 4]


def test_before_anything_came_nothing_is_read_and_other_endings_are_refused(lake: OwnLake, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing of insurance was delivered yet"):
        features_as_of(lake, Points("2023-01"))
    with pytest.raises(WrongUseError, match=r"\.csv and \.parquet can be written"):
        write_features(pa.table({"a": [1]}), tmp_path / "out.json")


@pytest.mark.long
def test_where_the_truth_comes_with_the_features_every_row_has_a_label(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path, "churn")
    header = "customer,period,plan,usage,left\n"
    lake.deliver(
        "customers", "customers-2024-01.csv", header + 'a,2024-01,"pro, annual",1.5,no\nb,2024-01,basic,2,no\n'
    )
    lake.ingest()
    set_clock(lake, 2)
    lake.deliver("customers", "customers-2024-01.v2.csv", header + "b,2024-01,plus,2,yes\n")
    lake.ingest()
    read = {month: features_as_of(lake, Points(month)).toArrow().to_pylist() for month in ("2024-02", "2024-03")}
    assert [(row["known"], row["plan"], row["churned_name"]) for row in read["2024-02"]] == [
        (BOTH, "pro, annual", "stays"), (BOTH, "basic", "stays"),
    ]  # fmt: skip
    assert read["2024-03"][1]["plan"] == "plus" and read["2024-03"][1]["churned_name"] == "leaves"
    usage, label = (describe_column(lake, name) for name in ("usage", "churned"))
    assert usage.origins[0].rows == 2 and label.allowed == "one of 0 stays, 1 leaves"
    assert label.last is not None and label.last.file == "customers-2024-01.v2.csv"
