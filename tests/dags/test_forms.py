"""What Airflow's REST API says to a form that is filled in wrong, and to who may not send one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from console.platform.generated_secrets import AIRFLOW_ROLES
from lakeloop.settings import PROJECT
from tests.monitoring.airflow_server import AIRFLOW, Airflow

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """With users as tokens of these roles have them."""
    if not AIRFLOW.exists():
        pytest.skip("Airflow's environment is not there (`make airflow`)")
    others = {"rita": AIRFLOW_ROLES["read"], "anton": AIRFLOW_ROLES["ask"], "dora": AIRFLOW_ROLES["decide"]}
    server = Airflow(tmp_path_factory.mktemp("airflow") / "home", PROJECT / "data", others)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(airflow: Airflow) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=airflow.url, headers=airflow.log_in(), timeout=60, trust_env=False) as session:
        yield session


def trigger(client: httpx.Client, dag: str, conf: dict[str, Any], user: dict[str, str] | None = None) -> httpx.Response:
    return client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf}, headers=user)


@pytest.mark.parametrize(
    ("dag", "conf", "reason"),
    [
        ("insurance_simulate", {"periods": "first to last"}, "'first to last' does not match"),
        ("insurance_simulate", {"rate": 0}, "0 is less than the minimum of 0.01"),
        ("insurance_simulate", {"batch": 0}, "0 is less than the minimum of 1"),
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


def test_a_release_is_decided_by_whose_role_says_so_and_in_that_name(airflow: Airflow, client: httpx.Client) -> None:
    form = {"action": "abort", "why": "we know enough"}
    for user in ("rita", "anton"):
        assert trigger(client, "insurance_release", form, airflow.log_in(user)).status_code == 403
    answer = trigger(client, "insurance_release", form, airflow.log_in("dora"))
    assert (answer.status_code, answer.json()["triggering_user_name"]) == (200, "dora"), answer.text
    runs = client.get("/api/v2/dags/insurance_release/dagRuns").json()["dag_runs"]
    assert [run["triggering_user_name"] for run in runs] == ["dora"]
