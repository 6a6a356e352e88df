"""`lakeloop down`: stop everything the platform of this home started, and nothing else."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from console.platform.marked_processes import end_strays, marked_processes
from console.platform.paths import home_of
from console.platform.platform_lock import one_at_a_time
from console.platform.supervisor import STOP_SECONDS, Supervisor
from lakeloop.local_server import ask_to_end
from lakeloop.settings import Settings


@dataclass(frozen=True)
class Stopped:
    """What there was to stop: how many processes, and how many of them had no supervisor or outlived it."""

    processes: int
    strays: int


def down(settings: Settings) -> Stopped:
    """Stop the supervisor with its services, then whatever else carries this home's mark.

    Raises:
        BusyError: another `up` or `down` is at work.
    """
    with one_at_a_time(settings):
        return stop_all(settings)


def stop_all(settings: Settings) -> Stopped:
    """The same for who holds the lock already."""
    home = home_of(settings)
    _let_spark_end(settings)
    before = len(marked_processes(home))
    supervisor = Supervisor(settings)
    pid = supervisor.pid()
    if pid is not None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            supervisor.stop()
            _wait(process, 2 * STOP_SECONDS)
    return Stopped(before, end_strays(home))


def _let_spark_end(settings: Settings) -> None:
    """A warm Spark that a command at a terminal started carries no mark; it ends when its last command is done."""
    for lake in (settings.home / "lake", Path(settings.area("lake"))):
        for socket in lake.glob("_work/*/java.sock"):
            ask_to_end(socket.parent, socket.stem)


def _wait(process: psutil.Process, seconds: float) -> None:
    """Wait for a process of another parent to end."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
