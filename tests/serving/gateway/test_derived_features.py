"""Derived features at the gateway: made of what is sent, never asked for, seen by rules and log, refused in words."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lakeloop.exceptions import OwnCodeError
from lakeloop.gateway_client import Question, body
from lakeloop.live_use_cases import GivenUseCase
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from serving.gateway.app import make_app
from tests.serving.gateway.conftest import NOWHERE, logged
from tests.use_case_copies import USE_CASES

STAY = {"price": 300.0, "nights": 4, "booked": "2024-01-01", "arrival": "2024-06-01", "room": "single"}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    home = tmp_path_factory.mktemp("home")
    return open_use_case(
        load_settings(home=home, use_case="stays", use_cases=USE_CASES["stays"], model_server_url=NOWHERE)
    )


@pytest.fixture(scope="module")
def client(case: UseCase) -> Iterator[TestClient]:
    with TestClient(make_app(GivenUseCase(case))) as client:
        yield client


def refused(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/predict/", json=STAY | changes)
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert "Traceback" not in answer.text
    return dict(problem)


def test_rules_see_them_and_so_does_what_the_model_is_asked_about(client: TestClient) -> None:
    late = client.post("/predict/", json=STAY).json()
    assert (late["prediction"], late["predictor_type"]) == ("cancelled", "rules")  # 152 days ahead
    assert client.post("/predict/", json=STAY | {"arrival": "2024-01-02"}).json()["prediction"] == "kept"
    dear = client.post("/predict/", json=STAY | {"price": 6000.0}).json()
    assert dear["reason"] == "out of range: price_a_night is 1500, the model answers 10 to below 1000"


def test_the_request_log_keeps_them_in_the_contracts_order(case: UseCase) -> None:
    with TestClient(make_app(GivenUseCase(case))) as client:
        for name, stay in {"derived-1": STAY, "derived-2": STAY | {"nights": 0, "arrival": None}}.items():
            assert client.post("/predict/", json=stay | {"request_id": name}).status_code == 200
    features = {record["request_id"]: record["features"] for record in logged(case)}
    assert list(features["derived-1"].items()) == [
        ("price", 300.0), ("nights", 4), ("price_a_night", 75.0), ("booked", "2024-01-01"), ("arrival", "2024-06-01"),
        ("days_ahead", 152), ("room", "single"),
    ]  # fmt: skip
    assert features["derived-2"]["price_a_night"] is None and features["derived-2"]["days_ahead"] is None


def test_nobody_is_asked_for_them(client: TestClient, case: UseCase) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["components"]["schemas"]["PredictRequest"]["properties"]) == {
        *STAY, "key", "at", "request_id"
    }  # fmt: skip
    example = document["paths"]["/predict/"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert example.keys() == STAY.keys() and client.post("/predict/", json=example).status_code == 200
    page = client.get("/").text
    assert "Price of the whole stay" in page
    form = page.partition("<form")[2].partition("</form>")[0]
    assert "Price of one night" not in form and "days_ahead" not in form
    question = Question("a", "b", "2024-01-01T00:00:00Z", STAY | {"price_a_night": 75.0, "days_ahead": 152})
    assert body(case.contract, question).keys() == {*STAY, "key", "at", "request_id"}


def test_who_sends_one_is_told_what_it_is_made_of(client: TestClient) -> None:
    assert refused(client, price_a_night=75.0)["msg"] == (
        "price_a_night is derived from price, nights, and never sent; leave it out"
    )
    assert "fields there are price, nights, booked, arrival, room, key" in refused(client, day_ahead=1)["msg"]


def test_a_row_of_which_one_cannot_be_made_is_refused_with_the_reason_as_silver_rejects_it(client: TestClient) -> None:
    failed = refused(client, arrival="2023-12-31")
    assert failed["msg"] == (
        "`days_ahead` is not known: features.py, line 12, ValueError (arrives 1 days before it is booked; booked = "
        "2024-01-01, arrival = 2023-12-31)"
    )
    assert (failed["field"], failed["loc"], failed["type"]) == ("days_ahead", ["body", "days_ahead"], "derived")
    assert "is outside 0 to 2000 EUR; it is derived from price, nights" in refused(client, price=9000, nights=1)["msg"]


def test_of_many_the_bad_one_is_named_by_its_position(client: TestClient) -> None:
    rows = [STAY, STAY | {"arrival": "2023-12-31"}]
    (problem,) = client.post("/predict/batch", json={"requests": rows}).json()["detail"]
    assert problem["field"] == "requests[1].days_ahead"


def test_what_is_wrong_with_an_input_is_told_as_of_that(client: TestClient) -> None:
    assert refused(client, price="much")["field"] == "price"


def test_a_file_that_cannot_be_used_is_told_at_the_start(case: UseCase, tmp_path: Path) -> None:
    for file in ("contract.yaml", "rules.py", "generator.py", "features.py"):
        (tmp_path / "stays").mkdir(exist_ok=True)
        (tmp_path / "stays" / file).write_text((case.own_folder / file).read_text())
    (tmp_path / "stays" / "features.py").write_text(
        "def price_a_night(price): return 1\n\n\ndays_ahead = price_a_night"
    )
    with pytest.raises(OwnCodeError, match=r"features\.py, line 1: .*write `def price_a_night\(price, nights\):`"):
        make_app(GivenUseCase(UseCase(case.settings.model_copy(update={"use_cases": tmp_path}), case.contract)))


def test_a_gateway_needs_no_spark_for_them() -> None:
    import subprocess

    asked = "import sys, serving.gateway.app; print(sorted({'pyspark', 'pandas', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout.strip() == "[]"
