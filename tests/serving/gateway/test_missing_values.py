"""What a request may leave out, and what the model is given in its place."""

import json
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.fallback import why_not_ask
from lakeloop.model_input import predict_body
from serving.exceptions import RefusedRequestError
from serving.gateway.page.render import render_page
from serving.gateway.request_model import RequestModel
from tests.use_case_copies import USE_CASES

WHOLE: dict[str, Any] = {
    "ride": {"fare": 12.5, "seconds": 600}, "seats": 2, "night": True, "shared": False, "zone": "01", "company": "Acme"
}  # fmt: skip


@pytest.fixture(scope="module")
def trips() -> Contract:
    return load_contract(USE_CASES["trips"] / "trips" / "contract.yaml")


def read(contract: Contract, request: dict[str, Any]) -> dict[str, Any]:
    return RequestModel(contract).read_one(json.dumps(request).encode()).features


def test_null_and_absent_are_the_same_and_an_empty_text_is_one_of_them(trips: Contract) -> None:
    gaps = {"ride": {"fare": None, "seconds": None}, "seats": None, "night": None, "company": None}
    absent = {"ride": {}, "shared": False, "zone": "01"}
    expected = dict.fromkeys(("fare", "seconds", "seats", "night", "company")) | {"shared": False, "zone": "01"}
    assert read(trips, WHOLE | gaps) == read(trips, absent) == read(trips, absent | {"company": ""}) == expected
    assert read(trips, {"shared": False, "zone": "01"}) == expected, "a group of which nothing is needed"
    assert list(read(trips, absent)) == list(trips.features)


def test_a_truth_value_may_be_1_or_0_as_in_files(trips: Contract) -> None:
    assert read(trips, WHOLE | {"night": 1, "shared": 0.0}) == read(trips, WHOLE | {"night": True, "shared": False})


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"zone": None}, "one of 01, 02, 09"),
        ({"shared": None}, "true or false"),
        ({"shared": "yes"}, "true or false"),
        ({"night": 2}, "true or false, or null where it is not known"),
        ({"seats": 4}, "one of 1, 2, 3, or null where it is not known"),
        ({"ride": {"fare": 3.5e38}}, "a number from -3.40282e+38 to 3.40282e+38 (USD), or null where it is not known"),
        ({"ride": {"seconds": 1.5}}, "a whole number from 0 to 86400 (s), or null where it is not known"),
        ({"company": "a\0b"}, "a text that is not empty and has no NUL character, or null where it is not known"),
        ({"company": 5}, "a text that is not empty and has no NUL character, or null where it is not known"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(trips: Contract, change: dict[str, Any], allowed: str) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        read(trips, WHOLE | change)
    assert [problem["allowed"] for problem in refused.value.problems] == [allowed]


def test_the_model_is_given_stand_ins_for_what_is_missing_and_numbers_for_truth_values(trips: Contract) -> None:
    rows = [read(trips, WHOLE), read(trips, {"ride": {}, "shared": True, "zone": "09"})]
    body = predict_body(trips.features, {name: [row[name] for row in rows] for name in trips.features})
    smallest = -(2**63)
    assert b"NaN" in body
    inputs = json.loads(body)["inputs"]
    assert inputs["fare"][0] == 12.5 and inputs["fare"][1] != inputs["fare"][1]
    assert {name: values for name, values in inputs.items() if name != "fare"} == {
        "seconds": [600, smallest], "seats": [2, smallest], "night": [1, smallest], "shared": [0, 1],
        "zone": ["01", "09"], "company": ["Acme", ""],
    }  # fmt: skip


def test_a_missing_value_is_out_of_no_range_and_in_no_segment(trips: Contract) -> None:
    row = read(trips, WHOLE)
    assert why_not_ask(trips, row | {"fare": 2000.0}).startswith("out of range")
    assert why_not_ask(trips, row | {"seats": 3}).startswith("segment switched off")
    assert why_not_ask(trips, row | {"fare": None, "seats": None, "night": None}) == ""


def test_the_document_says_what_may_be_left_out(trips: Contract) -> None:
    schema = RequestModel(trips).one.model_json_schema()
    assert schema["required"] == ["shared", "zone"]
    seconds = schema["$defs"]["Ride"]["properties"]["seconds"]["anyOf"]
    assert seconds == [{"type": "integer", "minimum": 0, "maximum": 86400}, {"type": "null"}]
    assert {"type": "null"} in schema["properties"]["night"]["anyOf"]
    assert "null or left out where it is not known" in schema["properties"]["company"]["description"]


def test_an_example_of_an_open_contract_is_a_valid_request(trips: Contract) -> None:
    requests = RequestModel(trips)
    assert requests.read_one(json.dumps(requests.example()).encode()).features["fare"] == 250


def test_the_contracts_examples_stand_in_requests_and_in_the_page(trips: Contract) -> None:
    examples = {"fare": 12, "seconds": 17_031_320, "company": "Acme, Inc."}
    wide = {"seconds": {"valid": (0, 10**11)}}
    features = {
        name: feature.model_copy(update={"example": examples.get(name), **wide.get(name, {})})
        for name, feature in trips.features.items()
    }
    shown = trips.model_copy(update={"features": features})
    asked = RequestModel(shown).read_one(json.dumps(RequestModel(shown).example()).encode()).features
    assert {name: asked[name] for name in examples} == examples and isinstance(asked["fare"], float)
    page = render_page(shown)
    assert 'id="company" value="Acme, Inc."' in page and 'value="17031320"' in page


def test_the_page_has_a_field_for_every_kind_of_column(trips: Contract) -> None:
    page = render_page(trips)
    assert 'type="text" id="company" value=""' in page and 'role="switch" id="shared"' in page
    assert 'data-text="not_known"' in page and 'id="ride-fare-slider"' in page
