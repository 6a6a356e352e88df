"""Values of places: counted as anybody would with pandas, from what there is; of what there is not, what to do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.contract import Place
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase
from operations.places import drift, values
from operations.places.checks import place_notes
from operations.places.values import PlaceTables
from tests.places import PLACES, YEARS, harvest_scores, harvests_home, place_key

NAMES = ["2015", "2016", "2017", "2018"]


@pytest.fixture(scope="module")
def harvests(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    use_case = harvests_home(tmp_path_factory.mktemp("harvests"))
    harvest_scores(use_case)
    clusters = {"district": map(place_key, range(PLACES)), "cluster": [None, *(n % 3 for n in range(1, PLACES))]}
    named = pd.DataFrame(clusters).assign(name=["", *(f"soil {n % 3}" for n in range(1, PLACES))])
    write_deltalake(use_case.table("gold/clusters"), named)
    return use_case


@pytest.fixture(scope="module")
def tables(harvests: UseCase) -> PlaceTables:
    return tables_of(harvests)


@pytest.fixture(scope="module")
def drawn(harvests: UseCase) -> pd.DataFrame:
    return pd.concat([sample_period(harvests, year) for year in range(YEARS)])


def tables_of(use_case: UseCase) -> PlaceTables:
    assert use_case.contract.place is not None
    return PlaceTables(use_case, use_case.contract.place)


def test_means_are_of_the_rows_of_a_place_and_period_and_of_what_they_are_split_by(
    tables: PlaceTables, drawn: pd.DataFrame
) -> None:
    assert tables.choices() == (NAMES, ["barley", "oats", "rye", "wheat"])
    found = tables.of("mean.rain")
    wanted = drawn.pivot_table(index="district", columns="year", values="rain")
    pd.testing.assert_frame_equal(found.values, wanted, check_names=False)
    assert (found.rows == 4).all().all() and found.measure.unit == "mm" and found.low < found.high
    rye = tables.of("truth", "rye")
    wanted = drawn[drawn["crop"] == "rye"].pivot_table(index="district", columns="year", values="tonnes")
    pd.testing.assert_frame_equal(rye.values[NAMES[:3]], wanted[NAMES[:3]], check_names=False)
    assert rye.values["2018"].isna().all(), "its truth has not come"


def test_a_total_is_shown_first_and_never_added_to_the_others(harvests: UseCase, drawn: pd.DataFrame) -> None:
    assert harvests.contract.place is not None
    place = harvests.contract.place.model_copy(update={"total": "wheat"})
    tables = PlaceTables(harvests, place)
    total, others = drawn["crop"] == "wheat", drawn["crop"] != "wheat"
    for found, which in ((tables.of("mean.rain"), total), (tables.of("mean.rain", ""), others)):
        wanted = drawn[which].pivot_table(index="district", columns="year", values="rain")
        pd.testing.assert_frame_equal(found.values, wanted, check_names=False)
    assert (tables.of("rows", "").values == 3).all().all() and (tables.of("rows", "rye").values == 1).all().all()


def test_shares_answers_and_errors_are_counted_of_rows_that_have_them(tables: PlaceTables, drawn: pd.DataFrame) -> None:
    good = (drawn["tonnes"] > 6.5).groupby([drawn["district"], drawn["year"]]).mean().unstack()
    np.testing.assert_allclose(tables.of("share.good").values[NAMES[:3]], good[NAMES[:3]])
    said = tables.of("answer.good")
    assert (
        said.values.round(9).eq(0.7).all().all() and said.rows.to_numpy().sum() == 4 * PLACES * YEARS - 1
    )  # one by rules
    wrong = tables.of("error")
    np.testing.assert_allclose(wrong.values[NAMES[1:3]], 1 - good[NAMES[1:3]])
    assert wrong.values["2018"].isna().all()


def test_the_index_is_its_formula_ranked_in_each_period(tables: PlaceTables, drawn: pd.DataFrame) -> None:
    found = tables.of("index")
    poor = (drawn["tonnes"] < 5).groupby([drawn["district"], drawn["year"]]).mean().unstack()
    mean = drawn.pivot_table(index="district", columns="year", values="tonnes")
    wanted = (100 * poor - mean)["2016"]
    assert found.raw is not None
    np.testing.assert_allclose(found.raw["2016"], wanted)
    ranked = found.values["2016"]
    assert (ranked.min(), ranked.max()) == (0.0, 100.0) and ranked.idxmax() == wanted.idxmax()
    assert found.values["2018"].isna().all()


def test_clusters_are_categories_and_a_place_may_be_in_none(tables: PlaceTables) -> None:
    found = tables.of("cluster")
    assert found.categories == ("0: soil 0", "1: soil 1", "2: soil 2") and found.values.loc[place_key(4), "2017"] == 1
    assert place_key(0) not in found.values.index


def test_drift_of_a_place_is_that_of_its_features(harvests: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no model serves" in tables_of(harvests).of("drift").problem
    monkeypatch.setattr(drift, "trained_periods", lambda _: ("7", (0, 1)))
    assert "no place has 30 rows in 2018" in tables_of(harvests).of("drift").problem
    monkeypatch.setattr(drift, "FEWEST_ROWS", 4)
    found = tables_of(harvests).of("drift", period="2017")
    shares = found.values["2017"]
    assert shares.between(0, 1).all() and shares.notna().all() and found.values["2018"].isna().all()
    assert set((3 * shares).round(6)) <= {0, 1, 2, 3} and shares.max() > 0


def test_rows_that_came_as_requests_alone_count_too_and_what_changed_is_counted_anew(tmp_path: Path) -> None:
    use_case = harvests_home(tmp_path)
    tables = tables_of(use_case)
    before = tables.of("rows").values.loc[place_key(1), "2018"]
    rows = read_lake_table(use_case, "silver/fields")
    assert rows is not None
    asked = rows[(rows["district"] == place_key(1)) & (rows["year"] == "2018")].drop(columns="district")
    new = asked.assign(row_key=[f"{place_key(1)}|{crop} late|2018" for crop in asked["crop"]])
    both = pd.concat([asked, new, new]).assign(at=pd.Timestamp("2026-01-01", tz="UTC"))
    write_deltalake(use_case.table("silver/predictions"), both)
    assert tables.of("rows").values.loc[place_key(1), "2018"] == before + 4
    assert tables.of("mean.rain").rows.loc[place_key(1), "2018"] == before + 4


def test_what_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    use_case = harvests_home(tmp_path, shapes=False)
    tables = tables_of(use_case)
    assert "`lakeloop score -u harvests` asks the champion" in tables.of("answer.good").problem
    assert "there is no gold/clusters yet" in tables.of("cluster").problem
    with pytest.raises(WrongUseError, match=r"'mean.rian' is nothing that places have; there are: index, truth"):
        tables.of("mean.rian")
    assert place_notes(use_case)[0].startswith(
        "place.shapes: `place.shapes` is districts.geojson, and there is no such"
    )


def test_places_without_a_shape_are_named(harvests: UseCase, tmp_path: Path) -> None:
    assert place_notes(harvests) == []
    use_case = harvests_home(tmp_path)
    path = use_case.own_folder / "districts.geojson"
    path.write_text(path.read_text().replace(f'"{place_key(3)}"', '"3001"'))
    (note,) = place_notes(use_case)
    assert "1 values of `district` have no shape whose `code` is the same: 03001" in note


def test_coordinates_fall_into_cells_and_those_with_the_most_rows_are_drawn(
    harvests: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(longitude="rain", latitude="soil", cell=10.0)
    contract = harvests.contract.model_copy(update={"place": place})
    tables = PlaceTables(replace(harvests, contract=contract), place)
    found, shapes = tables.of("rows"), tables.shapes()
    rows = read_lake_table(harvests, "silver/fields")
    assert rows is not None
    inside = rows[rows["rain"].between(-180, 180) & rows["soil"].between(-90, 90)]
    assert len(inside) < len(rows) and found.values.to_numpy(float)[~found.values.isna()].sum() == len(inside)
    one = inside.iloc[0]
    cell = f"{int(one['soil'] // 10)},{int(one['rain'] // 10)}"
    assert cell in shapes.names and cell in found.values.index
    monkeypatch.setattr(values, "MOST_CELLS", 3)
    few = PlaceTables(replace(harvests, contract=contract), place)
    most = found.rows.sum(axis=1).nlargest(3).min()
    assert len(few.shapes().names) == 3 and set(few.of("rows").values.index) == set(few.shapes().names)
    assert few.of("rows").rows.sum(axis=1).min() == most
