"""Several labels are answered by name with the probability of each, logged as a set, told again and explained."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from lakeloop.contract_file import load_contract
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import open_use_case
from serving.exceptions import ModelMisfitError
from serving.gateway.model_fit import Signatures, check_task, read_signatures
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import logged, put_background
from tests.use_case_copies import USE_CASES
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

ROW = {"channel": "phone", "plan": "basic", "amounts": 6, "failures": 1, "words": 40}


@pytest.fixture(scope="module")
def home(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose model server has the tickets' model."""
    pushed = tmp_path_factory.mktemp("pushed") / "tickets"
    shutil.copytree(saved_models / "tickets", pushed)
    settings = load_settings(
        home=tmp_path_factory.mktemp("home"), use_case="tickets", use_cases=USE_CASES["tickets"],
        models=str(pushed.parent),
    )  # fmt: skip
    put_background(pushed / "1", open_use_case(settings))
    with running_server({"tickets": pushed}, poll_seconds=0.1) as running:
        yield settings.model_copy(update={"model_server_url": running.url})


@pytest.fixture(scope="module")
def gateway(home: Settings) -> Iterator[RunningGateway]:
    with running_gateway(home) as running:
        eventually(lambda: httpx.get(f"{running.url}/health", timeout=60).json()["model_answers"])
        yield running


def asked(gateway: RunningGateway, path: str = "/predict/", **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.post(f"{gateway.url}{path}", json=ROW | changes, timeout=60).json()
    return answer


def test_the_labels_are_those_that_are_likely(gateway: RunningGateway) -> None:
    answer = asked(gateway)
    assert answer["labels"] == ["billing", "outage"] and answer["predictor_type"] == "model"
    assert answer["probabilities"] == pytest.approx({"billing": 0.6, "login": 0.1, "outage": 0.9})
    assert list(answer) == ["labels", "probabilities", "predictor_type", "reason", "model_version", "request_id"]
    assert asked(gateway, channel="web", amounts=0)["labels"] == []


def test_rules_answer_a_list_where_the_model_must_not_or_is_unsure(gateway: RunningGateway) -> None:
    unusual = asked(gateway, words=6000)
    assert (unusual["labels"], unusual["probabilities"]) == (["billing"], None)
    assert unusual["reason"].startswith("out of range: words")
    no_number = asked(gateway, words=999)
    assert no_number["predictor_type"] == "rules" and "not all numbers" in no_number["reason"]
    unsure = httpx.post(f"{gateway.url}/predict/", json=ROW | {"amounts": 5, "failures": 6}, timeout=60).json()
    assert unsure["predictor_type"] == "model", "the likeliest set has .5 * .6 * .9"
    assert asked(gateway, amounts=5, failures=5)["predictor_type"] == "model"


def test_the_set_is_logged_and_told_again_by_the_next_gateway(home: Settings, gateway: RunningGateway) -> None:
    answer = asked(gateway, request_id="again")
    record = eventually(lambda: [r for r in logged(open_use_case(home)) if r["request_id"] == "again"])[0]
    assert (record["prediction"], record["class_id"]) == ("billing, outage", 5)
    assert record["probabilities"] == pytest.approx([0.6, 0.1, 0.9])
    with running_gateway(home) as later:
        assert asked(later, amounts=0, request_id="again") == answer


def test_openapi_lists_the_labels(gateway: RunningGateway) -> None:
    schemas = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()["components"]["schemas"]
    fields = schemas["PredictAnswer"]["properties"]
    assert fields["labels"]["items"]["enum"] == ["billing", "login", "outage"] and "prediction" not in fields


@pytest.mark.long
def test_the_likeliest_label_is_explained(gateway: RunningGateway) -> None:
    found = httpx.post(f"{gateway.url}/explain/", json=ROW, timeout=120).json()
    assert "label" in found, found
    assert found["label"] == "outage" and found["value"] == pytest.approx(0.9)
    largest = found["contributions"][0]
    assert largest["feature"] == "channel" and largest["contribution"] > 0.2
    by_rules = httpx.post(f"{gateway.url}/explain/", json=ROW | {"words": 6000}, timeout=120).json()
    assert by_rules["label"] is None and by_rules["rules"] == "rules.py:usual"


def test_the_client_page_names_all_labels_or_none(gateway: RunningGateway, browser: Browser) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(gateway.url)
    page.locator("#channel").select_option("phone")
    page.locator("#amounts").fill("7")
    page.locator("#failures").fill("0")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#prediction")).to_have_text("billing, outage")
    expect(page.locator("#bars li.best")).to_have_count(2)
    page.locator("#channel").select_option("web")
    page.locator("#amounts").fill("0")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#prediction")).to_have_text("none of the labels")
    page.close()


def test_a_version_of_classes_is_none_of_several_labels_and_the_other_way_round() -> None:
    tickets = load_contract(USE_CASES["tickets"] / "tickets" / "contract.yaml")
    churn = load_contract(USE_CASES["churn"] / "churn" / "contract.yaml")
    outputs = {"probabilities": {}, "class_id": {}}
    said = {"serving_default": {"inputs": {"a": {}}, "outputs": outputs}, "classify": {}}
    classes = read_signatures({"metadata": {"signature_def": {"signature_def": said}}})
    assert classes is not None
    with pytest.raises(ModelMisfitError, match="answers classes, the contract has several labels; train a model"):
        check_task(tickets, "1", classes)
    labels = Signatures(frozenset("a"), True, False, False, gives_sets=True)
    with pytest.raises(ModelMisfitError, match="answers several labels, the contract has classes; train a model"):
        check_task(churn, "1", labels)
    check_task(tickets, "1", labels)
    check_task(churn, "1", classes)
