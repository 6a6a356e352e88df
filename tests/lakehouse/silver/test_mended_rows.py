"""Texts that are meant otherwise than they were delivered: the same for Spark, which makes silver, and in memory."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.silver.mended_rows import mended_rows
from lakeloop.mended_texts import mended_frame
from tests.towns import PEOPLE_2014, REPORTS_2014, REPORTS_2015, towns_case, towns_lake

NAMES = ["year", "town", "offence", "cases", "solved", "rate"]
ROWS = [
    ("1001", "theft", "9,000", "-", "1.5"), (" 1001 ", "fraud", "1", "1", "1"), ("11001", "theft", "1", "", None),
    ("3152", "theft", "1,600", "2", "5"), ("3156", "theft", "300.5", "-", "5"), ("03159", "theft", "1", "1", "-"),
    ("3152", "fraud", "x", "2", "5"), ("3156", "fraud", "3", "4", "6"), ("03152", "fraud", "3", "4", "6"),
    ("3152", "fraud", "8", "8", "8"), ("DG", "3", "7", "7", "7"), ("town", "total!", "7", "7", "7"),
    (None, "theft", "5", "5", "5"), ("1002", None, "5", "5", "5"), ("1003", "", "5", "5", "5"),
]  # fmt: skip
MEANT = [
    ("01001", "theft", "9,000", "-", "1.5"), ("01001", "fraud", "1", "1", "1"), ("11001", "theft", "1", "", None),
    ("03159", "theft", "1901.5", "3", "5"), ("03159", "fraud", "x", "10", None), ("03159", "fraud", "8", "8", "8"),
    (None, "theft", "5", "5", "5"), ("01002", None, "5", "5", "5"), ("01003", "", "5", "5", "5"),
]  # fmt: skip


def test_spark_and_memory_mend_alike(spark: SparkSession, tmp_path: Path) -> None:
    contract = towns_case(tmp_path).contract
    texts: list[tuple[Any, ...]] = [("2014", *row) for row in ROWS]
    frame = pd.DataFrame(texts, columns=NAMES, dtype=object)
    meant = mended_frame(contract, "reports", frame.assign(_key=None).drop(columns="_key").assign(**_key(frame)))
    in_memory = [tuple(None if pd.isna(v) else v for v in row) for row in meant[NAMES[1:]].itertuples(index=False)]
    assert in_memory == MEANT
    origin = "_flaw string, _delivery long, _line long"
    schema = ", ".join([*(f"{name} string" for name in [*NAMES, "row_key"]), origin])
    keyed = frame.assign(**_key(frame))
    rows = [(*row, None, 1, line) for line, row in enumerate(keyed.itertuples(index=False, name=None), 2)]
    rows.append((*[None] * 7, "the line has 1 field", 1, 99))
    found = mended_rows(spark.createDataFrame(rows, schema), contract, "reports").orderBy("_line").collect()
    assert [tuple(row[name] for name in NAMES[1:]) for row in found if row["_flaw"] is None] == MEANT
    assert [row["_line"] for row in found if row["_flaw"]] == [99], "a line that could not be split is looked at later"


def _key(frame: pd.DataFrame) -> dict[str, list[str | None]]:
    """As bronze makes it."""
    made = list[str | None]()
    for town, offence in frame[["town", "offence"]].itertuples(index=False):
        bare = None if town is None else town.strip().zfill(5) if town.strip().isdigit() else town
        meant = "03159" if bare in ("03152", "03156") else bare
        made.append(None if meant is None or offence is None else f"{meant}|{offence}|2014")
    return {"row_key": made}


@pytest.mark.long
def test_an_office_s_years_become_rows_of_the_towns_there_are_now(spark: SparkSession, tmp_path: Path) -> None:
    lake = towns_lake(spark, tmp_path)
    lake.deliver("reports", "reports-2014.csv", REPORTS_2014.encode("latin-1"))
    lake.deliver("reports", "reports-2015.csv", REPORTS_2015.encode("latin-1"))
    lake.deliver("people", "people-2014.csv", PEOPLE_2014.encode("latin-1"))
    report = lake.ingest()
    assert not report.refused
    silver = lake.rows("silver/reports").set_index(["town", "offence", "year"]).sort_index()
    assert set(silver.index) == {
        ("01001", "theft", "2014"), ("03159", "theft", "2014"), ("03159", "fraud", "2014"), ("01001", "theft", "2015"),
    }  # fmt: skip
    both = silver.loc[("03159", "theft", "2014")]
    assert (both["cases"], both["solved"], both["people"]) == (900, 300, 250) and pd.isna(both["rate"])
    assert silver.loc[("01001", "theft", "2015"), "cases"] == 1900
    assert silver.loc[("01001", "theft", "2015"), "people"] == 90, "the newest that is known"
    fraud = silver.loc[("03159", "fraud", "2014")]
    assert (fraud["cases"], fraud["solved"], fraud["rate"]) == (8, 1, 9)
    rejected = lake.rows("silver/rejects")
    assert set(rejected["reason"]) == {
        "`cases` is not an int",
        "`town` and `offence` and `year` stand together earlier in the same file; the first row is kept",
    }
    assert set(lake.rows("silver/people")["town"]) == {"02000", "01001", "03159"}
    bronze = lake.rows("bronze/reports")
    assert {"3152", "3156", "1001"} <= set(bronze["town"].dropna()), "as delivered"
    told = lake.rows("silver/mended").astype(object).where(lambda frame: frame.notna(), None)
    names = ["file", "column", "mended", "rows", "delivered", "meant"]
    assert set(told[names].itertuples(index=False, name=None)) == MENDED
    assert not lake.ingest().changed


def of_file(file: str, *rows: tuple[str, str, int, str, str | None]) -> set[tuple[str, str, str, int, str, str | None]]:
    return {(file, *row) for row in rows}


MENDED = (
    of_file(
        "reports-2014.csv",
        ("year", "the file's name says it", 7, "reports-2014.csv", "2014"),
        ("town", "zeros in front put back", 7, "1001", "01001"),
        ("town", "the text stands for another", 5, "03152", "03159"),
        ("", "rows became one", 5, "3152", "03159"),
        ("solved", "the text means no value", 1, "-", None),
        ("rate", "the text means no value", 1, "-", None),
    )
    | of_file(
        "reports-2015.csv",
        ("town", "the column has another name", 3, "town code", "Town"),
        ("offence", "the column has another name", 3, "offence code", "Offence"),
        ("cases", "the column has another name", 3, "number of cases", "Cases"),
        ("offence", "the line is no row", 1, "1", None),
        ("year", "the file's name says it", 2, "reports-2015.csv", "2015"),
        ("town", "zeros in front put back", 2, "1001", "01001"),
        ("cases", "the number is written with marks between thousands", 1, "1,900", "1900"),
        ("solved", "the number is written with marks between thousands", 1, "1,500", "1500"),
    )
    | of_file(
        "people-2014.csv",
        ("town", "the line is no row", 1, "DG", None),
        ("town", "the text stands for another", 3, "02", "02000"),
        ("", "rows became one", 3, "03152", "03159"),
        ("people", "the text means no value", 2, "-", None),
    )
)
