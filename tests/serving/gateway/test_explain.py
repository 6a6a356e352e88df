"""An answer is explained on demand: what the features contributed adds up to it, and predictions do not suffer."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from lakeloop.background_rows import read_background
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import open_use_case
from serving.gateway.explaining import MOST_AT_ONCE
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import body, logged, put_background
from tests.use_case_copies import USE_CASES
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

pytestmark = pytest.mark.long


def parts_of(explained: dict[str, Any]) -> dict[str, float]:
    return {part["feature"]: part["contribution"] for part in explained["contributions"]}


def test_contributions_add_up_to_the_probability_that_is_answered(
    client: httpx.Client, shared_settings: Settings
) -> None:
    answer = client.post("/predict/", json=body(age=61.5)).json()
    explained = client.post("/explain/", json=body(age=61.5)).json()
    same = ("prediction", "probabilities", "predictor_type", "reason", "model_version")
    assert {name: explained[name] for name in same} == {name: answer[name] for name in same}
    assert explained["value"] == pytest.approx(answer["probabilities"][answer["prediction"]], abs=1e-6)
    parts = parts_of(explained)
    assert explained["base_value"] + sum(parts.values()) == pytest.approx(explained["value"], abs=1e-6)
    sizes = [abs(part) for part in parts.values()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0.01 and explained["rules"] is None
    use_case = open_use_case(shared_settings)
    assert set(parts) == set(use_case.contract.features)
    shown = {part["feature"]: part["value"] for part in explained["contributions"]}
    assert (shown["age"], shown["emergency_braking"]) == (61.5, 1)
    columns = read_background(use_case, "1").columns

    url = f"{shared_settings.model_server}/v1/models/insurance:predict"
    told = httpx.post(url, json={"inputs": {name: list(values) for name, values in columns.items()}}, timeout=60)
    of_class = np.array(told.json()["outputs"]["probabilities"])[
        :, list(answer["probabilities"]).index(answer["prediction"])
    ]
    assert explained["base_value"] == pytest.approx(of_class.mean(), abs=1e-6)


def test_it_is_no_answer_that_is_logged_or_counted(client: httpx.Client, shared_settings: Settings) -> None:
    def answers() -> list[str]:
        return [line for line in client.get("/metrics").text.splitlines() if "_answers_total" in line]

    before = answers()
    assert client.post("/explain/", json=body(request_id="explained")).status_code == 200
    client.post("/predict/", json=body(request_id="afterwards"))
    ids = eventually(
        lambda: (found := {r["request_id"] for r in logged(open_use_case(shared_settings))}) & {"afterwards"} and found
    )
    assert "explained" not in ids and answers() != before


def test_rules_are_named_with_why_they_answer(client: httpx.Client) -> None:
    told = client.post("/explain", json=body(power=300)).json()
    assert told["predictor_type"] == "rules" and told["reason"].startswith("out of range: power is 300")
    assert told["rules"] == "rules.py:risk_group"
    assert (told["base_value"], told["value"], told["contributions"]) == (None, None, None)


def test_a_wrong_request_is_refused_as_a_prediction_is(client: httpx.Client) -> None:
    refused, same = (client.post(path, json=body(age=151)) for path in ("/explain/", "/predict/"))
    assert refused.status_code == 422 and refused.json() == same.json()


def test_without_a_model_server_it_says_so(settings: Settings) -> None:
    with running_gateway(settings) as alone:
        refused = httpx.post(f"{alone.url}/explain/", json=body(), timeout=60)
    assert refused.status_code == 503
    said = refused.json()["detail"][0]["msg"]
    assert said.startswith("model unavailable: no connection to http://127.0.0.1:9 (")
    assert said.endswith("; so there is nothing to explain, and the rules answer")


def test_a_version_without_background_rows_says_how_it_gets_some(shared_settings: Settings, tmp_path: Path) -> None:
    elsewhere = shared_settings.model_copy(update={"models": str(tmp_path)})
    with running_gateway(elsewhere) as running:
        refused = httpx.post(f"{running.url}/explain/", json=body(), timeout=60)
    assert refused.status_code == 503
    assert "no model of insurance was pushed yet" in refused.json()["detail"][0]["msg"]


def test_few_are_made_at_once_and_predictions_go_on(gateway: RunningGateway) -> None:
    def explain(_: int) -> httpx.Response:
        return httpx.post(f"{gateway.url}/explain/", json=body(), timeout=120)

    with ThreadPoolExecutor(3 * MOST_AT_ONCE) as pool:
        asked = [pool.submit(explain, number) for number in range(3 * MOST_AT_ONCE)]
        while not all(one.done() for one in asked):
            answer = httpx.post(f"{gateway.url}/predict/", json=body(), timeout=60)
            assert answer.json()["reason"] == "ok"
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200, 429}
    busy = next(answer for answer in answers if answer.status_code == 429)
    assert busy.headers["retry-after"] == "5" and "ask again" in busy.json()["detail"][0]["msg"]


def test_an_explainer_that_was_killed_is_started_again(client: httpx.Client, gateway: RunningGateway) -> None:
    def explainers() -> list[psutil.Process]:
        children = psutil.Process(gateway.process.pid).children()
        return [child for child in children if "serving.gateway.explainer" in child.cmdline()]

    assert client.post("/explain/", json=body()).status_code == 200
    (first,) = explainers()
    first.kill()
    first.wait(60)
    again = [client.post("/explain/", json=body()) for _ in range(2)]
    assert again[1].status_code == 200 and again[0].status_code in (200, 503)
    assert [one.pid for one in explainers()] != [first.pid]


@pytest.fixture(scope="module")
def rentals(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home of a use case whose label is a number: ten bikes an hour, whatever else."""
    models = tmp_path_factory.mktemp("pushed")
    shutil.copytree(saved_models / "rentals", models / "rentals")
    with running_server({"rentals": models / "rentals"}, poll_seconds=0.1) as running:
        settings = load_settings(
            home=tmp_path_factory.mktemp("home"), use_case="rentals", use_cases=USE_CASES["rentals"],
            model_server_url=running.url, models=str(models),
        )  # fmt: skip
        yield settings


