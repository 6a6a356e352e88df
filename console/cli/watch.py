"""Follows Airflow's runs in the terminal: what ended, how long it took, and what a person is asked."""

import time
from collections.abc import Callable

from rich.markdown import Markdown
from rich.markup import escape

from console.cli.render import BAD, DIM, GOOD, console
from lakeloop.airflow_runs import AirflowRuns, DagRun, Question, TaskState
from lakeloop.exceptions import LakeloopError

LOOK_SECONDS = 1.0


class Watch:
    """Watches one Airflow and tells what happens, each line with the minutes and seconds since `began`.

    `decide` answers a question that was just shown; it is called once a question and may take its time.
    """

    def __init__(self, airflow: AirflowRuns, decide: Callable[[Question], None]) -> None:
        self._airflow, self._decide = airflow, decide
        self._began = time.monotonic()
        self._known: dict[str, set[str]] = {}
        self._shown: dict[tuple[str, str], set[tuple[str, int, int]]] = {}

    def remember(self, *dag_ids: str) -> None:
        """Take the runs there are as known, so that `next_run` waits for one that comes after now."""
        for dag_id in dag_ids:
            self._known[dag_id] = {run.run_id for run in self._airflow.runs(dag_id)}

    def next_run(self, dag_id: str, seconds: float = 300, why: str = "") -> DagRun:
        """Wait for a run of the DAG that is not known yet, and say that it is there.

        Raises:
            LakeloopError: none comes within so many seconds.
        """
        known = self._known.setdefault(dag_id, set())
        until = time.monotonic() + seconds
        with console.status(f"waiting for {dag_id}{f' ({why})' if why else ''} …"):
            while time.monotonic() < until:
                for run in self._airflow.runs(dag_id):
                    if run.run_id not in known:
                        known.add(run.run_id)
                        return run
                time.sleep(LOOK_SECONDS)
        raise LakeloopError(
            f"no run of {dag_id} came within {seconds:.0f} s{f' ({why})' if why else ''}; is the DAG paused? look at "
            f"{self._airflow.url}/dags/{dag_id}, and at `lakeloop logs scheduler`"
        )

    def follow(self, run: DagRun, until: str = "") -> DagRun:
        """Tell how each task of the run ends, show what a person is asked, until the run, or task `until`, has ended.

        Following it again goes on from there.

        Raises:
            LakeloopError: the run failed.
        """
        if (run.dag_id, run.run_id) not in self._shown:
            self.say(f"[bold]{run.dag_id}[/bold]  {self._airflow.link(run)}")
        shown = self._shown.setdefault((run.dag_id, run.run_id), set())
        put: set[tuple[str, int]] = set()
        with console.status("") as status:
            while True:
                now = self._airflow.run(run)  # before its tasks: what ended before it did is then told, too
                tasks = self._airflow.tasks(run)
                for task in tasks:
                    if task.ended and (task.task_id, task.map_index, task.tries) not in shown:
                        shown.add((task.task_id, task.map_index, task.tries))
                        self._tell(task)
                for question in self._airflow.questions(run):
                    if (question.task_id, question.map_index) not in put:
                        put.add((question.task_id, question.map_index))
                        status.stop()
                        self._show(question)
                        self._decide(question)
                        status.start()
                if now.ended or any(task.task_id == until and task.state == "success" for task in tasks):
                    break
                status.update(f"  {escape(_at_work(tasks))} …")
                time.sleep(LOOK_SECONDS)
        if now.state == "failed":
            failed = [task.label for task in tasks if task.state == "failed"]
            raise LakeloopError(
                f"{run.dag_id} failed{f' in {failed[0]}' if failed else ''}; its log: {self._airflow.link(run)}"
            )
        return now

    def say(self, text: str) -> None:
        """A line with the time since the beginning."""
        seconds = int(time.monotonic() - self._began)
        console.print(f"[{DIM}]{seconds // 60:2}:{seconds % 60:02}[/{DIM}]  {text}", soft_wrap=True)

    def _tell(self, task: TaskState) -> None:
        if task.state in ("skipped", "removed"):
            return
        style = GOOD if task.state == "success" else BAD
        again = f"  (try {task.tries})" if task.tries > 1 else ""
        self.say(f"  {escape(f'{task.label:44}')} {task.seconds:6.1f} s  [{style}]{task.state}[/{style}]{again}")

    def _show(self, question: Question) -> None:
        self.say(f"[bold]a person is asked:[/bold] {question.subject}")
        console.print(Markdown(question.body))
        console.print(f"choices: {' · '.join(question.options)}")


def _at_work(tasks: tuple[TaskState, ...]) -> str:
    running = [task.label for task in tasks if task.state == "running"]
    return ", ".join(running) or "Airflow plans the next task"
