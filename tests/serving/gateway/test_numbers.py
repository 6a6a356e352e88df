"""A number is answered with its interval by the model, alone by the rules, and logged so that it can be told again."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from lakeloop.fallback import given_by, model_answer
from lakeloop.own_code import code_sha256
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import open_use_case
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import logged
from tests.use_case_copies import USE_CASES
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

ROW = {"hour": 12, "temperature": 10.5, "sky": "clear", "workday": 1}


@pytest.fixture(scope="module")
def home(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose model server has the rentals' model."""
    pushed = tmp_path_factory.mktemp("pushed") / "rentals"
    shutil.copytree(saved_models / "rentals", pushed)
    with running_server({"rentals": pushed}, poll_seconds=0.1) as running:
        yield load_settings(
            home=tmp_path_factory.mktemp("home"), use_case="rentals", use_cases=USE_CASES["rentals"],
            model_server_url=running.url,
        )  # fmt: skip


@pytest.fixture(scope="module")
def gateway(home: Settings) -> Iterator[RunningGateway]:
    with running_gateway(home) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60) as session:
        yield session


def test_the_model_answers_a_number_and_its_interval(client: httpx.Client) -> None:
    eventually(lambda: client.get("/health").json()["model_answers"])
    answer = client.post("/predict/", json=ROW).json()
    interval = {"level": 0.9, "lower": 60.0, "upper": 240.0}  # the model's own level: the contract says 0.8 by now
    assert (answer["prediction"], answer["interval"]) == (120.0, interval)
    assert (answer["predictor_type"], answer["reason"], answer["model_version"]) == ("model", "ok", "1")
    assert set(answer) == {
        "prediction", "interval", "predictor_type", "reason", "model_version", "request_id"
    }  # fmt: skip


def test_many_rows_get_a_number_each_and_the_rules_give_no_interval(client: httpx.Client) -> None:
    rows = [ROW | {"hour": 8}, ROW | {"temperature": 39.5}, ROW | {"temperature": 30, "sky": "rain"}]
    first, unusual, no_number = client.post("/predict/batch", json={"requests": rows}).json()["answers"]
    assert first["prediction"] == 80.0 and first["predictor_type"] == "model"
    assert (unusual["prediction"], unusual["interval"], unusual["model_version"]) == (120.0, None, None)
    assert unusual["reason"].startswith("out of range: temperature is 39.5")
    assert (no_number["prediction"], no_number["predictor_type"]) == (20.0, "rules")
    assert no_number["reason"] == "model unavailable: the model's answer to this row is no number"


def test_the_client_page_shows_the_number_with_its_interval_or_why_it_has_none(
    client: httpx.Client, gateway: RunningGateway, browser: Browser
) -> None:
    eventually(lambda: client.get("/health").json()["model_answers"])
    page = browser.new_page(locale="en-GB")
    page.goto(gateway.url)
    page.locator("#hour").fill("12")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#prediction")).to_contain_text("120")
    expect(page.locator("#interval")).to_have_text(re.compile("60 to 240.*: holds the truth of 90.0% of such rows"))
    page.locator("#temperature").fill("39.5")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#no-bars")).to_be_visible()
    expect(page.locator("#interval")).to_be_hidden()
    page.close()


def test_answers_are_logged_and_told_again_also_by_the_next_gateway(home: Settings, client: httpx.Client) -> None:
    asked = ROW | {"hour": 9, "request_id": "again"}
    answer = client.post("/predict/", json=asked).json()
    unasked = client.post("/predict/", json=ROW | {"temperature": 39.5, "request_id": "by-rules"}).json()

    def record(request_id: str) -> dict[str, object]:
        return eventually(lambda: [r for r in logged(open_use_case(home)) if r["request_id"] == request_id])[0]

    by_model, by_rules = record("again"), record("by-rules")
    assert {name: by_model[name] for name in ("prediction", "lower", "upper", "level")} == {
        "prediction": 90.0, "lower": 45.0, "upper": 180.0, "level": 0.9
    }  # fmt: skip
    assert "level" not in by_rules
    rules = open_use_case(home).own_folder / "rules.py"
    assert by_rules["rules_sha256"] == code_sha256(rules) and "rules_sha256" not in by_model
    assert (by_rules["prediction"], by_rules["lower"], by_rules["upper"]) == (120.0, None, None)
    assert "class_id" not in by_model and "probabilities" not in by_model
    with running_gateway(home) as later, httpx.Client(base_url=later.url, timeout=60) as other:
        assert other.post("/predict/", json=asked | {"hour": 20}).json() == answer
        assert other.post("/predict/", json=ROW | {"request_id": "by-rules"}).json() == unasked


def test_openapi_describes_the_number_with_its_unit(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    fields = schemas["PredictAnswer"]["properties"]
    assert fields["prediction"]["type"] == "number" and "in bikes" in fields["prediction"]["description"]
    assert set(schemas["Interval"]["properties"]) == {"level", "lower", "upper"}
    assert "probabilities" not in fields


def test_a_model_of_numbers_is_not_asked_for_a_class(home: Settings, tmp_path: Path) -> None:
    shutil.copytree(USE_CASES["rentals"] / "rentals", tmp_path / "rentals")
    contract = tmp_path / "rentals" / "contract.yaml"
    text = contract.read_text().split("gate:")[0]
    classes = "  classes:\n    - {name: many, when: {above: 100}}\n    - {name: few}\n"
    contract.write_text(text.replace("split:", f"{classes}split:") + "gate: {accuracy: {above: 0.5}}\n")
    with running_gateway(home.model_copy(update={"home": tmp_path / "home", "use_cases": tmp_path})) as running:
        health = httpx.get(f"{running.url}/health", timeout=60).json()
    assert health["model_problem"] == "version 1 answers numbers, the contract has classes; train a model"


def test_rules_that_give_no_number_are_said_to_fail(home: Settings, tmp_path: Path) -> None:
    shutil.copytree(USE_CASES["rentals"] / "rentals", tmp_path / "rentals")
    rules = tmp_path / "rentals" / "rules.py"
    rules.write_text(rules.read_text().replace("return 20.0", 'return "many" #'))
    settings = home.model_copy(update={"home": tmp_path / "home", "use_cases": tmp_path})
    with running_gateway(settings) as running:
        refused = httpx.post(f"{running.url}/predict/", json=ROW | {"temperature": 39.5}, timeout=60)
    assert refused.status_code == 500
    assert "they answered 'many', which is no number" in refused.text


def test_of_a_model_that_tells_no_level_the_contracts_is_told(home: Settings) -> None:
    contract = open_use_case(home).contract
    of_old = {"prediction": [1.0], "lower": [0.5], "upper": [2.0]}
    assert given_by(contract, of_old, 1) == [[1.0, 0.5, 2.0, 0.8]]
    assert given_by(contract, {**of_old, "level": [0.9, 0.9]}, 1) is None
    assert model_answer(contract, None, ROW, [1.0, 0.5, 2.0, 0.899999976]).level == 0.9  # type: ignore[union-attr]
