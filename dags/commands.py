"""One way to run the platform in a task: `lakeloop …` as a process of its own, in the platform's environment.

The process is forked from the home's warm server where one is ready, and started where none is. It ends with its task,
its output is the task's log, its exit code the task's fate, and what it wrote with `console.cli.result.write_result`
is the task's XCom value.
"""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lakeloop.settings import PROJECT, load_settings
from lakeloop.warm_process import PATIENCE_SECONDS, start_warm

COMMAND, MODULE = PROJECT / ".venv" / "bin" / "lakeloop", "console.cli"
WRONG_USE, REFUSED = 2, 3
_NOT_FOR_COMMANDS = ("AIRFLOW__", "_AIRFLOW", "PYTHONDONTWRITEBYTECODE")
_PR_SET_PDEATHSIG = 1
_SAID = "lakeloop: "


class Running(Protocol):
    """A command at work."""

    def wait(self) -> int:
        """The exit code, or minus the signal that ended it."""

    def end(self) -> None:
        """End it and everything it started: TERM, and after a while KILL."""


class LakeloopOperator(BaseOperator):
    """Runs `lakeloop <arguments>` for one use case; gives what the command wrote as its result, and its `exit_code`.

    `arguments` are templates. One that renders to nothing is left out, one that renders to a list becomes several,
    so that an option of a form is one argument: `{{ '--label=' ~ params.label if params.label }}`.
    `patience` is how many seconds it waits for a warm server that is importing, before it starts the command itself.
    Exit code 1 fails the try; 2 (wrong use) and 3 (refused) fail the task for good, unless they are in `answers`:
    then the task succeeds and `exit_code` tells. Events of its outlets carry the result as their `extra`.
    """

    template_fields: Sequence[str] = ("arguments", "environment")
    ui_color = "#e7f0f4"

    def __init__(
        self,
        *,
        arguments: Sequence[Any],
        use_case: str = "",
        answers: Collection[int] = (),
        environment: Mapping[str, Any] | None = None,
        patience: float = 1.0,
        **operator_options: Any,
    ) -> None:
        super().__init__(**operator_options)
        self.arguments = list(arguments)
        self.use_case = use_case
        self.answers = sorted(answers)
        self.environment = dict(environment or {})
        self.patience = patience
        self._process: Running | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the command to its end.

        Raises:
            AirflowFailException: trying again would change nothing.
            AirflowException: it failed; the text is what the command said.
        """
        arguments = _flat(self.arguments)
        with tempfile.TemporaryDirectory(prefix="lakeloop-task-") as folder:
            result_file = Path(folder) / "result.json"
            code, said = self._run(arguments, self._environment_of(context["ti"], result_file))
            result = json.loads(result_file.read_text(encoding="utf-8")) if result_file.exists() else {}
        if code == 0 or code in self.answers:
            for outlet in self.outlets:
                if isinstance(outlet, Asset):
                    context["outlet_events"][outlet].extra = result
            return {**result, "exit_code": code}
        text = f"`lakeloop {shlex.join(arguments)}` {_ending(code)}{': ' if said else ''}{said}"
        raise (AirflowFailException if code in (WRONG_USE, REFUSED) else AirflowException)(text)

    def on_kill(self) -> None:
        """End the command and everything it started: TERM, and after a while KILL."""
        if self._process is not None:
            self._process.end()

    def _run(self, arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
        self.log.info("$ lakeloop %s", shlex.join(arguments))
        reading, writing = os.pipe()
        said: list[str] = []
        with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
            try:
                self._process = self._start(arguments, environment, writing)
            finally:
                os.close(writing)
            try:
                for line in output:
                    self.log.info("%s", line.rstrip())
                    if line.startswith(_SAID):
                        said = [line.removeprefix(_SAID)]
                    elif said:
                        said.append(line)
                return self._process.wait(), "".join(said).strip()
            except BaseException:
                self.on_kill()
                raise

    def _start(self, arguments: list[str], environment: dict[str, str], output: int) -> Running:
        """The command at work, writing to `output`."""
        settings, outputs = load_settings(), (output, output)
        warm = start_warm(settings, MODULE, arguments, environment, outputs, folder=PROJECT, patience=self.patience)
        return warm if warm is not None else _Started(arguments, environment, output)

    def _environment_of(self, task_instance: Any, result_file: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_COMMANDS)}
        given = {name: str(value) for name, value in self.environment.items() if value is not None}
        return {
            **inherited,
            **({"LAKELOOP_USE_CASE": self.use_case} if self.use_case else {}),
            "LAKELOOP_RESULT_FILE": str(result_file),
            "LAKELOOP_AIRFLOW_RUN_ID": task_instance.run_id,
            "LAKELOOP_AIRFLOW_DAG_ID": task_instance.dag_id,
            "LAKELOOP_AIRFLOW_TASK_ID": task_instance.task_id,
            "LAKELOOP_AIRFLOW_TRY": str(task_instance.try_number),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "160",
            **given,
        }


class _Started:
    """A command as a process that this one started."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> None:
        try:
            self._process = subprocess.Popen(
                [COMMAND, *arguments], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment,
                cwd=PROJECT, start_new_session=True, preexec_fn=partial(_end_with_parent, ctypes.CDLL(None)),
            )  # fmt: skip
        except FileNotFoundError:
            raise AirflowFailException(f"{COMMAND} is not there; `make setup` makes it") from None

    def wait(self) -> int:
        """The exit code, or minus the signal that ended it."""
        return self._process.wait()

    def end(self) -> None:
        """End it and everything it started: TERM, and after a while KILL."""
        process = self._process
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
            os.killpg(process.pid, signal.SIGKILL)  # whoever did not listen, the command or what it started


def lakeloop_task(
    task_id: str,
    *arguments: Any,
    use_case: str = "",
    answers: Collection[int] = (),
    environment: Mapping[str, Any] | None = None,
    **operator_options: Any,
) -> LakeloopOperator:
    """A task that runs `lakeloop <arguments>`; see `LakeloopOperator`. `answers={3}`: a refusal is an answer."""
    return LakeloopOperator(
        task_id=task_id, arguments=arguments, use_case=use_case, answers=answers, environment=environment,
        **operator_options,
    )  # fmt: skip


def _flat(arguments: Any) -> list[str]:
    """The arguments as the command gets them: lists as their items, nothing as nothing."""
    if isinstance(arguments, list | tuple):
        return [text for argument in arguments for text in _flat(argument)]
    return [] if arguments in (None, "", "None") else [str(arguments)]


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _end_with_parent(c_library: ctypes.CDLL) -> None:
    """In the child: end when the task's process ends, even if that is killed and cannot tell."""
    c_library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
