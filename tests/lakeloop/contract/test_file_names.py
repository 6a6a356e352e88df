"""Which names a pattern of files stands for, and which period they say."""

import pytest

from lakeloop.contract.file_names import FileNames, corrected_name, format_by_ending


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("rows.csv", "rows.csv"),
        ("rows.csv", "rows.v2.csv"),
        ("rows-*.csv.gz", "rows-north-1.csv.gz"),
        ("rows-*.csv.gz", "rows-north.v2.csv.gz"),
        ("rows-?.csv", "rows-1.csv"),
        ("rows-[ab].csv", "rows-b.csv"),
        ("rows-[!ab].csv", "rows-c.csv"),
        ("**/rows-*.csv", "rows-1.csv"),
        ("**/rows-*.csv", "2023/05/rows-1.csv"),
        ("north/*.csv", "north/1.csv"),
        ("*Kreise*{year}*.csv", "2-Kreise (Stand) 2022 v1.csv"),
        ("rows-{date:%Y%m%d}.csv", "rows-20230131.csv"),
        ("{date:%Y/%m}/rows-*.csv".replace("date", "month"), "2023/05/rows-1.csv"),
    ],
)
def test_a_name_is_recognised(pattern: str, name: str) -> None:
    assert FileNames(pattern).problem == ""
    assert FileNames(pattern).regex.match(name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("rows.csv", "rowsxcsv"),
        ("rows.csv", "rows.csv.gz"),
        ("rows-*.csv", "2023/rows-1.csv"),
        ("rows-*.csv", "rows-1.csv\n"),
        ("rows-?.csv", "rows-10.csv"),
        ("rows-[ab].csv", "rows-c.csv"),
        ("rows-[!ab].csv", "rows-/.csv"),
        ("north/*.csv", "south/1.csv"),
        ("rows-{date:%Y%m%d}.csv", "rows-2023-01-31.csv"),
        ("rows-{month}.csv", "rows-\u0662\u0660\u0662\u0663-01.csv"),
    ],
)
def test_another_name_is_not(pattern: str, name: str) -> None:
    assert not FileNames(pattern).regex.match(name)


@pytest.mark.parametrize(
    ("pattern", "name", "period"),
    [
        ("rows-{month}.csv", "rows-2023-01.v2.csv", "2023-01"),
        ("rows-{year}.csv", "rows-2022.csv", "2022"),
        ("rows-{quarter}.csv", "rows-2023-Q2.csv", "2023-Q2"),
        ("rows-{quarter:%q_%Y}.csv", "rows-2_2023.csv", "2023-Q2"),
        ("rows-{week}.csv", "rows-2020-W53.csv", "2020-W53"),
        ("rows-{week:%Y%m%d}.csv", "rows-20240101.csv", "2024-W01"),
        ("rows-{date:%d.%m.%Y}.csv", "rows-31.01.2023.csv", "2023-01-31"),
        ("rows-{date:%Y%j}.csv", "rows-2024060.csv", "2024-02-29"),
        ("rows-{hour:%Y%m%d_%H%M}.csv", "rows-20230131_0500.csv", "2023-01-31T05"),
        ("rows-*.csv", "rows-2023-01.csv", ""),
        ("rows-{month}.csv", "other-2023-01.csv", ""),
    ],
)
def test_a_name_says_its_period_in_the_usual_form(pattern: str, name: str, period: str) -> None:
    assert FileNames(pattern).period(name) == period


@pytest.mark.parametrize(
    ("pattern", "name", "impossible"),
    [
        ("rows-{month}.csv", "rows-2023-13.csv", "2023-13"),
        ("rows-{date:%Y%m%d}.csv", "rows-20230231.csv", "20230231"),
        ("rows-{week}.csv", "rows-2023-W53.csv", "2023-W53"),
        ("rows-{date:%Y%j}.csv", "rows-2023366.csv", "2023366"),
        ("rows-{month}.csv", "rows-2023-12.csv", ""),
        ("rows-{month}.csv", "notes.txt", ""),
    ],
)
def test_a_period_that_the_calendar_lacks_is_told(pattern: str, name: str, impossible: str) -> None:
    assert FileNames(pattern).impossible_period(name) == impossible


@pytest.mark.parametrize(
    "pattern",
    ["rows-{month}.csv", "rows.csv", "rows-*.csv.gz", "**/rows-[ab]?.jsonl", "{hour:%Y%m%d%H}.parquet", "x[!0x]*.csv",
     "north/rows-{date}.csv", "*"],
)  # fmt: skip
def test_every_pattern_has_a_name_for_a_period(pattern: str) -> None:
    names = FileNames(pattern)
    made = [names.name(period) for period in ("2023-01", "2023-02", "2024-W05")]
    assert len(set(made)) == 3
    assert all(names.regex.match(name) for name in made)


def test_a_correction_is_known_by_what_its_name_has_more() -> None:
    names = FileNames("rows-{month}.csv")
    assert not names.is_correction("rows-2023-01.csv")
    assert names.is_correction("rows-2023-01.again.csv") and names.is_correction("rows-2023-01.v2.csv")
    free = FileNames("rows-*.csv.gz")
    assert not free.is_correction("rows-north.csv.gz") and free.is_correction("rows-north.v2.csv.gz")


@pytest.mark.parametrize(
    ("name", "corrected"),
    [
        ("rows.csv", "rows.v2.csv"),
        ("2023/rows.csv.gz", "2023/rows.v2.csv.gz"),
        ("a.b/rows", "a.b/rows.v2"),
        ("rows.v2.csv", "rows.v3.csv"),
        ("rows.v9.csv.gz", "rows.v10.csv.gz"),
    ],
)
def test_a_correction_s_name_is_proposed(name: str, corrected: str) -> None:
    assert corrected_name(name) == corrected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("rows-{month}-{year}.csv", "write the period once"),
        ("rows-{decade}.csv", "{decade} is no period; there are {year}, {quarter}, {month}"),
        ("rows-{month:%B}.csv", "%B is not known"),
        ("rows-{date:%Y-%m}.csv", "a date is written with %Y %m %d or %Y %j"),
        ("rows-{month.csv", "stand for themselves nowhere"),
        ("/rows.csv", "a folder needs a name"),
        ("../rows.csv", "begin with a dot"),
        (".rows.csv", "begin with a dot"),
        ("rows.part", "end in .part are not looked at"),
        ("r" * 201, "200 characters"),
    ],
)
def test_a_pattern_that_could_match_nothing_is_explained(pattern: str, problem: str) -> None:
    assert problem in FileNames(pattern).problem


def test_periods_of_every_kind_begin_at_a_moment() -> None:
    named = {
        "2023": "20230101", "2023-Q3": "20230701", "2023-05": "20230501", "2021-W01": "20210104",
        "2023-05-06": "20230506", "2023-05-06T07": "20230506",
    }  # fmt: skip
    assert {name: FileNames("{date:%Y%m%d}.csv").name(name) for name in named} == {
        n: f"{d}.csv" for n, d in named.items()
    }


def test_an_ending_says_the_format_compressed_or_not() -> None:
    endings = {"a.csv": "csv", "a.TXT": "csv", "a.ndjson.gz": "jsonl", "a.json.zst": "json", "a.parquet": "parquet"}
    assert {name: format_by_ending(name) for name in endings} == endings
    assert [format_by_ending(name) for name in ("a.gz", "a", "a.xlsx", ".csv")] == ["", "", "", ""]
