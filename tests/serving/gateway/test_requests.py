"""What a client may send, what it gets, and how wrong input is refused."""

import gzip
import json
import math
import re
import uuid
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from lakeloop.contract import Contract
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from serving.exceptions import RefusedRequestError
from serving.gateway.answer_forms import answer_models
from serving.gateway.body import MOST_BYTES
from serving.gateway.request_model import MOST_ROWS, RequestModel
from tests.serving.gateway.conftest import body, logged
from tests.waiting import eventually


def ask(client: httpx.Client, request: Any, path: str = "/predict/") -> httpx.Response:
    content = request if isinstance(request, bytes | str) else json.dumps(request)
    return client.post(path, content=content, headers={"Content-Type": "application/json"})


def test_the_plain_nested_body_is_answered_by_the_model(client: httpx.Client) -> None:
    answer = ask(client, body())
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert list(told) == [
        "prediction", "probabilities", "predictor_type", "reason", "model_version", "request_id",
    ]  # fmt: skip
    assert told["predictor_type"] == "model" and told["reason"] == "ok" and told["model_version"] == "1"
    assert list(told["probabilities"]) == ["high", "medium", "low"]
    assert math.isclose(sum(told["probabilities"].values()), 1, abs_tol=1e-5)
    assert told["prediction"] == max(told["probabilities"], key=told["probabilities"].get)
    assert uuid.UUID(told["request_id"]).version == 7


def test_the_model_gets_the_values_as_they_are(client: httpx.Client, model_server: Any) -> None:
    request = body(age=33.25, power=140.5)
    row = {**request["driver"], **request["vehicle"]}
    columns = {name: [value] for name, value in row.items()}
    there = httpx.post(f"{model_server.url}/v1/models/insurance:predict", json={"inputs": columns}, timeout=60).json()
    told = ask(client, request).json()
    assert list(told["probabilities"].values()) == there["outputs"]["probabilities"][0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"power": 250}, "out of range: power is 250, the model answers 50 to below 250"),
        ({"power": 49.99}, "out of range: power is 49.99, the model answers 50 to below 250"),
        ({"age": 9.5}, "out of range: age is 9.5, the model answers 10 to below 150"),
        ({"age": 150}, "out of range: age is 150, the model answers 10 to below 150"),
    ],
)
def test_unusual_input_is_answered_by_rules(client: httpx.Client, changes: dict[str, Any], reason: str) -> None:
    told = ask(client, body(**changes)).json()
    assert (told["predictor_type"], told["reason"]) == ("rules", reason)
    assert told["probabilities"] is None and told["model_version"] is None


def test_an_unsure_model_gives_way_to_rules_and_its_probabilities_are_shown(client: httpx.Client) -> None:
    told = ask(client, body(age=10, miles=0, braking_distance=1, power=50, emergency_braking=0)).json()
    assert told["predictor_type"] == "rules" and told["reason"].startswith("low confidence: 0.")
    assert max(told["probabilities"].values()) < 0.5 and told["model_version"] == "1"


@pytest.mark.parametrize(
    ("changes", "field", "allowed"),
    [
        ({"age": 151}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": -0.001}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": "41"}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": True}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": None}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": float("nan")}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": float("inf")}, "driver.age", "a number from 0 to 150 (years)"),
        ({"age": 10**400}, "driver.age", "a number from 0 to 150 (years)"),
        ({"training": True}, "driver.training", "one of 0, 1"),
        ({"training": 2}, "driver.training", "one of 0, 1"),
        ({"training": 0.5}, "driver.training", "one of 0, 1"),
        ({"training": "1"}, "driver.training", "one of 0, 1"),
        ({"vehicle": {"power": 1}}, "vehicle.emergency_braking", "one of 0, 1"),
        ({"request_id": "x" * 129}, "request_id", ""),
        ({"request_id": "two words"}, "request_id", ""),
        ({"key": ""}, "key", ""),
        ({"at": "yesterday"}, "at", ""),
        ({"at": "0"}, "at", ""),
        ({"at": 1677974400}, "at", ""),
        ({"at": "2023-03-05"}, "at", ""),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", ""),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at", ""),
        ({"colour": "red"}, "colour", ""),
    ],
)
def test_wrong_input_is_refused_by_name(
    client: httpx.Client, changes: dict[str, Any], field: str, allowed: str
) -> None:
    refused = ask(client, body(**changes))
    assert refused.status_code == 422
    first = refused.json()["detail"][0]
    assert first["field"] == field and field in first["msg"]
    assert first["allowed"] == allowed and allowed in first["msg"]


