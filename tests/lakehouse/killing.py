"""Starts real commands and kills them, JVM included, when they have come to a stage."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lakeloop.settings import PROJECT
from tests.command_line import COMMAND


def start(home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """`lakeloop ARGUMENTS` in a process group of its own; what it says goes to `killed.log` in its home."""
    command = [*COMMAND, *arguments]
    environment = {**os.environ, "LAKELOOP_HOME": str(home)}
    with (home / "killed.log").open("ab") as log:
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill_when(reached: Callable[[], bool], home: Path, *arguments: str) -> None:
    """Start a command and kill it as soon as `reached`; the test is void if it ends before."""
    process = start(home, *arguments)
    try:
        while not reached():
            text = (home / "killed.log").read_text()
            assert process.poll() is None, f"it ended before the stage to kill it at: {text}"
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
