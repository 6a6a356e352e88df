"""Two use cases on one platform: production of the one drifts, and the other's clients notice nothing of it."""

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import pytest

from console.platform.airflow_environment import AIRFLOW
from lakeloop.airflow_runs import DagRun
from lakeloop.decision_table import read_decisions
from lakeloop.events import all_events, open_events
from lakeloop.gateway_client import body
from lakeloop.use_case import UseCase
from operations.delivery import generate
from operations.simulation import questions_of
from tests.console.platform.conftest import run_in
from tests.e2e.running_platform import Platform
from tests.live_reports import live_reports
from tests.waiting import eventually

pytestmark = [
    pytest.mark.loop,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)"),
]
FIRST_ROWS = 4000
"""A file of so many customers: those of the tariff that asks alone later are a fifth of them."""
RATE = 15.0
"""Requests a second of each client: a window of churn's drift detection is full after a quarter of a minute."""


@dataclass
class Client:
    """Asks about a use case's rows one after the other, at a steady rate, until it is stopped; keeps what came."""

    url: str
    bodies: Iterator[dict[str, Any]]
    answers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._stop.wait(1 / RATE):
                try:
                    answer = http.post(self.url, json=next(self.bodies))
                    if answer.status_code == 200:
                        self.answers.append(answer.json())
                    else:
                        self.failures.append(f"{answer.status_code}: {answer.text}")
                except (httpx.HTTPError, ValueError) as error:
                    self.failures.append(repr(error))

    @property
    def versions(self) -> list[str]:
        """The versions that answered, in order; one that answered many times is there once."""
        return [
            version for version, _ in itertools.groupby(a["model_version"] for a in self.answers if a["model_version"])
        ]


def client(platform: Platform, use_case: UseCase, bodies: list[dict[str, Any]]) -> Client:
    """One that asks a use case at its own path; each request has an id of its own, which the gateway makes."""
    asked = ({k: v for k, v in one.items() if k not in ("request_id", "key", "at")} for one in itertools.cycle(bodies))
    return Client(f"{platform.settings.gateway}/{use_case.name}/predict/", asked)


@pytest.fixture(scope="module")
def churn_version(platform: Platform, deployed: DagRun) -> str:
    """The second use case has gone the same way, from a file to the version that serves."""
    assert deployed.state == "success"
    generate(platform.churn, [0], rows=FIRST_ROWS)
    for what in ("ingest", "retrain", "deploy"):
        assert platform.ended(platform.run_of(f"churn_{what}")).state == "success"
    (decision,) = read_decisions(platform.churn)
    return decision.version


def test_drift_in_one_use_case_retrains_that_one_and_the_other_answers_as_before(
    platform: Platform, churn_version: str
) -> None:
    insurance, churn = platform.insurance, platform.churn
    dags = ("insurance_retrain", "insurance_deploy")
    before = {dag_id: platform.airflow.runs(dag_id) for dag_id in dags}
    events, (first,), windows = all_events(insurance), read_decisions(insurance), len(live_reports(insurance))
    usual = [body(insurance.contract, question) for question in questions_of(insurance, 0, "loop")]
    others = [{"plan": "pro, annual", "usage": 7.0 * number % 200} for number in range(200)]
    with client(platform, insurance, usual) as clients, client(platform, churn, others) as other_customers:
        retrain = platform.run_of("churn_retrain", 2)
        asked_before = len(clients.answers)
        assert platform.ended(retrain).state == "success"
        assert platform.ended(platform.run_of("churn_deploy", 2)).state == "success"
        _, decision, *_ = read_decisions(churn)  # the new version's requests are others than its rows, too
        eventually(lambda: decision.version in other_customers.versions)
        asked = len(clients.answers)
        eventually(lambda: len(clients.answers) > asked + RATE)
    told = json.loads(run_in(platform.settings)("status", "--json").stdout)["use_cases"]  # Airflow has time meanwhile
    assert (decision.trigger, decision.outcome, decision.drifted[0]) == ("drift", "promoted", "plan")
    truth, drift, *_ = all_events(churn)
    assert (truth.kind, drift.kind, drift.handled_by) == ("ground_truth", "drift", decision.decision_id)
    assert other_customers.failures == [] and other_customers.versions == [churn_version, decision.version]
    assert {answer["prediction"] for answer in other_customers.answers} <= {"stays", "leaves"}

    assert clients.failures == [] and clients.versions == [first.version]
    assert {answer["prediction"] for answer in clients.answers} == {"high", "medium", "low"}
    assert not [answer for answer in clients.answers if answer["reason"].startswith("model unavailable")]
    assert asked - asked_before > insurance.contract.monitoring.window, "it was loaded all the while"
    assert {report.state for report in live_reports(insurance)[windows:]} == {"stable"}
    assert {dag_id: platform.airflow.runs(dag_id) for dag_id in dags} == before
    assert all_events(insurance) == events and not open_events(insurance)
    assert read_decisions(insurance) == [first]
    shown = [(one["name"], one["state"], one["model_version"], one["problem"]) for one in told]
    assert shown == [("churn", "ok", decision.version, ""), ("insurance", "ok", first.version, "")]
