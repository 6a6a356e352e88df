"""Decimals, dates and times in requests: how they are read, kept, told the model and shown on the page."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from lakeloop.contract import Contract
from lakeloop.contract.time_features import seconds_of
from lakeloop.contract_file import load_contract
from lakeloop.fallback import load_rules, why_not_ask
from lakeloop.model_input import instance, predict_body
from lakeloop.request_record import in_json
from lakeloop.use_case import UseCase
from serving.exceptions import RefusedRequestError
from serving.gateway.page.render import render_page
from serving.gateway.request_model import RequestModel
from tests.exports import settings_in
from tests.use_case_copies import USE_CASES

WHOLE: dict[str, Any] = {
    "ordered": "2024-01-24T19:37:00", "born": "1980-05-17", "booked": "2024-07-01T13:45:00.5-05:00",
    "opened": "2024-01-31 13:45:00Z", "price": "19.99", "amount": 3, "shop": "Bonn", "express": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def orders() -> Contract:
    return load_contract(USE_CASES["orders"] / "orders" / "contract.yaml")


def read(contract: Contract, request: dict[str, Any]) -> dict[str, Any]:
    return RequestModel(contract).read_one(json.dumps(request).encode()).features


def test_each_is_read_from_iso_text_and_a_decimal_from_a_number_too(orders: Contract) -> None:
    row = read(orders, WHOLE)
    assert row["born"] == date(1980, 5, 17) and row["price"] == Decimal("19.99")
    assert row["ordered"] == datetime(2024, 1, 24, 18, 37, tzinfo=UTC), "without a zone it is the use case's"
    assert row["booked"] == datetime(2024, 7, 1, 18, 45, 0, 500_000, UTC)
    assert read(orders, WHOLE | {"price": 19.99})["price"] == Decimal("19.99")
    assert read(orders, WHOLE | {"price": 20})["price"] == 20
    gaps = {"born": None, "booked": "", "price": None}
    assert read(orders, WHOLE | gaps) == row | dict.fromkeys(gaps)


def test_a_request_that_does_not_say_when_happened_at_its_event_time_and_the_other_way_round(orders: Contract) -> None:
    requests = RequestModel(orders)
    without = {name: value for name, value in WHOLE.items() if name != "ordered"}
    at = requests.read_one(json.dumps(without | {"at": "2024-02-01T00:00:00Z"}).encode())
    assert at.features["ordered"] == datetime(2024, 2, 1, tzinfo=UTC) and list(at.features) == list(orders.features)
    now = requests.read_one(json.dumps(without).encode())
    assert now.features["ordered"].isoformat() == now.at
    in_march = RequestModel(orders, lambda: datetime(2024, 3, 1, tzinfo=UTC)).read_one(json.dumps(without).encode())
    assert in_march.at == "2024-03-01T00:00:00+00:00"
    assert requests.read_one(json.dumps(WHOLE).encode()).at == "2024-01-24T18:37:00+00:00"
    said = requests.read_one(json.dumps(WHOLE | {"at": "2024-02-01T00:00:00Z"}).encode())
    assert said.at == "2024-02-01T00:00:00+00:00"


GAP = ", or null where it is not known"
A_DATE = f"a date, such as 2024-01-31, in the years 1583 to 9999{GAP}"
A_TIME = "a time in ISO 8601, such as 2024-01-31T13:45:00, in the years 1583 to 9999"
A_DECIMAL = f"a number, or one as text, with up to 10 places behind the point, from 0 to 100000 (EUR){GAP}"


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"born": "17.05.1980"}, A_DATE),
        ({"born": "1980-05-17T10:00"}, A_DATE),
        ({"born": 326073600}, A_DATE),
        ({"opened": "1582-12-31T00:00:00Z"}, A_TIME),
        ({"opened": None}, A_TIME),
        ({"ordered": "1969-12-31T12:00:00"}, A_TIME.replace("1583 to 9999", "1970 to 2199")),
        ({"price": "12,50"}, A_DECIMAL),
        ({"price": 100000.01}, A_DECIMAL),
        ({"price": "0.12345678901"}, A_DECIMAL),
        ({"price": True}, A_DECIMAL),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(orders: Contract, change: dict[str, Any], allowed: str) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        read(orders, WHOLE | change)
    assert [problem["allowed"] for problem in refused.value.problems] == [allowed]


def test_the_model_is_told_seconds_and_floats(orders: Contract) -> None:
    rows = [read(orders, WHOLE), read(orders, WHOLE | {"born": None, "price": None})]
    inputs = json.loads(predict_body(orders.features, {name: [row[name] for row in rows] for name in orders.features}))
    told = inputs["inputs"]
    assert told["born"] == [seconds_of(date(1980, 5, 17)), -(2**63)] and told["opened"] == [1706708700] * 2
    assert told["price"][0] == 19.99 and told["price"][1] != told["price"][1]
    assert orjson.loads(orjson.dumps(instance(orders.features, rows[0])))["booked"] == 1719859500


def test_the_log_has_iso_text_and_every_digit(orders: Contract) -> None:
    row = read(orders, WHOLE | {"price": "12345.6789012345"})
    logged = orjson.loads(orjson.dumps(row, in_json))
    assert logged == row | {
        "ordered": "2024-01-24T18:37:00+00:00", "born": "1980-05-17", "booked": "2024-07-01T18:45:00.500000+00:00",
        "opened": "2024-01-31T13:45:00+00:00", "price": "12345.6789012345",
    }  # fmt: skip


def test_rules_and_segments_see_dates_times_and_decimals(orders: Contract, tmp_path: Any) -> None:
    rules = load_rules(UseCase(settings_in(tmp_path, "orders"), orders))
    assert rules is not None
    assert rules(read(orders, WHOLE)) == "kept"
    assert rules(read(orders, WHOLE | {"born": "2004-02-29", "price": "50.01"})) == "returned"
    assert rules(read(orders, WHOLE | {"ordered": "2024-01-24T03:00:00Z"})) == "returned"
    assert why_not_ask(orders, read(orders, WHOLE | {"born": "2010-01-02"})).startswith("segment switched off")
    assert why_not_ask(orders, read(orders, WHOLE | {"born": "2010-01-01"})) == ""


def test_the_document_says_their_form_and_gives_an_example_that_is_valid(orders: Contract) -> None:
    requests = RequestModel(orders)
    properties = requests.one.model_json_schema()["properties"]
    assert properties["opened"] | {"title": ""} == {
        "title": "", "type": "string", "format": "date-time",
        "description": "When the account was opened, ISO 8601; without a zone Europe/Berlin",
    }  # fmt: skip
    assert properties["ordered"]["description"].endswith("without a zone Europe/Berlin; left out, that of `at`")
    assert {"type": "string", "format": "date"} in properties["born"]["anyOf"]
    assert {kind["type"] for kind in properties["price"]["anyOf"]} == {"number", "string", "null"}
    example = requests.example()
    assert example["born"] == "1980-05-17" and example["price"] == 19.99
    assert requests.read_one(json.dumps(example).encode()).features["born"] == date(1980, 5, 17)


def test_the_page_has_inputs_for_dates_and_times(orders: Contract) -> None:
    page = render_page(orders)
    assert '<input type="date" id="born" value="1980-05-17"' in page
    assert '<input type="datetime-local" id="opened" value="2024-01-01T11:00:00"' in page, "on the use case's clock"
    assert '<input type="datetime-local" id="booked" value=""' in page and 'type="number" id="price"' in page
