"""Files of every kind, from the landing folder to gold, each as a contract says that its files are written."""

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lakeloop.contract import Source
from tests.lakes import OwnLake, own_lake

pytestmark = pytest.mark.long

ROWS = [("c1", "2024-01", "basic", "10.5", "no"), ("c2", "2024-01", "pro, annual", "20", "yes"),
        ("c3", "2024-02", "plus", "1200.25", "no")]  # fmt: skip
NAMES = ("customer", "period", "plan", "usage", "left")
SILVER = [("c1", "2024-01", "basic", 10.5, "no"), ("c2", "2024-01", "pro, annual", 20.0, "yes")]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


@pytest.fixture
def churn_lake(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path, "churn")


def written(lake: OwnLake, **words: Any) -> OwnLake:
    """The lake with a contract that says so of its files."""
    customers = Source(**{"description": "customers", "files": "**/*", "columns": NAMES, **words})
    return replace(lake, contract=lake.contract.model_copy(update={"sources": {"customers": customers}}))


def csv(separator: str = ",", quote: str = '"', names: tuple[str, ...] = NAMES, rows: Any = ROWS) -> str:
    def line(fields: tuple[str, ...]) -> str:
        return separator.join(f"{quote}{field}{quote}" if separator in field else field for field in fields) + "\n"

    return "".join(map(line, [names, *rows] if names else rows))


def parquet(records: list[dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), made)
    return made.getvalue()


TYPED = [record | {"usage": float(record["usage"])} for record in RECORDS]
OFFICE = "Customers;;;;;\nby period;;;;;\n" + csv(
    ";", names=(), rows=[(key, period, "", plan, usage.replace("1200.25", "1.200,25").replace(".5", ",5"), left)
                         for key, period, plan, usage, left in ROWS]
)  # fmt: skip
OFFICE_WORDS: dict[str, Any] = {
    "columns": {"customer": 1, "period": 2, "plan": 4, "usage": 5, "left": 6},
    "read": {"encoding": "latin-1", "separator": ";", "skip_lines": 2, "header": False, "decimal": ",",
             "thousands": ".", "missing": (".",)},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.csv.gz", gzip.compress(csv().encode()), {}),
        ("2024/01/rows.csv", csv().encode("utf-16"), {"read": {"encoding": "utf-16"}}),
        ("rows.txt", OFFICE.encode("latin-1"), OFFICE_WORDS),
        ("rows.csv", csv(quote="'").encode(), {"read": {"quote": "'"}}),
        ("rows.tsv", csv("\t").encode(), {"separator": "\t", "files": "*.tsv"}),
        ("rows.jsonl", "\n".join(map(json.dumps, RECORDS)).encode(), {}),
        ("a.json", json.dumps({"data": {"a": TYPED}}).encode(), {"format": "json", "read": {"records": "data.a"}}),
        ("part-0.parquet", parquet(TYPED), {"format": "parquet"}),
        (
            "rows.csv",
            csv(names=("left", "Tarif \u00e4", "Usage (h)", "Customer No", "x", "period"),
                rows=[(left, plan, usage, key, "1", period) for key, period, plan, usage, left in ROWS]).encode(),
            {"columns": {"customer": "Customer No", "period": None, "plan": ("plan", "Tarif \u00e4"),
                         "usage": "Usage (h)", "left": None}},
        ),
    ],
)  # fmt: skip
def test_a_file_of_any_kind_becomes_the_same_rows(
    churn_lake: OwnLake, name: str, content: bytes, words: dict[str, Any]
) -> None:
    lake = written(churn_lake, **words)
    lake.deliver("customers", name, content)
    report = lake.ingest().sources[0]
    assert (report.taken, report.refused, report.bronze_rows) == ((name,), (), 3)
    silver = lake.rows("silver/customers").sort_values("customer")
    assert list(silver[list(NAMES)].itertuples(index=False, name=None)) == SILVER
    assert set(silver["_source_file"]) == {name}
    (rejected,) = lake.rows("silver/rejects").to_dict("records")
    assert rejected["reason"] == "`usage` is outside 0 to 744 h" and rejected["key"] == "c3"
    bronze = lake.rows("bronze/customers").set_index("customer")
    shown = "1.200,25" if words is OFFICE_WORDS else "1200.25"
    assert bronze.loc["c3", "usage"] == shown and f"usage = '{shown}'" == rejected["value"]
    assert len(lake.rows("gold/training")) == 2
    again = lake.ingest()
    assert not again.changed and again.sources[0].known == 1