def test_a_number_is_told_from_its_features_and_the_explainer_ends_with_its_gateway(rentals: Settings) -> None:
    use_case = open_use_case(rentals)
    columns = put_background(use_case.folder("models") / "1", use_case).columns
    cold = {**columns, "temperature": tuple(min(float(value or 0), 20.0) for value in columns["temperature"])}
    read_background(use_case, "1").model_copy(update={"columns": cold}).save(use_case.folder("models") / "1")
    row = {"hour": 17, "temperature": 10.5, "sky": "clear", "workday": 1}
    with running_gateway(rentals) as running:
        told = httpx.post(f"{running.url}/explain/", json=row, timeout=60).json()
        children = psutil.Process(running.process.pid).children()  # the use cases' own code has processes, too
        explainers = [child for child in children if "serving.gateway.explainer" in child.cmdline()]
    mean = np.mean([float(hour or 0) for hour in columns["hour"]])
    assert told["prediction"] == 170.0 and told["interval"]["lower"] == 85.0
    assert told["base_value"] == pytest.approx(10 * mean, abs=1e-3) and told["value"] == pytest.approx(170)
    parts = parts_of(told)
    assert parts["hour"] == pytest.approx(10 * (17 - mean), abs=1e-3)
    assert all(parts[name] == pytest.approx(0, abs=1e-3) for name in ("temperature", "sky", "workday"))
    assert len(explainers) == 1 and eventually(lambda: not any(child.is_running() for child in children))


def test_openapi_describes_the_explanation(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    described = document["paths"]["/explain/"]["post"]
    assert set(described["responses"]) == {"200", "408", "413", "415", "422", "429", "503"}
    fields = document["components"]["schemas"]["Explanation"]["properties"]
    assert "probability of the class" in fields["base_value"]["description"] and "request_id" not in fields
    assert set(document["components"]["schemas"]["Contribution"]["properties"]) == {"feature", "value", "contribution"}
