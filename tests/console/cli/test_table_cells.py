"""Values of tables as people and other programs read them."""

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
from rich.text import Text

from console.cli.table_cells import number_columns, rows_as_csv, shown_rows

NOON = datetime(2026, 1, 2, 12, 0, 0, 250, UTC)
ROWS = pa.table(
    {
        "name": ["a;b", ""],
        "n": pa.array([1, None], pa.int64()),
        "share": [0.1, float("nan")],
        "at": pa.array([NOON, None], pa.timestamp("us", "UTC")),
        "yes": [True, False],
        "parts": pa.array(
            [[{"name": "ä", "at": NOON}], []],
            pa.list_(pa.struct({"name": pa.string(), "at": pa.timestamp("us", "UTC")})),
        ),
        "by_class": pa.array([[("low", 0.5), ("high", 0.5)], None], pa.map_(pa.string(), pa.float64())),
    }
)


def test_nested_values_are_json_times_utc_and_a_missing_one_is_no_empty_text() -> None:
    first, second = shown_rows(ROWS)
    assert first[:5] == ["a;b", "1", 0.1, "2026-01-02 12:00:00.000250", "True"]
    assert json.loads(str(first[5])) == [{"name": "ä", "at": "2026-01-02 12:00:00.000250+00:00"}]
    assert json.loads(str(first[6])) == {"low": 0.5, "high": 0.5}
    assert second[0] == "" and second[5] == "[]"
    assert [second[place] for place in (1, 3, 6)] == [Text("null", "dim")] * 3
    assert number_columns(ROWS) == ["n", "share"]


def test_csv_keeps_every_digit_and_the_types_of_whole_numbers() -> None:
    first, second = csv.DictReader(io.StringIO(rows_as_csv(ROWS)))
    assert first["share"] == "0.1" and first["n"] == "1" and first["name"] == "a;b"
    assert json.loads(first["by_class"]) == {"low": 0.5, "high": 0.5}
    assert (second["n"], second["at"], second["name"], second["yes"]) == ("", "", "", "False")


def test_a_time_after_python_s_last_year_is_shown() -> None:
    far = pa.array([253_402_300_800_000_000, 0], pa.int64()).cast(pa.timestamp("us", "UTC"))
    assert [row[0] for row in shown_rows(pa.table({"at": far}))] == [
        "10000-01-01 00:00:00.000000Z", "1970-01-01 00:00:00.000000Z"
    ]  # fmt: skip


def test_a_table_without_rows_is_its_header() -> None:
    assert rows_as_csv(ROWS.slice(0, 0)) == ",".join(ROWS.column_names) + "\n"
    assert shown_rows(ROWS.slice(0, 0)) == []
