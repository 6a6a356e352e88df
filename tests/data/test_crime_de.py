"""Gold of the police statistics against pandas on the files of their package, which know nothing of a lake."""

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.read.clusters import read_clusters
from lakeloop.own_code import load_function
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import open_use_case
from operations.fetching.fetched_history import fetch_history
from operations.history import history_periods, history_rows
from operations.lineage.affected import affected_by
from tests.lakes import OwnLake

PACKAGE = find_spec("if_license_plates_could_talk")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(PACKAGE is None, reason="its data is not installed: `make data`"),
]
YEARS = ("2013", "2014", "2016", "2017")
ASKED = ("2013", "2016")
"""The years of which the next one is there, and so the truth."""
ALL = "------"


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """A lake that took in four years: one of a workbook, one with a point, two with commas between thousands."""
    home = tmp_path_factory.mktemp("crime")
    case = open_use_case(load_settings(home=home, use_case="crime_de", use_cases=PROJECT / "data"))
    fetch = load_function(case.contract_path.parent / "fetch.py", "fetch")
    for source in case.contract.sources:
        folder = case.folder("landing") / source
        folder.mkdir(parents=True)
        for year in YEARS:
            fetch(source, year, folder)
    made = OwnLake(case.settings, case.contract, lambda: spark)
    report = made.ingest()
    assert not report.refused and not report.rejects.rejected
    return made


def raw(name: str) -> Path:
    assert PACKAGE is not None and PACKAGE.submodule_search_locations
    return Path(PACKAGE.submodule_search_locations[0]) / "data" / "data_files" / "raw" / name


def police(year: int) -> pd.DataFrame:
    """The police's own table of a year: offence, district (a number), cases, cleared up ones."""
    (path,) = raw(f"crime/bka/{year}").iterdir()
    if path.suffix == ".xls":
        table = pd.read_excel(path, header=None, skiprows=9)[[0, 2, 5, 11]]
    else:
        table = pd.read_csv(path, encoding="latin-1", sep=";", skiprows=1, thousands=",", dtype={0: str})
        solved = [name for name in table if name.startswith("aufgekl")]
        table = table[[table.columns[0], table.columns[2], *(n for n in table if n.startswith("erfasste")), *solved]]
    table = table.iloc[:, [0, 1, 2, 3]].set_axis(["offence", "district", "cases", "solved"], axis="columns")
    return table.assign(offence=table["offence"].astype(str), district=table["district"].astype(int))


def test_five_numbers_of_gold_are_those_of_the_original_files(lake: OwnLake) -> None:
    gold, silver = lake.rows("gold/training"), lake.rows("silver/crimes")
    district = silver.set_index("row_key")["district"]
    gold = gold.assign(district=gold["row_key"].map(district)).set_index(["district", "offence", "year"])
    y2013, y2014, y2016, y2017 = (police(int(year)) for year in YEARS)

    assert set(gold.index.get_level_values("year")) == set(ASKED)
    reported = {year: gold.xs((ALL, year), level=("offence", "year"))["cases"].sum() for year in ASKED}
    assert reported == {
        year: table.loc[table["offence"] == ALL, "cases"].sum()
        for year, table in zip(ASKED, (y2013, y2016), strict=True)
    }

    flensburg = gold.loc[("01001", ALL, "2016")]
    now, later = (one[(one["district"] == 1001) & (one["offence"] == ALL)].iloc[0] for one in (y2016, y2017))
    assert (flensburg["cases"], now["cases"]) == (9993, 9993)
    assert flensburg["cleared_now"] == pytest.approx(now["solved"] / now["cases"])
    assert flensburg["clear_up_ahead"] == pytest.approx(later["solved"] / later["cases"])

    both, next_year = (one[one["district"].isin([3152, 3156]) & (one["offence"] == ALL)] for one in (y2013, y2014))
    together = gold.loc[("03159", ALL, "2013")]
    assert len(both) == 2 and together["cases"] == both["cases"].sum()
    assert together["clear_up_ahead"] == pytest.approx(next_year["solved"].sum() / next_year["cases"].sum())
    assert not {"03152", "03156"} & set(district)

    names = ["year", "district", "name", "all", "men", "women"]
    people = pd.read_csv(
        raw("population/12411-05-01-4.csv"), encoding="latin-1", sep=";", skiprows=7, names=names, dtype=str
    )
    before = people[(people["year"] == "2012") & people["district"].isin(["03152", "03156"])]
    assert len(before) == 2 and together["people"] == before["all"].astype(int).sum()
    berlin = people[(people["year"] == "2015") & (people["district"] == "11")].iloc[0]
    assert gold.loc[("11000", ALL, "2016"), "people"] == int(berlin["all"])

    pairs = y2016[~y2016["district"].isin([3152, 3156])].merge(y2017, on=["district", "offence"])
    many = (pairs["solved_y"] / pairs["cases_y"].where(pairs["cases_y"] > 0) > 0.75).sum()
    here = gold.xs("2016", level="year").drop(index="03159", level="district")
    assert (here["cleared_name"] == "many").sum() == many


