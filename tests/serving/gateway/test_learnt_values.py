"""Categories that no contract lists: form and API's examples have those that the model which answers has learnt."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from lakeloop.contract_file import load_contract
from lakeloop.settings import load_settings
from serving.gateway.model_fit import read_learnt_values
from serving.gateway.page.render import render_page
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import NOWHERE
from tests.use_case_copies import USE_CASES
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

LEARNT = ['Flash "Cab" & Söhne', "Acme", "7"]


@pytest.fixture(scope="module")
def gateway(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_server({"trips": saved_models / "trips"}, poll_seconds=0.1) as server:
        home = tmp_path_factory.mktemp("home")
        settings = load_settings(home=home, use_case="trips", use_cases=USE_CASES["trips"], model_server_url=server.url)
        with running_gateway(settings) as running:
            eventually(lambda: httpx.get(f"{running.url}/health", timeout=60).json()["model_answers"])
            yield running


def test_the_form_suggests_what_was_learnt_and_sends_it(gateway: RunningGateway, browser: Browser) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(gateway.url)
    company = page.locator("#company")
    assert company.evaluate("input => [...input.list.options].map((one) => one.value)") == LEARNT
    expect(company).to_have_value("")
    company.fill(LEARNT[0])
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#who")).to_have_text("The model answers")
    assert '"company":"Flash \\"Cab\\" & Söhne"' in page.locator("#curl").inner_text()
    assert page.locator("#zone").evaluate("(input) => input.list ?? null") is None
    page.close()


def test_the_api_s_examples_have_the_commonest(gateway: RunningGateway) -> None:
    paths = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()["paths"]
    one, batch = (
        paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        for path in ("/predict/", "/predict/batch")
    )
    assert one["company"] == LEARNT[0] and batch == {"requests": [one]}
    assert httpx.post(f"{gateway.url}/predict/", json=one, timeout=60).json()["predictor_type"] == "model"


def test_without_a_model_there_is_nothing_to_suggest(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="trips", use_cases=USE_CASES["trips"], model_server_url=NOWHERE)
    with running_gateway(settings) as alone:
        assert "datalist" not in httpx.get(alone.url, timeout=60).text
        path = httpx.get(f"{alone.url}/openapi.json", timeout=60).json()["paths"]["/predict/"]
        assert path["post"]["requestBody"]["content"]["application/json"]["example"]["company"] == "text"


@pytest.mark.parametrize("outputs", [None, "a", {"values": [["a"]]}, [None], []])
def test_an_answer_that_cannot_be_read_tells_of_no_value(outputs: object) -> None:
    assert read_learnt_values(["company"], outputs) == {}


def test_whole_numbers_are_suggested_to_their_field() -> None:
    parcels = load_contract(USE_CASES["parcels"] / "parcels" / "contract.yaml")
    page = render_page(parcels, {"zone": ["3", "1"]})
    assert 'type="number" id="zone" list="zone-known"' in page and '<option value="1"></option>' in page


def test_when_it_happened_may_be_left_empty() -> None:
    orders = load_contract(USE_CASES["orders"] / "orders" / "contract.yaml")
    ordered = render_page(orders).partition('id="ordered"')[2].partition(">")[0]
    opened = render_page(orders).partition('id="opened"')[2].partition(">")[0]
    assert "required" not in ordered and "required" in opened
