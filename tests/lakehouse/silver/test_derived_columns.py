"""Derived features in the lake: made of typed rows, rejected where they cannot be made, made anew by other code."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.contract_change import DERIVED_NOTICE
from lakehouse.gold.export import export
from lakehouse.read.as_of import Points
from lakehouse.read.point_in_time import features_as_of
from lakeloop.exceptions import OwnCodeError
from lakeloop.manifest import read_manifest
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from tests.lakes import OwnLake
from tests.use_case_copies import USE_CASES

pytestmark = pytest.mark.long
HEADER = "booking,month,price,nights,booked,arrival,room\n"
JANUARY = "bookings-2024-01.csv"


@pytest.fixture(scope="module")
def first(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """Good bookings and others; for copying and reading only."""
    home = tmp_path_factory.mktemp("stays")
    shutil.copytree(USE_CASES["stays"] / "stays", home / "use_cases" / "stays")
    lake = lake_in(spark, home)
    lake.deliver(
        "bookings", JANUARY,
        f"{HEADER}"
        "a,2024-01,300,4,2024-01-01,2024-02-01,single\n"
        "b,2024-01,300,0,2024-01-01,,double\n"
        "c,2024-01,300,4,2024-01-09,2024-01-02,suite\n"
        "d,2024-01,9000,1,2024-01-01,2024-02-01,single\n"
        "e,2024-01,300,4,1583-01-01,9999-12-31,single\n"
        "f,2024-01,much,4,2024-01-09,2024-01-02,suite\n"
        "g,2024-01,300,4,2024-01-09,2024-01-02,suite\n"
        "g,2024-01,100,4,2024-01-01,2024-01-02,suite\n"
        "h,2024-01,100,3,2024-01-01,2024-01-02,suite\n"
        "h,2024-01,200,3,2024-01-01,2024-01-02,suite\n",
    )  # fmt: skip
    lake.deliver("outcomes", "outcomes-2024-01.csv", "booking,cancelled\na,0\nb,1\nc,1\nd,0\ne,1\ng,0\nh,1\n")
    lake.ingest()
    return lake


@pytest.fixture
def stays(spark: SparkSession, first: OwnLake, tmp_path: Path) -> OwnLake:
    return lake_in(spark, Path(shutil.copytree(first.settings.home, tmp_path / "home")))


def lake_in(spark: SparkSession, home: Path) -> OwnLake:
    case = open_use_case(load_settings(home=home, use_case="stays", use_cases=home / "use_cases"))
    return OwnLake(case.settings, case.contract, lambda: spark)


def made(rows: pd.DataFrame) -> dict[str, list[float | None]]:
    derived = rows.set_index("booking")[["price_a_night", "days_ahead"]].sort_index().astype(object)
    return {str(key): [None if pd.isna(v) else v for v in row] for key, *row in derived.itertuples()}


def test_they_stand_in_silver_and_gold_typed_and_missing_where_they_may_be(first: OwnLake) -> None:
    wanted = {"a": [75.0, 31], "b": [None, None], "g": [25.0, 1], "h": [100 / 3, 1]}
    assert made(first.rows("silver/bookings")) == wanted
    assert made(first.rows("gold/training")) == wanted


def test_rows_of_which_they_cannot_be_made_are_rejected_with_column_and_line(first: OwnLake) -> None:
    known = "`days_ahead` is not known: features.py, line 12, ValueError"
    found = first.rejects(JANUARY)[["line", "key", "reason", "value"]].values.tolist()
    assert found == [
        [4, "c", known, "arrives 7 days before it is booked; booked = 2024-01-09, arrival = 2024-01-02"],
        [5, "d", "`price_a_night` is outside 0 to 2000 EUR; it is derived from price, nights",
         "price_a_night = 9000.0; price = 9000.0, nights = 1"],
        [6, "e", "`days_ahead` is outside 0 to 700 d; it is derived from booked, arrival",
         "days_ahead = 3074245; booked = 1583-01-01, arrival = 9999-12-31"],
        [7, "f", "`price` is not a float", "price = 'much'"],
        [8, "g", known, "arrives 7 days before it is booked; booked = 2024-01-09, arrival = 2024-01-02"],
        [11, "h", "`booking` stands earlier in the same file; the first row is kept",
         "booking = 'h', first in line 10"],
    ]  # fmt: skip


def test_a_point_in_time_has_them_too(first: OwnLake) -> None:
    found = features_as_of(first, Points("2024-02")).toPandas()
    assert made(found) == made(first.rows("gold/training"))


def test_code_that_cannot_be_imported_stops_an_ingest_and_other_code_makes_silver_and_gold_anew(stays: OwnLake) -> None:
    code = stays.own_folder / "features.py"
    good, before = code.read_text(), read_manifest(export(stays))
    code.write_text(f"import nowhere\n{good}")
    stays.deliver("bookings", "bookings-2024-01.v2.csv", f"{HEADER}a,2024-01,300,2,2024-01-01,2024-02-02,single\n")
    with pytest.raises(OwnCodeError, match=r"features\.py, line 1: ModuleNotFoundError: No module named 'nowhere'"):
        stays.ingest()
    code.write_text(good.replace("price / nights", "price / (nights + 1)"))
    stays.lines.clear()
    stays.ingest()
    assert DERIVED_NOTICE in stays.lines
    assert made(stays.rows("gold/training")) == {"a": [100.0, 32], "b": [300.0, None], "g": [20.0, 1], "h": [25.0, 1]}
    after = read_manifest(export(stays))
    assert before.own_code["features.py"] != after.own_code["features.py"] and before.version != after.version
    assert after.columns[2:5] == ("price", "nights", "price_a_night")
