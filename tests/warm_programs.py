"""Programs as forks of a process that has imported what they need: as a home's warm server runs nodes, and as quick.

Most tests of commands and servers look at what those do, and importing pandas or TensorFlow is the longest part of it.
What a fork finds is what a new process finds: arguments, environment, outputs, folder. Tests of the start itself, of
kills in the middle and whole stories start a process.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import psutil
import pytest

from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.warm_process import WarmProcess, start_warm, wait_for_server
from serving.gateway import process as gateway_process
from serving.model_server import process as model_server_process

Given = ParamSpec("Given")
Running = TypeVar("Running")

SECONDS = 1400.0
SERVE = """
import sys
from importlib import import_module
from console.cli.warm_server import import_all, serve
from lakeloop.settings import load_settings
if "serving.model_server" in sys.argv:
    sys.modules["keras"] = None  # as that does itself
named = lambda: [import_module(name) for name in sys.argv[1:]]
serve(load_settings(), named if sys.argv[1:] else import_all, idle_seconds=7200)
"""
SERVERS = (
    "serving.model_server", "serving.model_server.config_watch", "serving.model_server.lifecycle",
    "serving.model_server.rest", "serving.gateway.server",
)  # fmt: skip
"""What the model server imports when it is called, and what the gateway imports."""
_one_start = threading.Lock()


class WarmServers:
    """Starts programs with these modules imported, or with all, as long as the process that uses it lives."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lakeloop-warm-")
        home = Path(self._folder.name) / "home"
        self.settings: Settings = load_settings(home=home)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *modules],
            cwd=PROJECT, env={**os.environ, "LAKELOOP_HOME": str(home), "COLUMNS": "200"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        atexit.register(self._end)
        assert wait_for_server(self.settings, 240)

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], outputs: tuple[int, int],
        folder: Path | None = None,
    ) -> tuple[WarmProcess, int] | None:  # fmt: skip
        """The program and its process' number; None where somebody has changed the code since."""
        with _one_start:
            before = self._children()
            program = start_warm(self.settings, module, arguments, environment, outputs, folder, patience=SECONDS)
            return None if program is None else (program, max(self._children() - before, default=0))

    def _children(self) -> set[int]:
        with suppress(psutil.Error):
            return {child.pid for child in psutil.Process(self.process.pid).children()}
        return set()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._folder.cleanup()


@cache
def warm_servers(*modules: str) -> WarmServers:
    """This process' own for these modules; without any, for all that a home's warm server imports."""
    return WarmServers(modules)


def start_under_test(
    settings: Settings, module: str, arguments: Sequence[str], environment: Mapping[str, str], outputs: tuple[int, int]
) -> WarmProcess | None:
    """The server that a pipeline asks its model in: forked by the home's warm server, or else by this process' own."""
    of_home = start_warm(settings, module, arguments, environment, outputs)
    if of_home is not None:
        return of_home
    started = warm_servers(*SERVERS).start(module, arguments, environment, outputs)
    return None if started is None else started[0]


class Fork:
    """What `subprocess` tells of a process, of a program that was forked."""

    def __init__(self, command: Sequence[str], program: WarmProcess, pid: int, stdout: IO[str]) -> None:
        self.args, self.pid, self.stdout = command, pid, stdout
        self._program = program
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        try:
            self.returncode = self._program.wait(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0) from None
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.001)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _SubprocessThatForks:
    """Stands for `subprocess` where a model server or a gateway is started and read where it listens."""

    PIPE, TimeoutExpired = subprocess.PIPE, subprocess.TimeoutExpired

    @staticmethod
    def Popen(
        command: Sequence[str], *, stdout: int, stderr: IO[str] | None, text: bool, env: Mapping[str, str]
    ) -> "Fork | subprocess.Popen[str]":
        _, _, module, *arguments = command
        reading, writing = os.pipe()
        try:
            outputs = (writing, 2 if stderr is None else stderr.fileno())
            started = warm_servers(*SERVERS).start(module, arguments, env, outputs)
        finally:
            os.close(writing)
        if started is None:
            os.close(reading)
            return subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True, env=env)
        return Fork(command, *started, os.fdopen(reading, encoding="utf-8"))


def _forked(
    start: Callable[Given, AbstractContextManager[Running]],
) -> Callable[Given, AbstractContextManager[Running]]:
    @contextmanager
    def started(*args: Given.args, **options: Given.kwargs) -> Iterator[Running]:
        with ExitStack() as stack:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(f"{start.__module__}.subprocess", _SubprocessThatForks)
                running = stack.enter_context(start(*args, **options))
            yield running

    return started


running_server = _forked(model_server_process.running_server)
running_gateway = _forked(gateway_process.running_gateway)
