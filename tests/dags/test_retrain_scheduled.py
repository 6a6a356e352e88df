"""Airflow's real scheduler: whose tasks find a place; and retrains by the real commands: what wakes them, how many
there are, what they take.

The strategy is `keep`, so that a run looks, decides and records, but trains nothing: what is tested is who runs when.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from console.cli.watch import Watch
from console.platform.airflow_environment import PREFERENCES, airflow_environment, with_airflow
from console.platform.generated_secrets import ensure_secrets
from lakeloop.access.generated import ensure_tokens, token_file
from lakeloop.access.tokens import create_token
from lakeloop.airflow_runs import AirflowRuns
from lakeloop.decision import CHOICES, Decision, ScoredCandidate
from lakeloop.events import find_event, open_events, record_event
from lakeloop.exceptions import AirflowError, AirflowRefusedError
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import open_use_case
from monitoring.airflow_client import AirflowClient
from monitoring.airflow_pools import SLOTS, ensure_pools
from operations.retraining.record import RetrainRecord, state_of
from operations.retraining.record_table import add_record, load_record
from operations.retraining.request import RetrainRequest
from tests.ports import free_port

pytestmark = pytest.mark.long
DAG = "/api/v2/dags/insurance_retrain"
AIRFLOW = PROJECT / ".venv-airflow" / "bin" / "airflow"
ORDER = ("GoldExport", "QualityGate", "InfraValidator", "Pusher")


class Scheduled:
    """A running Airflow with a few DAGs, whose users are those who have a token."""

    def __init__(self, settings: Settings) -> None:
        self.settings = with_airflow(settings)
        self.use_case = open_use_case(self.settings)
        self.events = AirflowClient(self.settings)

    def runs(self) -> list[dict[str, Any]]:
        """The DAG's runs, the oldest first."""
        found = self.events.ask("GET", f"{DAG}/dagRuns", params={"order_by": "run_after", "limit": 50})["dag_runs"]
        return list(found)

    def states(self, run: str) -> dict[str, str]:
        """The state of each task of a run."""
        found = self.events.ask("GET", f"{DAG}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def happens(self, key: str, post: bool = True) -> int:
        """Drift is found: it goes to the ledger and, unless Airflow is away just then, to Airflow."""
        event, _ = record_event(self.use_case, "drift", key, {"episode": key})
        if post:
            self.events.post(event)
        return event.id

    def quiet(self, known: int, seconds: float = 15) -> list[dict[str, Any]]:
        """The runs after all of more than `known` have ended and nothing has begun for a while."""
        wait(lambda: len(self.runs()) > known and all(run["end_date"] for run in self.runs()), 420)
        time.sleep(seconds)
        wait(lambda: all(run["end_date"] for run in self.runs()), 420)
        return self.runs()[known:]


def wait(until: Callable[[], Any], seconds: float) -> Any:
    """What `until` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(AirflowError):
            found = until()
            if found:
                return found
        time.sleep(1)
    raise AssertionError(f"waited {seconds:.0f} s in vain")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(home=home, use_case="insurance", airflow_port=free_port(), auth="on")
    graph = home / "tfx" / "insurance" / "graph.json"
    graph.parent.mkdir(parents=True)
    graph.write_text(
        json.dumps({"nodes": [{"id": node, "upstream": ORDER[:number]} for number, node in enumerate(ORDER)]})
    )
    ensure_tokens(settings)
    for name, role in (("rita", "read"), ("dora", "decide")):
        create_token(settings, name, role, "a test")
    ensure_secrets(settings)
    told = with_airflow(settings)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKELOOP"))}
    environment = {
        **inherited, **PREFERENCES, **airflow_environment(settings),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "tests" / "dags" / "scheduled"),
        "LAKELOOP_AUTH": "on", "LAKELOOP_TOKEN_FILE": str(token_file(settings, "lakeloop")),
        "LAKELOOP_AIRFLOW_URL": told.airflow_url, "LAKELOOP_AIRFLOW_USER": told.airflow_user,
        "LAKELOOP_AIRFLOW_PASSWORD_FILE": str(told.airflow_password_file),
        "LAKELOOP_STRATEGY_ON_DRIFT": "keep", "LAKELOOP_SPARK_MEMORY": "1g", "LAKELOOP_SPARK_KEEP_SECONDS": "60",
    }  # fmt: skip
    migrated = subprocess.run(
        [AIRFLOW, "db", "migrate"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert migrated.returncode == 0, migrated.stderr[-2000:]
    log = (home / "airflow.log").open("a")
    parts = [
        subprocess.Popen([AIRFLOW, part], env=environment, stdout=log, stderr=log, start_new_session=True)
        for part in ("api-server", "scheduler", "dag-processor")
    ]
    try:
        running = Scheduled(settings)
        wait(lambda: running.events.ask("GET", DAG)["dag_id"], 240)
        ensure_pools(running.events, ["insurance"])
        yield running
    finally:
        for number in (15, 9):
            for part in parts:
                with suppress(ProcessLookupError):
                    os.killpg(part.pid, number)
            deadline = time.monotonic() + 15
            while number == 15 and time.monotonic() < deadline and any(part.poll() is None for part in parts):
                time.sleep(0.5)
        for part in parts:
            part.wait(20)
        log.close()


def test_a_crowd_of_one_use_cases_tasks_leaves_a_place_for_another(airflow: Scheduled) -> None:
    def states(dag: str) -> Counter[str]:
        path = f"/api/v2/dags/{dag}_work/dagRuns/~/taskInstances"
        return Counter(task["state"] for task in airflow.events.ask("GET", path)["task_instances"])

    for dag in ("crowd", "other"):
        wait(lambda dag=dag: airflow.events.ask("GET", f"/api/v2/dags/{dag}_work"), 60)  # type: ignore[misc]
        airflow.events.ask("POST", f"/api/v2/dags/{dag}_work/dagRuns", json={"logical_date": None})
    wait(lambda: states("crowd") == {"scheduled": 6} and states("other") == {"scheduled": 1}, 60)
    assert ensure_pools(airflow.events, ["crowd"]) == ["crowd"], "until it is there, its tasks wait"
    wait(lambda: states("crowd") == {"running": SLOTS, "scheduled": 6 - SLOTS}, 60)
    assert ensure_pools(airflow.events, ["crowd", "other"]) == ["other"]
    wait(lambda: states("other") == {"success": 1}, 60)
    assert states("crowd") == {"running": SLOTS, "scheduled": 6 - SLOTS}
    (airflow.settings.home / "go-on").touch()
    wait(lambda: states("crowd") == {"success": 6}, 60)


def test_events_during_a_run_lead_to_exactly_one_more_that_takes_them_all(airflow: Scheduled) -> None:
    first = airflow.happens("e1")
    run = wait(lambda: airflow.runs(), 60)[0]["dag_run_id"]
    wait(lambda: airflow.states(run).get("why") == "success", 120)
    assert not airflow.runs()[0]["end_date"], "the first run is still at work"
    later = [airflow.happens("e2"), airflow.happens("e3"), airflow.happens("e4")]
    runs = airflow.quiet(0)
    assert [run["state"] for run in runs] == ["success", "success"]
    one, two = (find_event(airflow.use_case, number).handled_by for number in (first, later[0]))
    assert one != two
    assert {find_event(airflow.use_case, number).handled_by for number in later} == {two}
    assert open_events(airflow.use_case) == ()
    # Why it ran stands on the run's page.
    assert f"decision {one}" in runs[0]["note"] and 'drift e1: {"episode": "e1"}' in runs[0]["note"]
    assert all(f"drift {key}" in runs[1]["note"] for key in ("e2", "e3", "e4"))
    states = airflow.states(runs[1]["dag_run_id"])
    assert (states["record"], states["wake_next"], states["finish"]) == ("success", "skipped", "success")


def test_an_event_airflow_was_never_told_of_wakes_the_next_run_too(
    airflow: Scheduled, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(airflow.runs())
    watch = Watch(AirflowRuns(airflow.settings), decide=lambda question: pytest.fail(f"asked: {question}"))
    watch.remember("insurance_retrain")
    airflow.happens("f1")
    run = watch.next_run("insurance_retrain", 60)
    assert not watch.follow(run, until="why").ended
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    by_the_same_look = ["plan"]  # which follows at once, and no other
    assert told in (["insurance_retrain", "why"], ["insurance_retrain", "why", *by_the_same_look])
    missed = airflow.happens("f2", post=False)
    runs = airflow.quiet(before)
    assert [run["state"] for run in runs] == ["success", "success"]
    assert airflow.states(runs[0]["dag_run_id"])["wake_next"] == "success"
    assert open_events(airflow.use_case) == ()
    assert f"decision {find_event(airflow.use_case, missed).handled_by}" in runs[1]["note"]
    assert watch.follow(run).state == "success"
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert "why" not in told and told[-3:] == ["record", "wake_next", "finish"]  # it goes on where it was left


def test_who_answers_a_question_is_on_record_by_the_name_of_the_token(airflow: Scheduled) -> None:
    decision = Decision(
        decision_id="d1", use_case="insurance", at=datetime.now(UTC), clock=60, strategy="auto", trigger="ground_truth",
        champion="17", champion_score=0.8, with_truth=True, judged_on="300 rows",
        candidates=(ScoredCandidate(name="newest", what="newest rows", score=0.7),),
        outcome="none passed", reason="every candidate failed the gate", decided_by="airflow",
    )  # fmt: skip
    waiting = RetrainRecord(
        decision_id="d1", use_case="insurance", state=state_of(decision), at=decision.at, request=RetrainRequest(),
        decision=decision,
    )  # fmt: skip
    add_record(airflow.use_case, waiting)
    reads, decides = (
        AirflowRuns(airflow.settings.model_copy(update={"airflow_user": user})) for user in ("rita", "dora")
    )
    wait(lambda: decides.runs("insurance_question") == (), 60)  # the DAG is known
    run = decides.trigger("insurance_question", {"decision": "d1"})
    (question,) = wait(lambda: reads.questions(run), 120)
    with pytest.raises(AirflowError, match="user rita may not PATCH"):
        reads.answer(question, CHOICES["keep"])
    decides.answer(question, CHOICES["keep"], {"why": "more truth comes in May"})
    assert wait(lambda: (now := decides.run(run)).ended and now, 120).state == "success"
    made = load_record(airflow.use_case, "d1").the_decision
    assert (made.choice, made.choice_details) == ("keep", "more truth comes in May")
    assert made.chosen_by == "dora (through lakeloop)"


def test_a_wrong_form_is_refused_with_the_reason(airflow: Scheduled) -> None:
    before = len(airflow.runs())
    for conf, reason in (({"strategy": "hope"}, "is not one of"), ({"units": 0}, "minimum of 1")):
        with pytest.raises(AirflowRefusedError, match=reason) as refused:
            airflow.events.ask("POST", f"{DAG}/dagRuns", json={"logical_date": None, "conf": conf})
        assert refused.value.status == httpx.codes.BAD_REQUEST
    assert len(airflow.runs()) == before
