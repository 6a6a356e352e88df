"""Airflow's API where its database is busy. A whole Airflow is asked in tests/dags and tests/platform."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lakeloop import airflow_api
from lakeloop.airflow_api import AirflowApi
from lakeloop.airflow_runs import AirflowRuns, DagRun
from lakeloop.exceptions import AirflowError, AirflowRefusedError
from tests.played_airflow import AirflowHandler, PlayedAirflow

BUSY = {"detail": {"reason": "Database error", "message": "Serious error when handling your request."}}
BROKEN = {"detail": "An error occurred while trying to deserialize Dag"}


class Airflow(PlayedAirflow):
    """Answers what it was told to, one after the other; the last one for ever."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.answers: list[tuple[int, object]] = []
        self.asked = 0
        self.seconds = 0.0

    def next(self) -> tuple[int, object]:
        """The next answer, counted."""
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(AirflowHandler):
    server: Airflow

    def do_GET(self) -> None:
        if urlsplit(self.path).path.endswith("/hitlDetails"):
            return self.answer(*self.server.next())
        query = parse_qs(urlsplit(self.path).query)
        first, most = int(query["offset"][0]), min(int(query["limit"][0]), 100)  # as Airflow does
        page = [{"dag_id": str(number)} for number in range(first, min(first + most, 250))]
        self.answer(200, {"dags": page, "total_entries": 250})

    def posted(self, body: dict[str, Any]) -> None:
        sleep(self.server.seconds)
        self.answer(*self.server.next())


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    monkeypatch.setattr(airflow_api, "BUSY", (0.01, 0.01, 0.01))
    with Airflow() as server:
        yield server


def ask(airflow: Airflow) -> dict[str, object]:
    api = AirflowApi(airflow.settings())
    return api.ask("POST", "/api/v2/assets/events", json={})


def test_a_list_is_read_page_by_page(airflow: Airflow) -> None:
    api = AirflowApi(airflow.settings())
    assert [dag["dag_id"] for dag in api.all("/api/v2/dags", "dags")] == [str(number) for number in range(250)]


def test_a_question_is_there_when_its_task_and_the_scheduler_are_ready_for_the_answer(airflow: Airflow) -> None:
    api = AirflowRuns(airflow.settings())
    text = {"subject": "What now?", "body": None, "options": ["keep"], "params": {}}
    before, now = ((datetime.now(UTC) - timedelta(seconds=ago)).isoformat() for ago in (60, 0))
    for state, since, asked in (
        ("running", before, []), ("awaiting_input", now, []), ("awaiting_input", before, ["ask"])
    ):  # fmt: skip
        task = {"task_id": "ask", "map_index": -1, "state": state}
        airflow.answers = [(200, {"hitl_details": [{**text, "created_at": since, "task_instance": task}]})]
        assert [one.task_id for one in api.questions(DagRun("taxi_retrain", "r", "running"))] == asked


def test_a_slow_answer_is_waited_for_by_who_follows_a_story_alone(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.answers, airflow.seconds = [(200, {"dag_runs": []})], 0.6
    monkeypatch.setattr(AirflowApi, "SECONDS", 0.3)
    with pytest.raises(AirflowError, match="does not answer"):
        ask(airflow)
    runs = AirflowRuns(airflow.settings())
    assert runs.ask("POST", "/api/v2/assets/events", json={}) == {"dag_runs": []}


def test_a_busy_database_is_asked_again(airflow: Airflow) -> None:
    airflow.answers = [(500, BUSY), (500, BUSY), (200, {"id": 7})]
    assert ask(airflow) == {"id": 7}
    assert airflow.asked == 3


def test_a_database_that_stays_busy_is_an_error_at_last(airflow: Airflow) -> None:
    airflow.answers = [(500, BUSY)]
    with pytest.raises(AirflowRefusedError, match="Database error"):
        ask(airflow)
    assert airflow.asked == 4


def test_another_error_is_not_asked_again(airflow: Airflow) -> None:
    airflow.answers = [(500, BROKEN)]
    with pytest.raises(AirflowRefusedError, match="deserialize"):
        ask(airflow)
    assert airflow.asked == 1
