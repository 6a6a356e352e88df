"""The chapter on crime tells of its files what pandas alone finds in them: what is odd, and the naive forecast."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.settings import PROJECT

PACKAGE = find_spec("if_license_plates_could_talk")
pytestmark = pytest.mark.skipif(PACKAGE is None, reason="its data is not installed: `make data`")
CHAPTER = PROJECT / "docs" / "crime-in-germany.md"
FIRST, LAST = 2013, 2020
BOUNDS = {"many": 0.75, "some": 0.4}
COLUMNS = {"solved": r"(aufgekl|auffkl)[^%]*f[aä]", "cases": r"(anzahl )?erfasste f"}
MERGED = {3152: 3159, 3156: 3159}
STATES = (
    "Schleswig-Holstein", "Hamburg", "Niedersachsen", "Bremen", "Nordrhein-Westfalen", "Hessen", "Rheinland-Pfalz",
    "Baden-Württemberg", "Bayern", "Saarland", "Berlin", "Brandenburg", "Mecklenburg-Vorpommern", "Sachsen",
    "Sachsen-Anhalt", "Thüringen",
)  # fmt: skip


def told(heading: str) -> dict[str, list[str]]:
    """The rows of the chapter's table whose first column is called so, by their first cell."""
    lines = CHAPTER.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0].strip("`"): row[1:] for row in rows}


@cache
def texts(year: int) -> pd.DataFrame:
    """The police's table of a year as texts: offence, district, cases and cleared up ones as they were written."""
    assert PACKAGE is not None and PACKAGE.submodule_search_locations
    raw = Path(PACKAGE.submodule_search_locations[0]) / "data" / "data_files" / "raw" / "crime" / "bka" / str(year)
    (path,) = raw.iterdir()
    if path.suffix == ".xls":
        table = pd.read_excel(path, header=None, skiprows=9, dtype=str)[[0, 2, 5, 11]]
    else:
        table = pd.read_csv(path, encoding="latin-1", sep=";", skiprows=1, dtype=str)
        places = [next(n for n, name in enumerate(table) if re.match(one, name.lower())) for one in
                  (COLUMNS["cases"], COLUMNS["solved"])]  # fmt: skip
        table = table.iloc[:, [0, 2, *places]]
    table = table.set_axis(["offence", "district", "cases", "solved"], axis="columns")
    return table[table["offence"].str.fullmatch(r"------|[0-9*]{6}(\.0)?", na=False)]


@cache
def year_of(year: int) -> pd.DataFrame:
    """Cases and cleared up ones by district (a number) and offence, of districts as they are since 2016."""
    table = texts(year)
    numbers = {name: table[name].str.replace(",", "").astype(float) for name in ("cases", "solved")}
    district = table["district"].astype(float).astype(int).replace(MERGED)
    return table.assign(**numbers, district=district).groupby(["district", "offence"])[["cases", "solved"]].sum()


def classes(rows: pd.DataFrame) -> pd.Series:
    """The class of what was cleared up; missing where there were no cases."""
    share = (rows["solved"] / rows["cases"]).where(rows["cases"] > 0)
    name = pd.Series("few", index=rows.index).mask(share > BOUNDS["some"], "some").mask(share > BOUNDS["many"], "many")
    return name.where(share.notna())


@cache
def naive(year: int) -> pd.DataFrame:
    """The rows of a year whose truth came with the next one's: cases, state, and whether the same class was right.

    Where there were no cases, the commonest class is the answer.
    """
    now = year_of(year)
    truth = classes(year_of(year + 1)).dropna().rename("truth")
    rows = now.join(truth, how="inner")
    right = classes(rows).fillna("many") == rows["truth"]
    state = [STATES[district // 1000 - 1] for district in rows.index.get_level_values("district")]
    return rows.assign(right=right, state=state)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def test_what_is_wrong_with_each_file_is_counted_in_it() -> None:
    table = told("file")
    assert len(table) == LAST - FIRST + 1
    for name, (rows, commas, zeros, _) in table.items():
        year = int(name[7:11])
        there = texts(year)
        found = [len(there), there["cases"].str.contains(",").sum(), (there["district"].str.len() == 4).sum()]
        assert [int(cell.replace(",", "")) for cell in (rows, commas, zeros)] == found, name


def test_the_naive_forecast_is_right_as_often_as_the_chapter_says() -> None:
    table = told("year")
    assert list(table) == [str(year) for year in range(FIRST, LAST)]
    for year, cells in table.items():
        rows = naive(int(year))
        assert cells[:2] == [f"{len(rows):,}", percent(rows["right"].mean())], year
    last = naive(LAST - 1)
    sizes = pd.cut(last["cases"], [-1, 0, 9, 99, 999, 1e9])
    by_cases = last.groupby(sizes, observed=True)["right"].agg(["size", "mean"])
    assert [cells[:2] for cells in told("reported cases").values()] == [
        [f"{rows:,}", percent(right)] for rows, right in by_cases.itertuples(index=False)
    ]


@pytest.mark.parametrize(("heading", "column"), [("state", "state"), ("class", "truth")])
def test_the_naive_forecast_by_group_is_that_of_the_files(heading: str, column: str) -> None:
    right = naive(LAST - 1).groupby(column)["right"].agg(["size", "mean"])
    assert {group: cells[:2] for group, cells in told(heading).items()} == {
        str(group): [f"{rows:,}", percent(share)] for group, rows, share in right.itertuples()
    }


def test_the_model_is_held_against_the_naive_forecast_of_the_same_rows() -> None:
    learnt = 0
    for year, (rows, same_again, _) in told("year asked").items():
        learnt += len(naive(int(year) - 1))
        assert [rows, same_again] == [f"{learnt:,}", percent(naive(int(year))["right"].mean())], year
