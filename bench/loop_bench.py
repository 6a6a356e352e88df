"""How long the loop takes through Airflow, from a landed file to a new version that answers; Airflow's own share."""

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from bench.figure import Figure
from bench.own_platform import own_environment, running, timed
from console.platform.airflow_environment import with_airflow
from lakeloop.airflow_runs import AirflowRuns, DagRun
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, contract_path, open_use_case

MANY_ROWS = 200_000
FEWER_STEPS = {"epochs": 3, "batch": 256}
"""The model settings for many rows: what is measured is the way through the pipeline, not gradient descent."""
LONGEST_SECONDS = 1800.0
_LOOK_SECONDS = 0.2
Task = Mapping[str, Any]
T = TypeVar("T")


def measure(home: Path) -> list[Figure]:
    """A month lands on a new platform, and by itself becomes a version that answers; then the same with many rows."""
    return [*_few_rows(home / "loop"), *_many_rows(home / "loop-many")]


def _few_rows(home: Path) -> list[Figure]:
    environment = own_environment(home)
    settings = _settings(environment)
    with running(environment):
        landed = time.time()
        timed(environment, "data", "generate", "--periods", "0")
        airflow = AirflowRuns(with_airflow(settings))
        ingest, retrain = (
            _first(airflow, open_use_case(settings), "ingest"),
            _first(airflow, open_use_case(settings), "retrain"),
        )
        ingested = _ended(_tasks(airflow, ingest)["ground_truth"])
        answering = _wait(lambda: _answers(settings))
        _wait(lambda: airflow.run(retrain).ended)
        tasks, run = _tasks(airflow, retrain), _raw(airflow, retrain)
        queued = _at(run["queued_at"]) - ingested
        first_task = min(_at(task["start_date"]) for task in _tasks(airflow, ingest).values() if task["start_date"])
    return [
        Figure("a landed file's first task starts after", first_task - landed, "s", None),
        Figure("ground truth: event to queued retrain", queued, "s", 10),
        Figure("event to the new version answering, one candidate, 1,500 rows", answering - ingested, "s", 60),
        Figure("Airflow's own time a task", _between(tasks) / len(tasks), "s", 3),
    ]


def _many_rows(home: Path) -> list[Figure]:
    environment = own_environment(home)
    settings = _settings(environment)
    use_cases = home.resolve() / "use_cases"
    path = contract_path(settings, settings.use_case)
    shutil.copytree(path.parent, use_cases / settings.use_case)
    contract = use_cases / settings.use_case / path.name
    text = contract.read_text(encoding="utf-8")
    for name, value in FEWER_STEPS.items():
        text = re.sub(rf"^(\s+{name}:) \d+", rf"\1 {value}", text, flags=re.MULTILINE)
    contract.write_text(text, encoding="utf-8")
    environment["LAKELOOP_USE_CASES"] = str(use_cases)
    with running(environment):
        timed(environment, "data", "generate", "--periods", "0", "--rows", str(MANY_ROWS))
        airflow = AirflowRuns(with_airflow(settings))
        retrain = _first(airflow, open_use_case(settings), "retrain")
        _wait(lambda: (task := _tasks(airflow, retrain).get("what_now")) and task["end_date"])
        tasks = {name: task for name, task in _tasks(airflow, retrain).items() if task["end_date"]}
    own = _between(tasks)
    return [
        Figure(f"Airflow's own time beside its tasks', {MANY_ROWS:,} rows", 100 * own / _at_work(tasks), "%", 25),
        Figure(f"why to what_now, {MANY_ROWS:,} rows", own + _at_work(tasks), "s", None),
    ]


def _settings(environment: Mapping[str, str]) -> Settings:
    fields = {name.removeprefix("LAKELOOP_").lower(): value for name, value in environment.items()}
    return Settings(**{name: value for name, value in fields.items() if name in Settings.model_fields})  # type: ignore[arg-type]


def _first(airflow: AirflowRuns, use_case: UseCase, what: str) -> DagRun:
    return _wait(lambda: airflow.runs(f"{use_case.name}_{what}"))[0]


def _raw(airflow: AirflowRuns, run: DagRun) -> Task:
    return airflow.ask("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}")


def _tasks(airflow: AirflowRuns, run: DagRun) -> dict[str, Task]:
    """What ran, by name."""
    path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
    found = airflow.ask("GET", path, params={"limit": 100})["task_instances"]
    return {task["task_id"]: task for task in found if task["start_date"]}


def _at_work(tasks: Mapping[str, Task]) -> float:
    """Seconds in which any task ran; they run one at a time, or overlap a little."""
    seconds, reached = 0.0, 0.0
    for begun, ended in sorted((_at(task["start_date"]), _ended(task)) for task in tasks.values()):
        seconds += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return seconds


def _between(tasks: Mapping[str, Task]) -> float:
    """Seconds from the first task to the last in which none ran."""
    begun, ended = min(_at(t["start_date"]) for t in tasks.values()), max(map(_ended, tasks.values()))
    return ended - begun - _at_work(tasks)


def _answers(settings: Settings) -> float:
    """Now, if the gateway answers from a model; 0 if not yet."""
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{settings.gateway}/health", timeout=2) as answer:
        if json.load(answer).get("model_version"):
            return time.time()
    return 0.0


def _wait(condition: Callable[[], T]) -> T:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it within {LONGEST_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
    return value


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _ended(task: Task) -> float:
    return _at(task["end_date"])