def test_a_file_that_cannot_be_read_is_refused_and_the_others_go_on(churn_lake: OwnLake) -> None:
    lake = written(churn_lake)
    good = {"a.csv": csv(rows=ROWS[:1]).encode(), "b.jsonl": json.dumps(RECORDS[1]).encode() + b"\n7\n"}
    bad = {
        "north/broken.csv.gz": gzip.compress(csv().encode())[:-9],
        "cut.parquet": parquet(TYPED)[:-20],
        "no.json": b'{"customer": "c1"',
        "latin.csv": csv(names=("kund\u00e4", *NAMES)).encode("latin-1"),
    }
    for name, content in (good | bad).items():
        lake.deliver("customers", name, content)
    report = lake.ingest().sources[0]
    assert set(report.taken) == set(good)
    assert sorted(sentence.split(": ")[0] for sentence in report.refused) == sorted(f"customers/{name}" for name in bad)
    assert sorted(lake.rows("silver/customers")["customer"]) == ["c1", "c2"]
    assert report.reasons == (("the line is a number, not an object", 1),)
    (rejected,) = lake.rows("silver/rejects").to_dict("records")
    assert (rejected["file"], rejected["line"], rejected["raw"]) == ("b.jsonl", 2, "7")


def test_files_that_no_month_is_said_of_may_hold_many_and_other_columns_are_told_once(churn_lake: OwnLake) -> None:
    lake = written(churn_lake, files="**/rows-*.csv")
    for number, row in enumerate(ROWS):
        names = (*NAMES, "note", f"x{number}")
        lake.deliver("customers", f"{number}/rows-a.csv", csv(names=names, rows=[(*row, "n", "1")]))
    report = lake.ingest().sources[0]
    assert report.notices == (
        "0/rows-a.csv, 1/rows-a.csv, 2/rows-a.csv: columns `note`, `x0`, `x1`, `x2` not in the contract; kept in "
        "bronze (`_extra`), used nowhere",
    )
    extra = lake.rows("bronze/customers").set_index("_source_file")["_extra"]
    assert json.loads(extra["2/rows-a.csv"]) == {"note": "n", "x2": "1"}
    assert "note" not in lake.rows("silver/customers").columns


def test_a_file_may_lack_a_column_without_which_a_row_is_good_and_that_is_told(churn_lake: OwnLake) -> None:
    usage = churn_lake.contract.features["usage"].model_copy(update={"missing": "median"})
    features = churn_lake.contract.features | {"usage": usage}
    lake = written(replace(churn_lake, contract=churn_lake.contract.model_copy(update={"features": features})))
    names = tuple(name for name in NAMES if name != "usage")
    rows = [(*row[:3], row[4]) for row in ROWS]
    lake.deliver("customers", "plain.csv", csv(names=names, rows=rows[:1]))
    lake.deliver("customers", "quoted.csv", csv(names=names, rows=[("c2", "2024-01", 'pro, "annual', "no"), rows[2]]))
    report = lake.ingest().sources[0]
    assert report.notices == (
        "plain.csv, quoted.csv: lacks column `usage`: no row of it has a value there, as the contract allows",
    )
    silver = lake.rows("silver/customers").set_index("customer")["usage"]
    assert sorted(silver.index) == ["c1", "c3"] and silver.isna().all()


def test_another_way_to_write_numbers_makes_silver_anew_from_bronze(churn_lake: OwnLake) -> None:
    usual = written(churn_lake)
    usual.deliver("customers", "rows.csv", csv(";", rows=[("c1", "2024-01", "basic", "10,5", "no")]).replace(";", "\t"))
    tabs = written(churn_lake, separator="\t")
    assert tabs.ingest().sources[0].rejected == 1
    comma = written(churn_lake, separator="\t", read={"decimal": ","})
    comma.ingest()
    assert list(comma.rows("silver/customers")["usage"]) == [10.5]
