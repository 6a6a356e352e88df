"""What happens in Airflow, read and steered over its REST API: DAG runs, their tasks, and questions to a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lakeloop.airflow_api import AirflowApi

_AS_MANY = 100
SETTLED_SECONDS = 5.0
"""The scheduler notices within a second or two that a task's process has ended."""
ENDED = frozenset({"success", "failed"})
TASK_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True)
class DagRun:
    """One run; `state` is Airflow's: queued, running, success or failed."""

    dag_id: str
    run_id: str
    state: str
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in it, unless somebody clears a task."""
        return self.state in ENDED


@dataclass(frozen=True)
class TaskState:
    """One task of a run; `map_index` is -1 unless it was mapped, `label` names it as the UI does."""

    task_id: str
    map_index: int
    label: str
    state: str
    seconds: float
    tries: int

    @property
    def ended(self) -> bool:
        """Whether it came to an end, good or bad."""
        return self.state in TASK_ENDED


@dataclass(frozen=True)
class Question:
    """What a task asks a person: options, and for a form its fields' values."""

    run: DagRun
    task_id: str
    map_index: int
    subject: str
    body: str
    options: tuple[str, ...]
    form: Mapping[str, Any]


class AirflowRuns(AirflowApi):
    """Airflow as someone sees it who starts DAGs, watches them and answers their questions."""

    SECONDS = 90.0
    """Who follows a story waits for an api-server that is busy; where nothing listens, that is said at once."""

    def trigger(self, dag_id: str, form: Mapping[str, Any] | None = None) -> DagRun:
        """Start a run with the form's values.

        Raises:
            AirflowRefusedError: the form is wrong (400), or there is no such DAG (404).
        """
        body = {"logical_date": None, "conf": dict(form or {})}
        return _run(self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def runs(self, dag_id: str) -> tuple[DagRun, ...]:
        """The newest hundred runs of a DAG, the oldest first."""
        page = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "-id", "limit": _AS_MANY})
        return tuple(_run(run) for run in reversed(page["dag_runs"]))

    def run(self, run: DagRun) -> DagRun:
        """The run as it is now."""
        return _run(self.ask("GET", _path(run)))

    def tasks(self, run: DagRun) -> tuple[TaskState, ...]:
        """Every task of the run that there is so far, in the order they started; those that did not, last."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"limit": _AS_MANY, "offset": len(found)}
            page = self.ask("GET", f"{_path(run)}/taskInstances", params=query)
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                break
        return tuple(_task(task) for task in sorted(found, key=lambda task: task["start_date"] or "9"))

    def questions(self, run: DagRun) -> tuple[Question, ...]:
        """What the run's tasks wait for and nobody has answered, some seconds after it was asked.

        Airflow lists a question before its task waits and before the scheduler knows of it. An answer in that time
        would wake nobody where the database is SQLite, which locks no row, or end the task, which then asks again.
        """
        page = self.ask("GET", f"{_path(run)}/hitlDetails", params={"response_received": False})
        settled = datetime.now(UTC) - timedelta(seconds=SETTLED_SECONDS)
        waiting = [
            detail
            for detail in page["hitl_details"]
            if detail["task_instance"]["state"] != "running" and datetime.fromisoformat(detail["created_at"]) < settled
        ]
        return tuple(_question(run, detail) for detail in waiting)

    def answer(self, question: Question, option: str, form: Mapping[str, Any] | None = None) -> None:
        """Choose an option, with the form's values."""
        path = f"{_path(question.run)}/taskInstances/{question.task_id}/{question.map_index}/hitlDetails"
        self.ask("PATCH", path, json={"chosen_options": [option], "params_input": dict(form or {})})

    def link(self, run: DagRun) -> str:
        """Where the run is looked at."""
        return f"{self.url}/dags/{run.dag_id}/runs/{run.run_id}"


def _path(run: DagRun) -> str:
    return f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}"


def _run(found: dict[str, Any]) -> DagRun:
    return DagRun(found["dag_id"], found["dag_run_id"], found["state"], found["duration"] or 0.0)


def _task(found: dict[str, Any]) -> TaskState:
    index = found["map_index"]
    name = found.get("rendered_map_index") or index
    return TaskState(
        task_id=found["task_id"],
        map_index=index,
        label=found["task_id"] if index < 0 else f"{found['task_id']} [{name}]",
        state=found["state"] or "",
        seconds=found.get("duration") or 0.0,
        tries=found["try_number"],
    )


def _question(run: DagRun, detail: dict[str, Any]) -> Question:
    task = detail["task_instance"]
    form = {name: field["value"] for name, field in detail["params"].items()}
    return Question(
        run, task["task_id"], task["map_index"], detail["subject"], detail["body"] or "", tuple(detail["options"]), form
    )
