"""A running platform, looked at by its API and its processes as a person does."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from console.platform.airflow_environment import with_airflow
from console.platform.marked_processes import marked_processes
from console.platform.paths import home_of
from lakeloop.airflow_runs import AirflowRuns, DagRun, TaskState
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.console.platform.conftest import run_in
from tests.waiting import eventually

PERSON = "demo"


class Platform:
    """The platform of a home in which `insurance` and `churn` are live."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.insurance, self.churn = (open_use_case(settings, name) for name in ("insurance", "churn"))
        self.airflow = AirflowRuns(with_airflow(settings).model_copy(update={"airflow_user": PERSON}))

    def run_of(self, dag_id: str, number: int = 1, seconds: float = 300) -> DagRun:
        """A DAG's first run, or that of a number, which started by itself."""
        return eventually(lambda: self.airflow.runs(dag_id)[number - 1 :], seconds)[0]

    def ended(self, run: DagRun, seconds: float = 900) -> DagRun:
        return eventually(lambda: (now := self.airflow.run(run)).ended and now, seconds)

    def task(self, run: DagRun, name: str) -> TaskState | None:
        return next((task for task in self.airflow.tasks(run) if task.task_id == name), None)

    def is_running(self, run: DagRun, name: str) -> bool:
        task = self.task(run, name)
        return task is not None and task.state == "running"

    def command_of(self, node: str) -> int | None:
        """The process of a node's task: a fork of the warm process, whose log names what it runs."""
        log = Path(self.settings.area("logs")) / "warm-server.log"
        said = log.read_text() if log.exists() else ""
        started = re.findall(rf"event=started pid=(\d+) what='[^']* {node}'", said)
        if forked := [int(pid) for pid in started if f"event=ended pid={pid} " not in said]:
            return forked[-1]
        for process in marked_processes(home_of(self.settings)):  # nobody was warm: a process of its own
            with suppress(psutil.Error):  # it ends just now
                if process.cmdline()[-1:] == [node]:
                    return process.pid
        return None

    def service(self, name: str) -> dict[str, Any]:
        rows = json.loads(run_in(self.settings)("status", "--json").stdout)["services"]
        return next(row for row in rows if row["name"] == name)
