"""What Airflow's REST API says to a form that is filled in wrong."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lakeloop.settings import PROJECT
from tests.monitoring.airflow_server import AIRFLOW, USER, Airflow

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    if not AIRFLOW.exists():
        pytest.skip("Airflow's environment is not there (`make airflow`)")
    server = Airflow(tmp_path_factory.mktemp("airflow") / "home", PROJECT / "data")
    try:
        server.start()
        login = {"username": USER, "password": json.loads(server.password_file.read_text())[USER]}
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as session:
            token = session.post("/auth/token", json=login).json()["access_token"]
            session.headers["Authorization"] = f"Bearer {token}"
            yield session
    finally:
        server.stop()


def trigger(client: httpx.Client, dag: str, conf: dict[str, Any]) -> httpx.Response:
    return client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})


@pytest.mark.parametrize(
    ("dag", "conf", "reason"),
    [
        ("insurance_simulate", {"periods": "first to last"}, "'first to last' does not match"),
        ("insurance_simulate", {"rate": 0}, "0 is less than the minimum of 0.01"),
        ("insurance_simulate", {"until": "later"}, "'later' is not of type"),
        ("insurance_simulate", {"label": "../../etc"}, "does not match"),
        ("insurance_deploy", {"version": "latest"}, "'latest' does not match"),
        ("insurance_release", {"action": "drop", "why": "it is slow"}, "'drop' is not one of"),
        ("insurance_release", {"version": "latest", "why": "it is slow"}, "'latest' does not match"),
        ("insurance_release", {"why": "x" * 501}, "is too long"),
    ],
)
def test_a_wrong_form_is_400_with_the_reason(client: httpx.Client, dag: str, conf: dict[str, Any], reason: str) -> None:
    answer = trigger(client, dag, conf)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["detail"] and next(iter(conf)) in answer.json()["detail"]


def test_a_right_form_is_taken(client: httpx.Client) -> None:
    answer = trigger(client, "insurance_simulate", {"periods": "1-3", "rate": 50})
    assert answer.status_code == 200, answer.text
    assert answer.json()["conf"] == {"periods": "1-3", "rate": 50}
