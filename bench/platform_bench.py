"""How soon the whole platform is up, and what it costs while nobody asks anything of it."""

import time
from pathlib import Path

import psutil

from bench.figure import Figure
from bench.own_platform import own_environment, timed
from console.platform.marked_processes import marked_processes

IDLE_SECONDS = 180.0
"""Several turns of what Airflow does by the minute."""


def measure(home: Path) -> list[Figure]:
    """Start a platform on free ports twice, leave it alone in between, stop it."""
    place = (home / "platform").resolve()
    environment = own_environment(place)
    try:
        first = timed(environment, "up")
        time.sleep(60)  # what starts has settled
        memory, share = _idle(place)
        stop = timed(environment, "down")
        again = timed(environment, "up")
    finally:
        timed(environment, "down")
    return [
        Figure("up, the first time: database made, pipeline compiled", first, "s", None),
        Figure("up again", again, "s", 60),
        Figure("down", stop, "s", None),
        Figure("idle: memory of all processes (PSS)", memory, "GiB", 2.5),
        Figure("idle: share of one core, tasks that run by the minute included", share, "%", 15),
    ]


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