@pytest.mark.parametrize("written", ["3", "3.0", "3.00", "0.3e1", "30e-1"])
def test_a_whole_number_is_one_however_it_is_written(contract: Contract, written: str) -> None:
    whole = contract.features["power"].model_copy(update={"type": "int"})
    requests = RequestModel(contract.model_copy(update={"features": {**contract.features, "power": whole}}))
    asked = requests.read_one(json.dumps(body(power=100)).replace("100", written).encode())
    assert asked.features["power"] == 3 and type(asked.features["power"]) is int
    assert requests.read_one(json.dumps(body(training=1.0)).encode()).features["training"] == 1


@pytest.mark.parametrize("written", ["3.5", "1e-400", "1e400", '"3"', "true", "null"])
def test_what_is_no_whole_number_is_refused_for_a_whole_feature(contract: Contract, written: str) -> None:
    whole = contract.features["power"].model_copy(update={"type": "int"})
    requests = RequestModel(contract.model_copy(update={"features": {**contract.features, "power": whole}}))
    with pytest.raises(RefusedRequestError) as refused:
        requests.read_one(json.dumps(body(power=100)).replace("100", written).encode())
    assert "allowed is a whole number from 1 to 2000" in refused.value.problems[0]["msg"]


@pytest.mark.parametrize(
    "time",
    ["1969-12-31T23:59:59Z", "1969-12-31T23:30:00-01:00", "1970-01-01T00:30:00+01:00", "2200-01-01T00:00:00Z",
     "2199-12-31T23:30:00-01:00"],
)  # fmt: skip
def test_a_time_outside_of_the_years_allowed_is_refused_with_the_bounds(client: httpx.Client, time: str) -> None:
    refused = ask(client, body(at=time))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["msg"] == f"at: {time} lies outside of the years allowed, 1970 to 2199 in UTC"


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "2199-12-31T23:59:59.999999Z", "2199-12-31t12:00+14:00"])
def test_the_first_and_the_last_moment_are_allowed(client: httpx.Client, time: str) -> None:
    assert ask(client, body(at=time)).status_code == 200


def test_the_document_says_which_years_are_allowed(client: httpx.Client) -> None:
    at = client.get("/openapi.json").json()["components"]["schemas"]["PredictRequest"]["properties"]["at"]
    text = next(kind for kind in at["anyOf"] if kind["type"] == "string")
    assert text["format"] == "date-time" and "from 1970-01-01 to 2199-12-31" in at["description"]
    allowed = [year for year in range(10_000) if re.search(text["pattern"], f"{year:04}-06-30T12:00:00Z")]
    assert allowed == list(range(1970, 2200))


def test_key_time_and_request_id_are_optional_and_logged(client: httpx.Client, shared_settings: Settings) -> None:
    request_id = str(uuid.uuid4())
    told = ask(client, body(key="2023-01-0007", at="2023-02-01T01:30:00+02:00", request_id=request_id)).json()
    assert told["request_id"] == request_id
    record = eventually(lambda: [r for r in logged(open_use_case(shared_settings)) if r["request_id"] == request_id])[0]
    assert record["key"] == "2023-01-0007" and record["at"] == "2023-01-31T23:30:00+00:00"
    assert record["features"] == {
        "training": 0, "age": 45.5, "emergency_braking": 1, "braking_distance": 40.0, "power": 100.0, "miles": 70.0,
    }  # fmt: skip


def test_a_batch_is_answered_in_order(client: httpx.Client) -> None:
    rows = [body(age=age) for age in (20, 9, 60)]
    answers = ask(client, {"requests": rows}, "/predict/batch").json()["answers"]
    assert [answer["predictor_type"] for answer in answers] == ["model", "rules", "model"]
    alone = ask(client, rows[0]).json()["probabilities"]
    assert answers[0]["probabilities"] == pytest.approx(alone, abs=1e-6)  # float32: sums differ by the batch's size


def test_one_bad_row_refuses_the_batch_and_is_named(client: httpx.Client) -> None:
    refused = ask(client, {"requests": [body(), body(), body(age=200)]}, "/predict/batch")
    assert refused.status_code == 422
    assert [problem["field"] for problem in refused.json()["detail"]] == ["requests[2].driver.age"]


