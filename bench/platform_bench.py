"""How soon the whole platform is up, and what it costs while nobody asks anything of it."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from bench.figure import Figure
from lakeloop.platform.marked_processes import marked_processes

IDLE_SECONDS = 180.0
"""Several turns of what Airflow does by the minute."""
PORTS = ("AIRFLOW", "MODEL_SERVER", "MODEL_SERVER_GRPC", "GATEWAY", "MONITOR", "PROMETHEUS", "ALERTMANAGER")


def measure(home: Path) -> list[Figure]:
    """Start a platform on free ports twice, leave it alone in between, stop it."""
    place = (home / "platform").resolve()
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in PORTS]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = {
            f"LAKELOOP_{name}_PORT": str(probe.getsockname()[1]) for name, probe in zip(PORTS, probes, strict=True)
        }
    environment = {**os.environ, **ports, "LAKELOOP_HOME": str(place)}
    try:
        first = _timed(environment, "up")
        time.sleep(60)  # what starts has settled
        memory, share = _idle(place)
        stop = _timed(environment, "down")
        again = _timed(environment, "up")
    finally:
        _timed(environment, "down")
    return [
        Figure("up, the first time: database made, pipeline compiled", first, "s", None),
        Figure("up again", again, "s", 60),
        Figure("down", stop, "s", None),
        Figure("idle: memory of all processes (PSS)", memory, "GiB", 2.5),
        Figure("idle: share of one core, tasks that run by the minute included", share, "%", 15),
    ]


def _timed(environment: dict[str, str], command: str) -> float:
    begun = time.monotonic()
    lakeloop = Path(sys.executable).parent / "lakeloop"
    subprocess.run([lakeloop, command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def _idle(home: Path) -> tuple[float, float]:
    """Memory in GiB, the mean of several looks, and the share of one core in percent."""
    begun, before, looks = time.monotonic(), _cpu_seconds(home), []
    while time.monotonic() - begun < IDLE_SECONDS:
        time.sleep(5)
        looks.append(_memory(home))
    seconds = time.monotonic() - begun
    after = _cpu_seconds(home)
    used = sum(after[pid] - before.get(pid, 0.0) for pid in after)
    return sum(looks) / len(looks), 100 * used / seconds


def _memory(home: Path) -> float:
    total = 0
    for process in marked_processes(home):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it ended between the two looks
    return total / 2**30


def _cpu_seconds(home: Path) -> dict[int, float]:
    """CPU seconds of every process and of its children that ended."""
    seconds = {}
    for process in marked_processes(home):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds[process.pid] = times.user + times.system + times.children_user + times.children_system
    return seconds
