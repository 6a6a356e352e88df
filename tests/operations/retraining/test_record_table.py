"""The records of retrains are kept whole, whoever writes at the same time, also those of older releases."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.events import record_event, take_open_events
from lakeloop.exceptions import LakeloopError, NotFoundError, WrongUseError
from lakeloop.operational_db import engine, retrains
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from operations.retraining import stages
from operations.retraining.approval import Approval
from operations.retraining.record import RetrainRecord, RetrainState
from operations.retraining.record_table import (
    add_record,
    change_record,
    load_record,
    record_of_airflow_run,
    records_at_work,
)
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain import retrain
from tests.postgresql_server import postgresql_server

Planned = Callable[..., RetrainRecord]


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    if request.param == "sqlite":
        return settings
    server = request.getfixturevalue("server")
    return settings.model_copy(update={"database_url": f"{server.socket_url}"})


@pytest.fixture(scope="module")
def server():  # type: ignore[no-untyped-def]
    with postgresql_server() as running:
        yield running


def verdict(run: str) -> ScoredCandidate:
    return ScoredCandidate(name=run, what="trained", run_id=run, score=0.9)


def test_a_record_is_kept_whole(any_database: Settings, planned: Planned) -> None:
    waiting = Decision.model_validate(DECISION)
    for record in (
        planned("run-1", "run-2").model_copy(update={"decision_id": "d3", "in_tasks": True}).scored(verdict("run-1")),
        planned("run-1").model_copy(update={"decision_id": "d4"}).scored(verdict("run-1")).decided(waiting),
    ):
        assert add_record(open_use_case(any_database), record) is record
        assert load_record(open_use_case(any_database), record.decision_id) == record
    assert [
        record.decision_id for record in records_at_work(open_use_case(any_database)) if record.state == "scoring"
    ] == ["d3"]


def test_candidates_scored_at_the_same_time_are_all_kept(any_database: Settings, planned: Planned) -> None:
    runs = [f"run-{number}" for number in range(4)]
    add_record(open_use_case(any_database), planned(*runs).model_copy(update={"decision_id": "d2"}))
    together = Barrier(len(runs))

    def score(run: str) -> None:
        met: list[bool] = []

        def change(record: RetrainRecord) -> RetrainRecord:
            if not met:  # each has read the record before any of them has written it
                met.append(bool(together.wait(60) >= 0))
            return record.scored(verdict(run))

        change_record(open_use_case(any_database), "d2", change)

    with ThreadPoolExecutor(len(runs)) as threads:
        list(threads.map(score, runs))
    assert load_record(open_use_case(any_database), "d2").verdicts == {run: verdict(run) for run in runs}


def test_a_change_that_is_refused_changes_nothing(use_case: UseCase, planned: Planned) -> None:
    kept = planned("run-1")
    with pytest.raises(WrongUseError, match="cannot become recorded"):
        change_record(use_case, "d1", lambda record: record.to("recorded"))
    assert load_record(use_case, "d1") == kept


def test_a_retrain_of_another_use_case_is_not_found(use_case: UseCase, planned: Planned) -> None:
    planned("run-1")
    other = replace(use_case, contract=use_case.contract.model_copy(update={"use_case": "wine"}))
    assert records_at_work(other) == []
    with pytest.raises(NotFoundError, match="no decision d1 of wine; the newest are none"):
        load_record(other, "d1")


def test_a_record_that_cannot_be_read_is_named(settings: Settings, use_case: UseCase, planned: Planned) -> None:
    planned("run-1")
    with engine(settings.operational_db).begin() as connection:
        connection.execute(update(retrains).values(request={"whim": 1}))
    with pytest.raises(LakeloopError, match="the record of retrain d1 cannot be read"):
        load_record(use_case, "d1")


BEGUN: dict[str, Any] = {
    "decision_id": "20260101T101500-4f2a", "use_case": "insurance", "at": "2026-01-01T10:15:00Z",
    "asked": {
        "strategy": "newest", "months": [0, 12], "trials": 6, "trigger": "", "decided_by": "airflow", "promote": True,
        "airflow_run_id": "asset__1", "changes": {"units": "50"},
    },
    "trigger": "drift",
    "events": [{"id": 7, "kind": "drift", "key": "e1", "payload": {"month": 11}}],
}  # fmt: skip
PLAN = {
    "decision_id": "20260101T101500-4f2a", "clock": 11, "champion": "17", "champion_score": 0.81,
    "champion_judged_on": "", "champion_checks": [], "with_truth": False, "changed_rows": 0, "judged_on": "300 rows",
    "judged_version": 3, "judged_rows": 300, "effective_rows": None, "drifted": ["miles"],
    "candidates": [{"name": "newest", "what": "trained", "run_id": "run-1", "error": ""}],
}  # fmt: skip
SCORE = {
    "name": "newest", "what": "trained", "run_id": "run-1", "passed": False, "score": 0.8, "error": "",
    "checks": [{"name": "accuracy_eval", "value": 0.8, "bound": "> 0.85", "passed": False}],
}  # fmt: skip
DECISION = {
    **{name: value for name, value in PLAN.items() if name != "candidates"},
    "use_case": "insurance", "at": "2026-01-01T10:20:00Z", "strategy": "newest", "trigger": "drift",
    "event_ids": ["7"], "candidates": [SCORE], "winner": "", "version": "", "outcome": "none passed",
    "reason": "every candidate failed the gate", "decided_by": "airflow", "airflow_run_id": "asset__1", "choice": "",
    "choice_details": "", "chosen_by": "", "chosen_at": None,
}  # fmt: skip
WAITING = {"begun": BEGUN, "plan": PLAN, "score-run-1": SCORE, "decision": DECISION}


def older_home(settings: Settings, files: dict[str, object], at_work: bool = False) -> Path:
    """A retrain as a release before this one left it."""
    decisions = open_use_case(settings).folder("tfx") / "decisions"
    folder = decisions / str(BEGUN["decision_id"])
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    if at_work:
        note = {"decision": BEGUN["decision_id"], "dag_run": "asset__1"}
        (decisions / "at-work.json").write_text(json.dumps(note))
    return folder


@pytest.mark.parametrize(
    ("files", "at_work", "state"),
    [
        ({"begun": BEGUN}, True, "begun"),
        ({"begun": BEGUN, "plan": PLAN}, True, "planned"),
        ({"begun": BEGUN, "plan": PLAN, "score-run-1": SCORE}, True, "scoring"),
        ({"begun": BEGUN, "plan": PLAN}, False, "failed"),
        (WAITING, False, "waiting"),
        ({**WAITING, "decision": {**DECISION, "outcome": "promoted", "winner": "newest"}}, True, "pushing"),
        ({**WAITING, "decision": {**DECISION, "outcome": "promoted", "winner": "newest"}}, False, "failed"),
        ({**WAITING, "decision": {**DECISION, "outcome": "promoted", "version": "18"}}, False, "recorded"),
        ({**WAITING, "decision": {**DECISION, "outcome": "kept", "choice": "keep"}}, True, "decided"),
        ({**WAITING, "decision": {**DECISION, "outcome": "kept", "choice": "keep"}}, False, "recorded"),
    ],
)
def test_a_retrain_that_an_older_release_left_goes_on(
    settings: Settings, use_case: UseCase, files: dict[str, object], at_work: bool, state: RetrainState
) -> None:
    older_home(settings, files, at_work)
    record = record_of_airflow_run(use_case, "asset__1")
    assert record is not None and record.state == state
    assert record.request == RetrainRequest(
        "newest", (0, 12), decided_by="airflow", airflow_run_id="asset__1", changes={"units": "50"}
    )
    assert record.event_ids == ("7",) and record.in_tasks
    assert (record.plan is not None, bool(record.verdicts)) == ("plan" in files, "score-run-1" in files)
    assert records_at_work(use_case) == ([record] if record.at_work else [])
    assert not list(settings.home.rglob("at-work.json"))


def test_the_next_retrain_takes_the_events_of_one_that_was_killed_on_an_older_command_line(
    settings: Settings, work: Workplace
) -> None:
    event, _ = record_event(work.use_case, "drift", "e1", {"month": 11})
    take_open_events(work.use_case, BEGUN["decision_id"])
    request = {**BEGUN["asked"], "airflow_run_id": ""}
    killed = older_home(settings, {"begun": {**BEGUN, "asked": request}, "plan": PLAN})
    assert [record.state for record in records_at_work(work.use_case)] == ["planned"]
    made = retrain(work, RetrainRequest("keep"))
    assert made is not None and made.event_ids == (str(event.id),)
    assert load_record(work.use_case, killed.name).state == "failed"


def test_a_person_answers_a_question_that_an_older_release_asked(settings: Settings, work: Workplace) -> None:
    decision_id = str(BEGUN["decision_id"])
    older_home(settings, WAITING)
    approved = stages.approve(work, load_record(work.use_case, decision_id), Approval("keep", by="demo"))
    assert (approved.state, approved.the_decision.outcome) == ("decided", "kept")


def test_an_older_retrain_is_read_in_once(settings: Settings, work: Workplace) -> None:
    folder = older_home(settings, WAITING)
    kept = stages.approve(work, load_record(work.use_case, folder.name), Approval("keep", by="demo"))
    assert (folder / "decision.json").exists()
    assert records_at_work(work.use_case) == [kept]
    assert load_record(work.use_case, folder.name) == kept


def test_an_older_folder_that_cannot_be_read_stops_nobody(settings: Settings, work: Workplace) -> None:
    folder = older_home(settings, {"begun": BEGUN})
    (folder / "begun.json").write_text("{")
    with pytest.raises(NotFoundError, match=r"no decision 20260101T101500-4f2a"):
        load_record(work.use_case, folder.name)
    assert retrain(work, RetrainRequest("keep")) is not None
