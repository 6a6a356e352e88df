"""A model with a threshold is answered by it, and the threshold is told beside the model's version, also again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import open_use_case
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import logged
from tests.use_case_copies import USE_CASES, with_changes
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

ROW = {"ride": {"fare": 30.0, "seconds": 600}, "seats": 2, "night": False, "shared": False, "zone": "01"}
COST = "  decision: {cost: {false_positive: 1, false_negative: 4}}\nsplit:"


@pytest.fixture(scope="module")
def home(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose contract asks for a threshold, and a model server whose model has one."""
    pushed, cases = tmp_path_factory.mktemp("pushed") / "trips", tmp_path_factory.mktemp("cases")
    shutil.copytree(saved_models / "decided_trips", pushed)
    shutil.copytree(USE_CASES["trips"] / "trips", cases / "trips")
    contract = cases / "trips" / "contract.yaml"
    contract.write_text(with_changes(contract.read_text(), {"split:": COST}))
    with running_server({"trips": pushed}, poll_seconds=0.1) as running:
        home = tmp_path_factory.mktemp("home")
        yield load_settings(home=home, use_case="trips", use_cases=cases, model_server_url=running.url)


@pytest.fixture(scope="module")
def gateway(home: Settings) -> Iterator[RunningGateway]:
    with running_gateway(home) as running:
        eventually(lambda: httpx.get(f"{running.url}/health", timeout=60).json()["model_answers"])
        yield running


def asked(gateway: RunningGateway, fare: float, **more: str) -> dict[str, object]:
    row = ROW | {"ride": {"fare": fare, "seconds": 600}} | more
    answer: dict[str, object] = httpx.post(f"{gateway.url}/predict/", json=row, timeout=60).json()
    return answer


def test_the_class_goes_by_the_threshold_and_not_by_the_highest_probability(gateway: RunningGateway) -> None:
    tip, nothing = asked(gateway, 30.0), asked(gateway, 19.0)
    assert (tip["prediction"], tip["predictor_type"], tip["model_version"]) == ("tip", "model", "1")
    assert tip["probabilities"] == pytest.approx({"nothing": 0.7, "tip": 0.3}) and tip["threshold"] == 0.2
    assert nothing["prediction"] == "nothing" and nothing["threshold"] == 0.2
    keys = ["prediction", "probabilities", "threshold", "predictor_type", "reason", "model_version", "request_id"]
    assert list(tip) == keys


def test_health_tells_it_before_anybody_asked(home: Settings) -> None:
    with running_gateway(home) as fresh:
        health = eventually(lambda: (h := httpx.get(f"{fresh.url}/health", timeout=60).json())["model_answers"] and h)
        assert (health["model_version"], health["threshold"]) == ("1", 0.2)


def test_where_rules_answer_there_is_none_unless_the_model_was_asked(gateway: RunningGateway) -> None:
    unusual = asked(gateway, 2_000.0)
    assert (unusual["prediction"], unusual["threshold"], unusual["model_version"]) == ("tip", None, None)


def test_it_is_logged_with_the_class_and_told_again_by_the_next_gateway(
    home: Settings, gateway: RunningGateway
) -> None:
    answer = asked(gateway, 30.0, request_id="again")
    record = eventually(lambda: [r for r in logged(open_use_case(home)) if r["request_id"] == "again"])[0]
    assert (record["prediction"], record["class_id"], record["threshold"]) == ("tip", 1, 0.2)
    with running_gateway(home) as later:
        assert asked(later, 1.0, request_id="again") == answer


def test_openapi_says_of_which_class_it_is(gateway: RunningGateway) -> None:
    schemas = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()["components"]["schemas"]
    fields = schemas["PredictAnswer"]["properties"]
    assert "the model answers tip from this probability of it on" in fields["threshold"]["description"]


def test_the_client_page_shows_it(gateway: RunningGateway, browser: Browser) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(gateway.url)
    page.locator("#ride-fare").fill("30")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#prediction")).to_have_text("tip")
    expect(page.locator("#threshold")).to_have_text("tip from 20.0% on")
    expect(page.locator("#bars li.best")).to_contain_text("30.0%")  # the likeliest class was not answered
    page.close()