@pytest.mark.parametrize("rows", [0, MOST_ROWS + 1])
def test_a_batch_has_a_size(client: httpx.Client, rows: int) -> None:
    refused = ask(client, {"requests": [body()] * rows}, "/predict/batch")
    assert refused.status_code == 422 and refused.json()["detail"][0]["field"] == "requests"


def test_the_largest_batch_fits_in_the_largest_body(client: httpx.Client) -> None:
    long = body(key="k" * 50, at="2023-02-01T01:30:00.123456+02:00")
    rows = [{**long, "request_id": str(uuid.uuid4())} for _ in range(MOST_ROWS)]
    answers = ask(client, {"requests": rows}, "/predict/batch").json()["answers"]
    assert [answer["request_id"] for answer in answers] == [row["request_id"] for row in rows]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422), (b"{", 422), (b"[]", 422), (b"null", 422), (b"\xff\xfe", 422), (b"[" * 100_000, 422),
        (b'{"a":' * 100_000, 422), (b'{"key":"\\ud800"}', 422), (b" " * (10 * MOST_BYTES), 413),
    ],
)  # fmt: skip
def test_hostile_bodies_are_refused(client: httpx.Client, content: bytes, status: int) -> None:
    refused = ask(client, content)
    assert refused.status_code == status and refused.json()["detail"][0]["msg"]
    assert ask(client, body()).status_code == 200


def test_of_a_repeated_field_the_last_counts(client: httpx.Client) -> None:
    text = json.dumps(body()).replace('"power": 100', '"power": 100, "power": 249')
    assert ask(client, text).json()["probabilities"] == ask(client, body(power=249)).json()["probabilities"]


@pytest.mark.parametrize(
    ("place", "odd", "status"),
    [
        ('"age": 45.5', '"age": 1e400', 422), ('"age": 45.5', '"age": Infinity', 422),
        ('"age": 45.5', '"age": NaN', 422), ('"age": 45.5', '"age": 045', 422), ('"age": 45.5', '"age": 4e', 422),
        ('"age": 45.5', '"age": 1, "age": 45.5', 200), ("{", '{"key": "\\ud800", ', 422),
        ("{", '{"key": "\\ud83d\\ude00", ', 200), ("{", '{"key": "a\nb", ', 422), ("{", '{"key": "\u00e4", ', 200),
        ("{", '{"key": ' + "[" * 2_000, 422),
    ],
)  # fmt: skip
def test_one_parser_answers_whatever_the_size_of_the_body(
    client: httpx.Client, place: str, odd: str, status: int
) -> None:
    text = json.dumps(body(request_id=str(uuid.uuid4()))).replace(place, odd, 1).encode()
    small, large = (ask(client, text + b" " * padding) for padding in (0, MOST_BYTES - len(text)))
    assert small.status_code == large.status_code == status and small.text == large.text