def test_a_year_of_the_fetched_history_has_what_gold_has(lake: OwnLake, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="crime_de", use_cases=PROJECT / "data")
    case = open_use_case(settings.model_copy(update={"now": datetime(2015, 6, 1, tzinfo=UTC)}))
    report = fetch_history(case)
    assert (report.last, report.new_files) == ("2014", 2 * len(case.contract.sources))
    assert history_periods(case) == (0, 1) and (case.folder("landing") / "districts.geojson").is_file()
    rows = history_rows(case, 0).set_index("row_key").sort_index()
    gold = lake.rows("gold/training").query("year == '2013'").set_index("row_key").sort_index()
    known = rows[rows["clear_up_ahead"].notna()]
    assert list(known.index) == list(gold.index) and len(gold) > 6000
    for name in ("cases", "people", "density", "income", "cleared_now", "clear_up_ahead"):
        assert np.allclose(known[name].astype(float), gold[name].astype(float), equal_nan=True), name
    assert (known["state"].fillna("") == gold["state"].fillna("")).all()


def test_districts_are_clustered_and_a_file_names_the_clusters_with_its_values(lake: OwnLake) -> None:
    found = read_clusters(lake)
    things = [thing for one in found.clusters for thing in one.things]
    assert 4 <= len(found.clusters) <= 6 and found.periods == ("2015", "2017")
    assert len(things) + len(found.left_out) == 401 and len(found.left_out) < 10
    assert len(found.columns) == 2 + lake.rows("silver/crimes").query("year > '2014'")["offence"].nunique()
    berlin = next(one for one in found.clusters if "11000" in one.things)
    density = {one.number: one.centre["density"] for one in found.clusters}
    assert density[berlin.number] > sorted(density.values())[1], "with towns"
    for file in ("crimes-2017.csv", "land-2017.csv"):
        assert affected_by(lake, file)[0].clusters == (found.version,), file
    for file in ("crimes-2014.csv", "land-2014.csv", "schools-2017.csv"):
        assert affected_by(lake, file)[0].clusters == (), file


def test_what_was_mended_says_where_districts_and_numbers_were_written_otherwise(lake: OwnLake) -> None:
    told = lake.rows("silver/mended").set_index(["file", "column", "mended"])
    police_2016 = "crimes-2016.csv"
    assert told.loc[(police_2016, "cases", "the number is written with marks between thousands"), "rows"] > 1000
    assert told.loc[(police_2016, "", "rows became one"), "rows"] == 2 * 41
    assert told.loc[("crimes-2013.json", "offence", "the text stands for another"), "rows"] == 402
    assert told.loc[("people-2014.csv", "district", "the text stands for another"), "rows"] == 4
    assert told.loc[(police_2016, "solved", "the column has another name"), "delivered"] == "aufgeklaerte Faelle"
    assert set(told["source"]) == set(lake.contract.sources) - {"districts"}
