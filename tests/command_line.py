"""`lakeloop` as users run it: in a process of its own, in a home."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from console.cli.commands import COMMANDS
from tests.warm_programs import SECONDS, warm_servers

COMMAND = [sys.executable, "-m", "console.cli"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
MODULES = tuple(sorted({f"console.cli.{command.module}" for command in COMMANDS.values()}))


def lakeloop_in(home: Path, **environment: str) -> Run:
    """`run(ARGUMENT, …, NAME=value)` in that home; gives exit code, standard output and standard error."""
    return _in(home, run_command, environment)


def warm_lakeloop_in(home: Path, **environment: str) -> Run:
    """The same, as a fork of a process that has imported every command: for tests of what a command says and does."""
    return _in(home, run_warm, environment)


def ready_lakeloop_in(home: Path, **environment: str) -> Run:
    """The same of a process that has imported all of TFX, too, as a home's warm server has: for those that train."""
    return _in(home, run_ready, environment)


def run_command(
    *arguments: object, environment: dict[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True, text=True, timeout=SECONDS, cwd=folder, env=environment, check=False,
    )  # fmt: skip


def run_warm(
    *arguments: object, environment: dict[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return _forked(MODULES, arguments, environment, folder)


def run_ready(
    *arguments: object, environment: dict[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return _forked((), arguments, environment, folder)


def _forked(
    modules: tuple[str, ...], arguments: tuple[object, ...], environment: dict[str, str], folder: Path | None
) -> "subprocess.CompletedProcess[str]":
    words = [*map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as error:
        outputs = (output.fileno(), error.fileno())
        started = warm_servers(*modules).start("console.cli", words, environment, outputs, folder)
        if started is None:
            return run_command(*words, environment=environment, folder=folder)
        code = started[0].wait(SECONDS)
        output.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess([*COMMAND, *words], code, output.read(), error.read())


def _in(home: Path, start: Run, environment: dict[str, str]) -> Run:
    def run(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
        told = {**os.environ, "LAKELOOP_HOME": str(home), "COLUMNS": "200", **environment, **more}
        return start(*arguments, environment=told, folder=home.parent)

    return run
