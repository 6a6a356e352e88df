"""What must be done before Airflow starts: its database migrated, the pipelines compiled. Both at once."""

import hashlib
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from console.platform.airflow_environment import AIRFLOW, airflow_program
from console.platform.logs import last_lines, log_file
from console.platform.marked_processes import end_processes
from console.platform.paths import airflow_home
from console.platform.services import Preparation, lakeloop_program
from console.platform.supervisor import bound_command
from lakeloop.atomic_file import write_text
from lakeloop.databases import airflow_database, making_database, on_postgresql
from lakeloop.exceptions import LakeloopError
from lakeloop.served_use_cases import in_brief, open_served
from lakeloop.settings import Settings
from tfx_pipeline.runs.graph import is_compiled

_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Step:
    """One command that must have succeeded; `name` is for the reader and names its log."""

    kind: Preparation
    name: str
    command: tuple[str, ...]
    use_case: str = ""
    """The one use case that it is for, which alone does without what failed; '': all need it."""


def due_steps(settings: Settings) -> tuple[Step, ...]:
    """What there is to do now; nothing at a start where nothing changed."""
    steps = [] if _is_migrated(settings) else [Step("migrate", "migrate", (str(airflow_program()), "db", "migrate"))]
    for use_case in stale_pipelines(settings):
        command = (lakeloop_program(), "pipeline", "compile", "--use-case", use_case)
        steps.append(Step("compile", f"compile-{use_case}", command, use_case))
    return tuple(steps)


def stale_pipelines(settings: Settings) -> tuple[str, ...]:
    """The served use cases whose contract is good and whose pipeline is not compiled as it stands now."""
    return tuple(use_case.name for use_case in open_served(settings)[0] if not is_compiled(use_case))


def prepare(
    settings: Settings, environment: Mapping[str, str], on_problem: Callable[[str, str], None]
) -> Generator[tuple[Step, ...], None, None]:
    """Run the steps that are due side by side; gives, several times a second and at the end, those not yet done.

    `on_problem` gets a use case and what is wrong with it, a bad contract or a pipeline that cannot be compiled; the
    others go on.

    Raises:
        LakeloopError: a step that all need failed; the others are ended, and its last words and its log are named.
    """
    for name, problem in open_served(settings)[1].items():
        on_problem(name, in_brief(name, problem))
    if on_postgresql(settings):
        with making_database(settings.database_url, str(make_url(airflow_database(settings)).database)):
            pass
    airflow_home(settings).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        running = {step: stack.enter_context(_running(step, settings, environment)) for step in due_steps(settings)}
        while running:
            yield tuple(running)
            time.sleep(_LOOK_SECONDS)
            for step in [step for step, process in running.items() if process.poll() is not None]:
                if running.pop(step).returncode:
                    if not step.use_case:
                        raise LakeloopError(_failure(step.name, settings))
                    on_problem(step.use_case, _failure(step.name, settings))
                if step.kind == "migrate":
                    write_text(_migrated_mark(settings), _migrated_to(settings))
    yield ()


@contextmanager
def _running(step: Step, settings: Settings, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with log_file(settings, step.name).open("wb") as log:
        process = subprocess.Popen(
            bound_command(step.command), env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            end_processes([psutil.Process(process.pid)])
            process.wait()


def _failure(name: str, settings: Settings) -> str:
    log = log_file(settings, name)
    return "\n  ".join([f"{name} failed; its log is {log}", *last_lines(log)])


def _is_migrated(settings: Settings) -> bool:
    """Whether this Airflow migrated this SQLite file; a PostgreSQL server's tables may change without our knowing."""
    database = make_url(airflow_database(settings))
    if database.get_backend_name() != "sqlite" or not Path(str(database.database)).is_file():
        return False
    mark = _migrated_mark(settings)
    return mark.is_file() and mark.read_text(encoding="utf-8") == _migrated_to(settings)


def _migrated_mark(settings: Settings) -> Path:
    return airflow_home(settings) / ".migrated"


def _migrated_to(settings: Settings) -> str:
    """Airflow's version and which database."""
    packages = [str(path) for path in AIRFLOW.parent.parent.glob("lib/python*/site-packages")]
    version = next((d.version for d in distributions(name="apache-airflow-core", path=packages)), "")
    return f"{version} {hashlib.sha256(airflow_database(settings).encode()).hexdigest()}"
