"""What fetchers of public data write: the packages' files, by period; and nothing where a package is not there."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lakeloop.own_code import load_function
from lakeloop.settings import PROJECT

DATA = PROJECT / "data"
PACKAGES = {"crime_de": "if_license_plates_could_talk", "crime_uk": "crime_sim_toolkit"}
NOT_THERE = [name for name, package in PACKAGES.items() if find_spec(package) is None]
installed = pytest.mark.skipif(bool(NOT_THERE), reason="the data is not installed: `make data`")


def fetcher(use_case: str) -> Callable[..., Any]:
    return load_function(DATA / use_case / "fetch.py", "fetch")


@pytest.mark.parametrize(
    ("use_case", "source", "period"), [("crime_de", "cars", "2014"), ("crime_uk", "street", "2016-07")]
)
def test_without_its_package_a_fetcher_writes_nothing_and_says_what_to_do(
    use_case: str, source: str, period: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fetch = fetcher(use_case)
    monkeypatch.setitem(fetch.__globals__, "find_spec", lambda name: None)
    fetch(source, period, tmp_path)
    assert list(tmp_path.iterdir()) == [] and "`make data` installs it" in capsys.readouterr().out


@installed
def test_tables_of_an_office_come_a_year_at_a_time_and_the_police_s_as_they_are(tmp_path: Path) -> None:
    fetch = fetcher("crime_de")
    for source in ("crimes", "people", "income"):
        fetch(source, "2014", tmp_path)
        fetch(source, "2021", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"crimes-2014.csv", "people-2014.csv", "income-2014.json"}
    package = find_spec(PACKAGES["crime_de"])
    assert package is not None and package.submodule_search_locations
    raw = Path(package.submodule_search_locations[0]) / "data" / "data_files" / "raw" / "crime" / "bka" / "2014"
    assert (tmp_path / "crimes-2014.csv").read_bytes() == next(raw.iterdir()).read_bytes()
    people = (tmp_path / "people-2014.csv").read_text(encoding="latin-1").splitlines()
    assert people[0].startswith("GENESIS-Tabelle") and people[-1].startswith("Stand:")
    assert {line[:4] for line in people if line.count(";") == 5 and line[0].isdigit()} == {"2013"}
    income = json.loads((tmp_path / "income-2014.json").read_text())
    assert income["published"] == 2014 and {row["of"] for row in income["districts"]} == {"2012"}


def test_a_place_lies_in_the_cell_of_its_south_western_corner() -> None:
    cell = load_function(DATA / "crime_uk" / "features.py", "cell")
    assert cell(-1.550626, 53.5974) == "53.58 -1.56" and cell(0.01, 53.6) == "53.60 0.00"
