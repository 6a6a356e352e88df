"""Decimals, dates and times: from the file into silver, gold and the export, and back from the request log."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.requests.stream import stream
from lakeloop.contract.time_features import seconds_of
from lakeloop.delivered_values import typed_values
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.model_input import as_carried
from tests.lakehouse.request_log import log_file, record
from tests.lakes import OwnLake, own_lake

COLUMNS = ("order", "ordered", "born", "booked", "opened", "price", "amount", "shop", "express", "back")
ORDINARY = {
    "ordered": "24.01.2024 19:37", "born": "17.05.1980", "booked": "2024-07-01 13:45", "opened": "1706708700",
    "price": "19,99", "amount": "3", "shop": "Bonn", "express": "yes", "back": "no",
}  # fmt: skip


def orders_csv(*changes: dict[str, str]) -> str:
    rows = [{"order": f"o{number}"} | ORDINARY | change for number, change in enumerate(changes)]
    return "\n".join([",".join(COLUMNS), *(",".join(f'"{row[name]}"' for name in COLUMNS) for row in rows)]) + "\n"


@pytest.fixture
def orders(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path, "orders")


def silver_of(orders: OwnLake, *changes: dict[str, str]) -> pd.DataFrame:
    orders.deliver("orders", "orders-2024-01.csv", orders_csv(*changes))
    orders.ingest()
    return orders.rows("silver/orders").set_index("order")


def test_each_is_read_as_its_source_writes_it(orders: OwnLake) -> None:
    silver = silver_of(
        orders,
        {},
        {"booked": "2024-07-01T13:45:00.75-05:00", "born": "1.2.1923", "opened": "-1", "price": "99999,0123456789"},
        {"born": "", "booked": " ", "price": "", "amount": "", "shop": ""},
    )
    first = silver.loc["o0"]
    assert (first["born"], first["price"]) == (date(1980, 5, 17), Decimal("19.99"))
    assert first["booked"].isoformat() == "2024-07-01T11:45:00+00:00", "without a zone it is the event time's"
    assert first["ordered"].isoformat() == "2024-01-24T18:37:00+00:00" and first["period"] == "2024-01"
    assert first["opened"].isoformat() == "2024-01-31T13:45:00+00:00"
    second = silver.loc["o1"]
    assert (second["born"], second["price"]) == (date(1923, 2, 1), Decimal("99999.0123456789"))
    assert second["booked"].isoformat() == "2024-07-01T18:45:00.750000+00:00"
    assert second["opened"].isoformat() == "1969-12-31T23:59:59+00:00"
    assert silver.loc["o2", ["born", "booked", "price", "amount", "shop"]].isna().all()


def test_what_is_none_is_told_with_what_it_should_be(orders: OwnLake) -> None:
    bad = [
        ({"born": "1980-05-17"}, "`born` is not written %d.%m.%Y, such as 31.01.2024"),
        ({"born": "31.02.1980"}, "`born` is not written %d.%m.%Y, such as 31.01.2024"),
        ({"born": "17.05.0980"}, "`born` is outside the years 1583 to 9999"),
        ({"booked": "soon"}, "`booked` is not a time in ISO 8601, such as 2024-01-31T13:45:00"),
        ({"opened": ""}, "`opened` is missing"),
        ({"price": "1,2,3"}, "`price` is not a decimal of up to 10 places behind the point"),
        ({"price": "0,12345678901"}, "`price` is not a decimal of up to 10 places behind the point"),
        ({"price": "NaN"}, "`price` is not a decimal of up to 10 places behind the point"),
        ({"price": "-0,01"}, "`price` is outside 0 to 100000 EUR"),
        ({"ordered": "24.01.2024"}, "`ordered` is not written %d.%m.%Y %H:%M, such as 31.01.2024 13:45"),
    ]
    good = [{"price": "0,10000000000000", "express": "1,0"}, {"price": "1e3"}, {"price": " 5 "}]
    silver = silver_of(orders, *(change for change, _ in bad), *good)
    rejects = orders.rejects("orders-2024-01.csv").sort_values("line")
    assert rejects["reason"].tolist() == [reason for _, reason in bad]
    assert silver["price"].tolist() == [Decimal("0.1"), Decimal(1000), Decimal(5)]


def test_the_table_itself_takes_nothing_that_is_not_allowed(orders: OwnLake) -> None:
    silver_of(orders, {})
    table = f"delta.`{orders.table('silver/orders')}`"
    for change in ("price = -0.01", "born = DATE '1582-12-31'", "opened = NULL"):
        with pytest.raises(Exception, match=r"CHECK|NOT NULL|not null"):
            orders.spark.sql(f"UPDATE {table} SET {change}")


def test_an_export_has_seconds_and_floats_and_gold_what_silver_has(orders: OwnLake) -> None:
    gaps = {"born": "", "booked": "", "price": ""}
    silver = silver_of(orders, gaps, *({"opened": str(second)} for second in range(20)))
    manifest = export(orders)
    shards = [manifest.parent / file.path for file in read_manifest(manifest).files]
    found = read_shards(orders.contract, shards).set_index("order").loc[silver.index]
    assert found["opened"].tolist()[1:] == list(range(20)) and found["opened"].dtype == "int64"
    assert found["ordered"].tolist() == [seconds_of(datetime.fromisoformat("2024-01-24T18:37:00+00:00"))] * 21
    assert found["born"].tolist()[1:] == [seconds_of(date(1980, 5, 17))] * 20
    assert found["price"].tolist()[1:] == [19.99] * 20
    assert found.loc["o0", ["born", "booked", "price"]].isna().all()
    gold = orders.rows("gold/training").set_index("order").loc[silver.index]
    features = orders.contract.features
    carried = as_carried(features, gold)
    pd.testing.assert_frame_equal(carried[list(features)], found[list(features)], check_dtype=False)
    month = orders.rows("gold/monthly").iloc[0]
    assert month["price_mean"] == pytest.approx(19.99) and not {"born_mean", "ordered_mean"} & set(month.index)


def test_a_request_comes_back_from_the_log_as_it_was_asked(orders: OwnLake) -> None:
    features: dict[str, Any] = {
        "ordered": "2024-01-24T18:37:00+00:00", "born": "1980-05-17", "booked": "2024-07-01T11:45:00.750000+00:00",
        "opened": "2024-01-31T13:45:00+00:00", "price": "1234.5000000001", "amount": 3, "shop": "Bonn", "express": True,
    }  # fmt: skip
    answer = {"prediction": "kept", "class_id": 0, "probabilities": [0.6, 0.4], "at": "2024-01-24T18:37:00+00:00"}
    gaps = features | {"born": None, "booked": None, "price": None}
    line = record("r", None, **answer)
    asked = (features, gaps, features | {"born": "17.05.1980"})
    log_file(orders, "g-1-00000001", [_line(line, number, row) for number, row in enumerate(asked)])
    report = stream(orders)
    assert (report.inserted, report.rejected) == (2, 1)
    rows = orders.rows("silver/predictions").set_index("request_id")
    assert rows.loc["r0", "born"] == date(1980, 5, 17) and rows.loc["r0", "price"] == Decimal("1234.5000000001")
    assert rows.loc["r0", "booked"].isoformat() == "2024-07-01T11:45:00.750000+00:00"
    assert (
        rows.loc["r0", "ordered"].isoformat() == "2024-01-24T18:37:00+00:00" and rows.loc["r0", "period"] == "2024-01"
    )
    assert rows.loc["r1", ["born", "booked", "price"]].isna().all()
    assert report.reasons[0][0].startswith("`born` is not a date, such as 2024-01-31")


def _line(record_line: str, number: int, features: dict[str, Any]) -> str:
    changed = {"request_id": f"r{number}", "key": f"o{number}", "features": features}
    return json.dumps(json.loads(record_line) | changed) + "\n"


def test_a_history_is_typed_as_the_lake_types_it(orders: OwnLake) -> None:
    contract = orders.contract
    silver = silver_of(orders, {}, {"born": "", "price": "", "booked": "2024-10-27 02:30:00"})
    carried = as_carried(contract.features, silver)
    texts = {
        "born": ["17.05.1980", None],
        "booked": ["2024-07-01 13:45", "2024-10-27 02:30:00"],
        "price": ["19,99", ""],
    }
    for name, values in texts.items():
        spelling = contract.sources["orders"].read.spelling(name)
        found = typed_values(pd.Series(values, dtype=object), contract.features[name], spelling, "Europe/Berlin")
        assert found.fillna(-1).tolist() == carried[name].fillna(-1).tolist(), name