def test_a_byte_order_mark_is_passed_over(client: httpx.Client) -> None:
    assert ask(client, b"\xef\xbb\xbf" + json.dumps(body()).encode()).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_compressed_body_is_inflated(client: httpx.Client, encoding: str) -> None:
    content = gzip.compress(json.dumps({"requests": [body()] * MOST_ROWS}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answers = client.post("/predict/batch", content=content, headers=headers).json()["answers"]
    assert len(answers) == MOST_ROWS
    bad = client.post("/predict/", content=gzip.compress(json.dumps(body(age=151)).encode()), headers=headers)
    assert bad.status_code == 422 and bad.json()["detail"][0]["field"] == "driver.age"


@pytest.mark.parametrize(
    ("encoding", "content", "status", "said"),
    [
        ("gzip", MOST_BYTES + 1, 413, "inflated body is larger than the 1048576 bytes"),
        ("gzip", 500 * MOST_BYTES, 413, "inflated body is larger than the 1048576 bytes"),
        ("gzip", b"{}", 422, "is not gzip"),
        ("gzip", b"", 422, "ends too early"),
        ("gzip", gzip.compress(b"{}")[:-4], 422, "ends too early"),
        ("gzip", gzip.compress(b"{}") * 2, 422, "one gzip member"),
        ("br", b"{}", 415, "content encoding is br; send it plain or as gzip"),
        ("gzip, gzip", b"{}", 415, "content encoding is gzip, gzip; send it plain or as gzip"),
    ],
    ids=["a byte too many", "a bomb", "no gzip", "empty", "cut", "two members", "br", "twice"],
)
def test_a_compressed_body_that_cannot_be_read_is_refused_with_the_reason(
    client: httpx.Client, encoding: str, content: bytes | int, status: int, said: str
) -> None:
    """`content` as a number: so many spaces, compressed here, since half a gigabyte takes its time."""
    if isinstance(content, int):
        content = gzip.compress(b" " * content, 9)
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    refused = client.post("/predict/", content=content, headers=headers)
    assert refused.status_code == status and said in refused.json()["detail"][0]["msg"]
    assert (refused.headers.get("accept-encoding") == "gzip") == (status == 415)
    assert ask(client, body()).status_code == 200


def test_only_post_asks(client: httpx.Client) -> None:
    for path in ("/predict", "/predict/", "/predict/batch", "/predict/batch/"):
        told = client.get(path)
        assert told.status_code == 405 and told.headers["allow"] == "POST"
    assert client.post("/predict/other", json={}).status_code == 404


def test_another_content_type_is_refused_with_the_remedy(client: httpx.Client) -> None:
    refused = client.post("/predict/", data={"age": "1"})
    assert refused.status_code == 415 and "Content-Type: application/json" in refused.json()["detail"][0]["msg"]


def test_every_route_is_in_the_offline_documentation(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/predict/", "/predict/batch", "/explain/", "/ping", "/health", "/{use_case}/health",
    }  # fmt: skip
    schemas = document["components"]["schemas"]
    assert schemas["Driver"]["properties"]["age"]["maximum"] == 150
    assert schemas["Vehicle"]["properties"]["emergency_braking"]["enum"] == [0, 1]
    page = client.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses and all(address.startswith("/") for address in addresses)
    assert all(client.get(address).status_code == 200 for address in addresses)


def test_health_and_ping(client: httpx.Client) -> None:
    assert client.get("/ping").json() == {"status": "ok"}
    told = client.get("/health").json()
    assert told["status"] == "ok" and told["model"] == "insurance" and told["model_version"] == "1"
    assert told["request_log"]["problem"] == "" and told["request_log"]["lag_seconds"] < 1


def test_metrics_count_by_predictor_and_reason(client: httpx.Client) -> None:
    def value(name: str) -> float:
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
        return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0

    place = 'lakeloop_gateway_answers_total{predictor_type="rules",reason="out of range",use_case="insurance"}'
    before, refused = value(place), value('lakeloop_gateway_refused_total{status="422"')
    ask(client, {"requests": [body(age=9), body(age=8)]}, "/predict/batch")
    ask(client, body(age=200))
    assert value(place) == before + 2
    assert value('lakeloop_gateway_refused_total{status="422"') == refused + 1
    assert value('lakeloop_gateway_model_version_info{use_case="insurance",version="1"}') == 1
    assert 0 < value("lakeloop_gateway_rules_share") <= 1


def test_features_without_a_group_stand_at_the_top(churn: Contract) -> None:
    asked = RequestModel(churn).read_one(b'{"plan": "pro, annual", "usage": 3}')
    assert asked.features == {"plan": "pro, annual", "usage": 3.0}


@pytest.mark.parametrize("name", ["model_dump", "schema", "copy", "_hidden", "model_config", "__class__"])
def test_names_that_pydantic_keeps_for_itself_may_be_features_groups_and_classes(
    contract: Contract, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    power = contract.features["power"]
    first, *others = contract.label.classes
    label = contract.label.model_copy(update={"classes": (first.model_copy(update={"name": name}), *others)})
    for group in (None, name):
        feature = power.model_copy(update={"group": group})
        named = contract.model_copy(update={"features": {name: feature}, "label": label})
        sent = {group: {name: 100}} if group else {name: 100}
        assert RequestModel(named).read_one(json.dumps(sent).encode()).features == {name: 100}
        one, _ = answer_models(named)
        schema = TypeAdapter(one).json_schema()
        assert list(schema["$defs"]["Probabilities"]["properties"]) == [name, *(other.name for other in others)]
    assert not recwarn.list


@pytest.mark.parametrize("name", ["json", "copy", "schema", "model_config", "model_fields"])
def test_names_pydantic_keeps_for_itself_may_be_features(contract: Contract, name: str) -> None:
    made = RequestModel(contract.model_copy(update={"features": {name: contract.features["power"]}}))
    assert made.read_one(json.dumps({"vehicle": {name: 7}}).encode()).features == {name: 7.0}
