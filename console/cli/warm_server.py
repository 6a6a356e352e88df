"""The home's warm server: imports TFX and the platform once, then forks a process for each program that is asked for.

Its import is seven seconds of each start of a node. Nothing of TensorFlow, Spark or the platform is used before a fork,
only imported, so there is nothing in the parent that a fork could break; what a start of Python would have set anew
(arguments, environment, outputs, seeds, umask) a fork sets anew. The server ends by itself when nobody asks, when the
code changes, and with its home; what it forked ends with it.
"""

import atexit
import ctypes
import gc
import json
import logging
import math
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from console.cli.app import application
from console.cli.helper_process import start_helper
from lakeloop.local_server import sole_server
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase
from lakeloop.warm_process import (
    KILL,
    PATIENCE_SECONDS,
    READY,
    REFUSED,
    SERVER,
    STARTED,
    Request,
    code_stamp,
    server_folder,
    wait_for_server,
)
from tfx_pipeline.runs.quiet import quiet_after_import, quiet_libraries

log = logging.getLogger("console.cli.warm_server")
IDLE_SECONDS = 900.0
"""Long enough for the next retrain of a lively day to find it; it holds 0.6 GB."""
STARTS_SECONDS = 10.0
IMPORTED = (
    "tfx.components.evaluator.executor", "tfx.components.trainer.executor", "tfx.components.transform.executor",
    "tfx_pipeline.evaluation.prediction", "tfx_pipeline.pipeline", "tfx_pipeline.runs.compile",
    "tfx_pipeline.runs.launch", "tfx_pipeline.runs.results", "serving.model_server.server",
)  # fmt: skip
"""Besides the commands: by name, because nobody but the server itself may import them with this module."""
_LOOK_SECONDS, _ASK_SECONDS = 1.0, 5.0
_LONGEST = 1_000_000
_PR_SET_PDEATHSIG = 1


def start_warm_server(use_case: UseCase, wait: bool = True) -> None:
    """See to it that the home has a warm server; it runs apart from this process. `wait` until it can be asked, which
    is before it has imported anything.
    """
    if not wait_for_server(use_case.settings, 0.0):
        start_helper(use_case, "warm-server", module="console.cli.warm_server")
    if wait:
        wait_for_server(use_case.settings, STARTS_SECONDS)


def import_all() -> None:
    """Import what commands and the model server need, and use none of it."""
    quiet_libraries()
    for module in IMPORTED:
        import_module(module)
    application(lazy=False)
    quiet_after_import()


def serve(settings: Settings, import_first: Callable[[], None], idle_seconds: float = IDLE_SECONDS) -> bool:
    """Answer until nobody has asked for a while; False at once where another server is there already."""
    before = _descriptors()
    with sole_server(server_folder(settings), SERVER) as listening:
        if listening is None:
            return False
        own = _descriptors() - before  # a fork that kept the socket or its lock would keep the next server away
        code = code_stamp()
        import_first()
        gc.collect()
        gc.freeze()  # a fork's collector would touch, and so copy, every object it was given
        _Server(listening, server_folder(settings) / f"{SERVER}.sock", code, own).answer(idle_seconds)
    return True


