"""What a contract can say of its files, and which of it fits together."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from lakeloop.contract import Source
from lakeloop.contract.elsewhere import duration


def source(**words: Any) -> Source:
    return Source(**{"description": "rows", "files": "rows.csv", "columns": ("key", "size"), **words})


def problem(**words: Any) -> str:
    with pytest.raises(ValidationError) as found:
        source(**words)
    return str(found.value)


def test_a_column_may_stand_in_the_name_of_the_file_alone() -> None:
    dated = source(files="rows-{year}.csv", columns={"key": None, "size": ("size", "count"), "year": "{year}"})
    assert (dated.in_file_names, dated.in_files) == (("year",), ("key", "size"))


def test_what_is_left_out_is_as_in_a_usual_csv_file() -> None:
    usual = source()
    assert (usual.separator, usual.read.encoding, usual.read.quote, usual.read.header) == (",", "utf-8", '"', True)
    assert usual.format_of("rows.csv") == "csv" and usual.read.typing == {}


def test_the_separator_may_stand_beside_the_files_or_in_read() -> None:
    assert source(separator=";").separator == source(read={"separator": ";"}).separator == ";"
    assert "keep the one in `read`" in problem(separator=";", read={"separator": ","})
    assert "take one such as" in problem(read={"separator": "."})


def test_columns_may_have_other_names_in_the_files() -> None:
    named = source(columns={"key": None, "size": "Fare Amount", "area": ("Gemeindeschl\u00fcssel", "Kreis ")})
    assert named.columns == ("key", "size", "area")
    assert [named.delivered(name) for name in named.columns] == [
        ("key",), ("Fare Amount",), ("Gemeindeschl\u00fcssel", "Kreis"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        {"read": {"separator": ";", "missing": ("NA",)}},
        {"columns": {"key": None, "size": ("Fare", "Price")}},
        {"columns": {"key": 4, "size": 1}, "read": {"header": False}},
        {"files": "**/*", "format": "json", "read": {"records": "data"}},
        {"files": "*.parquet", "delta": "/data/rows"},
        {"fetch": {"every": "1 day"}},
        {"files": "{year}.csv", "columns": {"key": 4, "size": "{year}"}, "read": {"header": False, "until": "__"}},
        {
            "read": {"skip_lines": "any", "rows": {"size": "[0-9]+"}, "columns": {"key": {"replaced": {"1": "2"}}}},
            "summed": ("size",),
        },
    ],
)
def test_a_source_is_read_back_from_its_own_json(words: dict[str, Any]) -> None:
    given = source(**words)
    back = Source.model_validate_json(given.model_dump_json())
    assert back == given
    assert [back.delivered(name) for name in back.columns] == [given.delivered(name) for name in given.columns]


def test_without_a_header_columns_stand_in_order_or_at_a_position() -> None:
    in_order = source(read={"header": False})
    assert [in_order.delivered(name) for name in in_order.columns] == [("column_1",), ("column_2",)]
    placed = source(read={"header": False}, columns={"key": 2, "size": 5})
    assert [placed.delivered(name) for name in placed.columns] == [("column_2",), ("column_5",)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"columns": {"key": "A", "size": "A"}}, "'A' for two columns"),
        ({"columns": {"key": "A", "size": 3}}, "write the name or names"),
        ({"columns": {"key": "A", "size": ()}}, "write the name or names"),
        ({"columns": {"key": "A", "size": 2}, "read": {"header": False}}, "say the position of each"),
        ({"columns": {"key": 0, "size": 2}, "read": {"header": False}}, "say the position of each"),
        ({"columns": {"Key": "A", "size": "B"}}, "string_pattern_mismatch"),
        ({"read": {"encoding": "latin-99"}}, "no encoding that Python knows"),
        ({"read": {"encoding": "base64"}}, "no encoding that Python knows"),
        ({"read": {"decimal": "1"}}, "which numbers are made of"),
        ({"read": {"decimal": ",", "thousands": ","}}, "could be read in two ways"),
        ({"read": {"decimal": ",", "quote": ""}}, "nothing is quoted"),
        ({"read": {"quote": "x"}}, "`quote` is 'x'"),
        ({"read": {"quote": "'", "escape": "'"}}, "leave it out where a quote inside a text is doubled"),
        ({"read": {"quote": ";", "separator": ";"}}, "`separator` is ';'"),
        ({"read": {"comment": '"'}}, "that no row begins with"),
        ({"read": {"skip_lines": -1}}, "greater than or equal to 0"),
        ({"read": {"records": "data"}}, "`records` says how json files are written, and these are csv"),
        ({"files": "rows.jsonl", "read": {"comment": "#"}}, "`comment` says how csv files are written"),
        ({"files": "rows.json", "separator": ";"}, "`separator` says how csv files are written"),
        ({"format": "parquet", "read": {"encoding": "latin-1"}}, "and these are parquet"),
        ({"read": {"columns": {"size": {"unit": "5 $"}}}}, "the text that stands beside the numbers"),
        ({"read": {"columns": {"price": {"unit": "$"}}}}, "names price, and the source has no such column"),
        ({"read": {"rows": {"size": "[0-9"}}}, "which is no regular expression"),
        ({"read": {"rows": {"price": "[0-9]"}}}, "`read.rows` names price, and the source has no such column"),
        ({"read": {"columns": {"key": {"replaced": {"1": "2", "2": "3"}}}}}, "has '2' on both sides"),
        ({"read": {"skip_lines": "any", "header": False}}, "which needs a header to look for"),
        ({"summed": ("size",)}, "no column has `replaced`"),
        ({"columns": {"key": None, "size": "{year}"}}, "what the file's name says, and `files` is 'rows.csv'"),
        ({"format": "xlsx"}, "'csv', 'jsonl', 'json' or 'parquet'"),
        ({"files": "rows-{month}-{month}.csv"}, "write the period once"),
        ({"delta": "/data/rows"}, "and `delta` has none; leave them out"),
        ({"topic": "rows"}, "and `topic` has none; leave them out"),
        ({"files": "*.parquet", "delta": "/data/rows", "fetch": {}}, "keep one of `fetch`, `delta`"),
        ({"files": "*.jsonl", "topic": "rows", "delta": "/data/rows"}, "keep one of `delta`, `topic`"),
        ({"files": "*.jsonl", "topic": {"name": "no name"}}, "name"),
        ({"files": "*.parquet", "delta": "/data/rows", "read": {"decimal": ","}}, "and these are parquet"),
        ({"fetch": {"command": "fetch.sh"}}, "string_pattern_mismatch"),
        ({"fetch": {"every": "often"}}, "write a time such as 15 minutes"),
        ({"fetch": {"timeout": "0 minutes"}}, "write a time such as 15 minutes"),
    ],
)
def test_what_does_not_fit_together_is_a_mistake(words: dict[str, Any], expected: str) -> None:
    assert expected in problem(**words)


def test_without_a_pattern_every_file_with_an_ending_of_the_format_is_meant() -> None:
    known = source(files="**/*", format="parquet")
    assert known.file_pattern.match("2023/part-0.parquet") and not known.file_pattern.match("part-0.csv")
    assert known.files_in_words == "*.parquet, *.pq"
    any_format = source(files="**/*")
    assert [any_format.format_of(name) for name in ("a.tsv.gz", "b/c.ndjson")] == ["csv", "jsonl"]
    assert any_format.file_pattern.match(any_format.file_name("2023-01"))


def test_the_period_of_a_file_is_of_the_kind_that_its_name_says() -> None:
    assert source(files="{date:%Y%m%d}.csv").period_of_file("20230131.csv") == "2023-01-31"
    assert source(files="{month}.csv").period_of_file("2023-01.csv") == "2023-01"
    assert source(files="{year}.csv").period_of_file("2023.csv") == "2023"
    assert source(files="rows.csv").period_of_file("rows.csv") == ""


def test_a_table_of_somebody_else_is_delivered_as_parquet_and_a_function_as_the_files_say() -> None:
    table = Source(**{"description": "rows", "columns": ("key", "size"), "delta": "s3://bucket/rows"})
    assert table.delta is not None and (table.delta.path, table.delta.every) == ("s3://bucket/rows", "5 minutes")
    assert table.format_of("version-3.parquet") == "parquet" and table.file_pattern.match("version-3.v2.parquet")
    fetched = source(fetch={"every": "90 minutes"})
    assert fetched.fetch is not None and fetched.fetch.command == "fetch.py"
    assert duration(fetched.fetch.every) == timedelta(hours=1.5)
