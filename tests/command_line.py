"""`lakeloop` as users run it: in a process of its own, in a home."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

COMMAND = [sys.executable, "-m", "console.cli"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def lakeloop_in(home: Path, **environment: str) -> Run:
    """`run(ARGUMENT, …, NAME=value)` in that home; gives exit code, standard output and standard error."""

    def run(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
        told = {**os.environ, "LAKELOOP_HOME": str(home), "COLUMNS": "200", **environment, **more}
        return run_command(*arguments, environment=told, folder=home.parent)

    return run


def run_command(
    *arguments: object, environment: dict[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True, text=True, timeout=1400, cwd=folder, env=environment, check=False,
    )  # fmt: skip