@dataclass
class _Fork:
    """A process at work and who asked for it; `deadline` is when it is killed, once it is to end."""

    pid: int
    end: int
    """A descriptor that can be read when the process has ended."""
    asker: socket.socket
    deadline: float | None = None

    def signal(self, number: int) -> None:
        """To the process and what it started: its group is its own, as soon as it has begun."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            os.kill(self.pid, number)


class _Server:
    """One thread that listens, forks, and tells how forks ended."""

    def __init__(self, listening: socket.socket, address: Path, code: str, own: Collection[int]) -> None:
        self._listening, self._address, self._code, self._own = listening, address, code, own
        self._forks: list[_Fork] = []
        self._outdated = False

    def answer(self, idle_seconds: float) -> None:
        """Until nobody asks any more, the code has changed, or the home is gone."""
        used = time.monotonic()
        while self._forks or (self._wanted() and time.monotonic() - used < idle_seconds):
            askers = {fork.asker: fork for fork in self._forks if fork.deadline is None}
            ends = {fork.end: fork for fork in self._forks}
            waiting: list[socket.socket | int] = [self._listening, *askers, *ends]
            ready = set(select.select(waiting, [], [], self._patience())[0])
            for asker in askers.keys() & ready:
                self._hear(askers[asker])
            for end in ends.keys() & ready:
                self._tell(ends[end])
                used = time.monotonic()
            for fork in self._forks:
                if fork.deadline is not None and time.monotonic() >= fork.deadline:
                    fork.signal(signal.SIGKILL)
                    fork.deadline = math.inf
            if self._listening in ready:
                used = time.monotonic()
                self._meet(self._listening.accept()[0])

    def _wanted(self) -> bool:
        return not self._outdated and self._address.exists()

    def _patience(self) -> float:
        deadlines = [fork.deadline for fork in self._forks if fork.deadline is not None]
        return max(0.0, min([_LOOK_SECONDS, *(deadline - time.monotonic() for deadline in deadlines)]))

    def _hear(self, fork: _Fork) -> None:
        """An asker wants its process killed, or wants it to end, or has gone, which is the same."""
        try:
            kill = fork.asker.recv(len(KILL)) == KILL
        except OSError:
            kill = False
        fork.signal(signal.SIGKILL if kill else signal.SIGTERM)
        fork.deadline = math.inf if kill else time.monotonic() + PATIENCE_SECONDS

    def _tell(self, fork: _Fork) -> None:
        """How a process ended; what was to end with it is ended now, while its number is still its own."""
        if fork.deadline is not None:
            fork.signal(signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1])
        with suppress(OSError):
            fork.asker.sendall(f"{code}\n".encode())
        fork.asker.close()
        os.close(fork.end)
        self._forks.remove(fork)
        log.info("event=ended pid=%d code=%d", fork.pid, code)

    def _meet(self, asker: socket.socket) -> None:
        """Start what an asker wants; one that only looked whether somebody is here says nothing."""
        try:
            request, outputs = _request(asker)
        except OSError:
            asker.close()
            return
        if request is not None and request.code != self._code:
            self._outdated = True  # the next server imports what is there now
        if request is None or self._outdated:
            with asker, suppress(OSError):
                asker.sendall(REFUSED)
        else:
            held = [number for fork in self._forks for number in (fork.end, fork.asker.fileno())]
            pid = _fork(request, outputs, away=[*self._own, *outputs, asker.fileno(), *held])
            self._forks.append(_Fork(pid, os.pidfd_open(pid), asker))
            log.info("event=started pid=%d what=%r", pid, " ".join([request.module, *request.arguments][:5]))
            with suppress(OSError):
                asker.sendall(STARTED)
        for output in outputs:
            os.close(output)


def _descriptors() -> set[int]:
    """The open descriptors of this process, without the one that the folder was read by."""
    open_now = set()
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            os.fstat(int(path.name))
            open_now.add(int(path.name))
    return open_now


def _request(asker: socket.socket) -> tuple[Request | None, list[int]]:
    """What somebody asks for, and the descriptors for its output; None, and no descriptor, where nothing comes."""
    asker.settimeout(_ASK_SECONDS)
    asker.sendall(READY)
    text, outputs, _, _ = socket.recv_fds(asker, _LONGEST, 2)
    try:
        while text and not text.endswith(b"\n"):
            more = asker.recv(_LONGEST)
            text = text + more if more else b""
        request = Request(**json.loads(text)) if len(outputs) == 2 else None
    except (OSError, ValueError, TypeError):
        request = None
    asker.settimeout(None)
    return request, outputs


def _fork(request: Request, outputs: list[int], away: list[int]) -> int:
    """Fork a process that runs the module and ends as `python -m` would; its number."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _begin(request, outputs, away, server)
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except BaseException:  # noqa: BLE001 - nothing may get back into the server
        traceback.print_exc()
    finally:
        _finish()
        os._exit(code)


def _begin(request: Request, outputs: list[int], away: list[int], server: int) -> None:
    """Be what a new process would be: in a session, with an output, an environment and seeds of its own."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        raise SystemExit(1)
    for output, number in zip(outputs, (1, 2), strict=True):
        os.dup2(output, number)
    for number in away:
        with suppress(OSError):  # the lock's was closed when the process was forked
            os.close(number)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115 both for good
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    log.handlers.clear()
    os.environ.clear()
    os.environ.update(request.environment)
    os.umask(request.umask)
    os.chdir(request.folder)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # Python's own generator does so by itself
    sys.argv = [request.module, *request.arguments]


def _code_of(end: SystemExit) -> int:
    """The exit code that Python gives, a text being told on standard error."""
    if end.code is None or isinstance(end.code, int):
        return int(end.code or 0)
    sys.stderr.write(f"{end.code}\n")
    return 1


def _finish() -> None:
    """What Python does at its end: threads are waited for, what was put off until the end is done, outputs written."""
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            output.flush()


def main() -> None:
    """Serve the home that the environment names; what it says is its log."""
    written = logging.StreamHandler()
    written.setFormatter(logging.Formatter("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"))
    log.addHandler(written)
    log.setLevel(logging.INFO)
    log.propagate = False  # the root's handlers are those of whoever is forked
    serve(load_settings(), import_all)


if __name__ == "__main__":
    main()
