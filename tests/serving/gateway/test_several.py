"""Several use cases behind one gateway: each by its path, none in another's way, and a folder that is followed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lakeloop.contract_file import load_contract
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import CONTRACT_FILE, open_use_case
from serving.exceptions import GatewayStartError
from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import body, logged
from tests.waiting import eventually
from tests.warm_programs import running_gateway

EXAMPLES = PROJECT / "tests/use_cases"
MISTAKE = "\nno_such_section: 1\n"


@pytest.fixture
def folder(tmp_path: Path, use_cases: Path) -> Path:
    shutil.copytree(use_cases, tmp_path / "use_cases")
    shutil.copytree(EXAMPLES / "stays", tmp_path / "use_cases/stays")
    return tmp_path / "use_cases"


@pytest.fixture
def several(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"use_cases": folder})


@pytest.fixture
def gateway(several: Settings) -> Iterator[RunningGateway]:
    with running_gateway(several) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60) as session:
        yield session


def states(client: httpx.Client) -> dict[str, str]:
    return {one["name"]: one["status"] for one in client.get("/health").json()["use_cases"]}


def example_of(client: httpx.Client, path: str) -> object:
    """The example of the gateway's own document."""
    operation = client.get("/openapi.json").json()["paths"][path]["post"]
    return operation["requestBody"]["content"]["application/json"]["example"]


def test_each_answers_at_its_path_and_one_without(client: httpx.Client, several: Settings) -> None:
    for path in ("/predict/", "/insurance/predict", "/insurance/predict/"):
        assert client.post(path, json=body()).json()["prediction"] in ("high", "medium", "low")
    answer = client.post("/stays/predict/", json=example_of(client, "/stays/predict/")).json()
    classes = load_contract(EXAMPLES / "stays" / CONTRACT_FILE).label.class_names
    assert answer["predictor_type"] == "rules" and answer["prediction"] in classes
    refused = client.post("/stays/predict/", json=body())
    assert refused.status_code == 422, "the other use case's row is none of this one's"
    eventually(lambda: len(logged(open_use_case(several, "insurance"))) == 3)
    eventually(lambda: len(logged(open_use_case(several, "stays"))) == 1)


def test_one_document_has_the_fields_of_all(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert {"/predict/", "/stays/predict/", "/stays/predict/batch", "/stays/explain/"} <= document["paths"].keys()
    for path, schema in (("/predict/", "PredictRequest"), ("/stays/predict/", "stays.PredictRequest")):
        sent = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert sent == {"$ref": f"#/components/schemas/{schema}"}
        assert document["components"]["schemas"][schema]["properties"]
    references = {part.split('"')[0] for part in client.get("/openapi.json").text.split("#/components/schemas/")[1:]}
    assert references <= document["components"]["schemas"].keys()


def test_metrics_have_a_label_and_each_name_once(client: httpx.Client) -> None:
    client.post("/predict/", json=body())
    text = client.get("/metrics").text
    assert text.count("# HELP lakeloop_gateway_answers_total") == 1
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert {s.labels["use_case"] for s in samples if s.name == "lakeloop_gateway_model_up"} == {"insurance", "stays"}


def test_an_unknown_use_case_is_told_which_there_are(client: httpx.Client) -> None:
    for unknown in (client.post("/claims/predict/", json=body()), client.get("/claims/health"), client.get("/claims/")):
        assert unknown.status_code == 404
        assert unknown.json()["detail"][0]["msg"] == "there is no use case 'claims' here; there are insurance, stays"
    assert "use case stays has no nothing" in client.get("/stays/nothing").json()["detail"][0]["msg"]


def test_a_page_each_with_a_way_to_the_others(client: httpx.Client) -> None:
    page = client.get("/stays/").text
    assert '<option value="stays" selected>' in page and '<option value="insurance">' in page
    assert '"path": "/stays"' in page


def test_a_new_folder_is_served_and_a_removed_one_is_not(client: httpx.Client, folder: Path) -> None:
    shutil.copytree(EXAMPLES / "rentals", folder / "rentals")
    eventually(lambda: states(client).get("rentals") == "degraded")  # it has no model yet
    assert client.post("/rentals/predict/", json=example_of(client, "/rentals/predict/")).status_code == 200
    shutil.rmtree(folder / "rentals")
    eventually(lambda: "rentals" not in states(client))
    assert client.post("/rentals/predict/", json={}).status_code == 404


def test_a_contract_that_breaks_leaves_the_one_before_in_force(client: httpx.Client, folder: Path) -> None:
    contract = folder / "stays" / CONTRACT_FILE
    good, asked = contract.read_text(), example_of(client, "/stays/predict/")
    contract.write_text(good + MISTAKE)
    problem = eventually(lambda: client.get("/stays/health").json()["contract_problem"])
    assert "no_such_section" in problem
    short = next(one for one in client.get("/health").json()["use_cases"] if one["name"] == "stays")
    first = problem.splitlines()[1].strip()
    briefly = f"{first} (`lakeloop contract check -u stays`)"
    assert short == {"name": "stays", "status": "degraded", "model_version": None, "problem": briefly}
    assert client.post("/stays/predict/", json=asked).status_code == 200
    assert 'use_case="stays"} 1.0' in client.get("/metrics").text.split("# HELP lakeloop_gateway_contract_problem")[1]
    assert client.get("/health").json()["contract_problem"] == ""
    contract.write_text(good)
    eventually(lambda: not client.get("/stays/health").json()["contract_problem"])


def test_a_changed_contract_is_in_force_and_old_answers_stay(client: httpx.Client, folder: Path) -> None:
    contract = folder / "insurance" / CONTRACT_FILE
    before = client.post("/predict/", json=body(age=149, request_id="kept")).json()
    text = contract.read_text()
    assert "valid: [0, 150]" in text
    contract.write_text(text.replace("valid: [0, 150]", "valid: [0, 120]", 1))
    eventually(lambda: client.post("/predict/", json=body(age=149)).status_code == 422)
    assert client.post("/predict/", json=body(request_id="kept")).json() == before


def test_a_broken_use_case_harms_no_other_at_the_start(several: Settings, folder: Path) -> None:
    (folder / "stays" / CONTRACT_FILE).write_text("use_case: [")
    with running_gateway(several) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        assert client.post("/predict/", json=body()).status_code == 200
        assert states(client)["stays"] == "refused"
        assert "use case stays is not served: " in client.post("/stays/predict/", json={}).json()["detail"][0]["msg"]


def test_those_named_are_served_alone(several: Settings) -> None:
    narrowed = several.model_copy(update={"served_use_cases": "insurance"})
    with running_gateway(narrowed) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        assert list(states(client)) == ["insurance"]
        assert client.post("/stays/predict/", json={}).status_code == 404
    with pytest.raises(GatewayStartError), running_gateway(several.model_copy(update={"served_use_cases": "claims"})):
        pass
