"""How soon the whole platform is up, and what it costs while nobody asks anything of it."""

import time
from pathlib import Path

import psutil

from bench.figure import Figure
from bench.gateway_bench import copied
from bench.own_platform import own_environment, running, timed
from console.platform.marked_processes import marked_processes
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case

IDLE_SECONDS = 180.0
"""Several turns of what Airflow does by the minute."""
SEVERAL = 10
"""Use cases that are live at once, each with its DAGs, tables and log; none has a model yet."""


def measure(home: Path) -> list[Figure]:
    """Start a platform on free ports twice, leave it alone in between, stop it; then one of several use cases."""
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
    several_memory, several_share = _idle_with_several(home)
    return [
        Figure("up, the first time: database made, pipeline compiled", first, "s", None),
        Figure("up again", again, "s", 60),
        Figure("down", stop, "s", None),
        Figure("idle: memory of all processes (PSS)", memory, "GiB", 2.5),
        Figure("idle: share of one core, tasks that run by the minute included", share, "%", 15),
        Figure(f"idle with {SEVERAL} use cases: memory of all processes (PSS)", several_memory, "GiB", 3),
        Figure("… share of one core, tasks that run by the minute included", several_share, "%", None),
    ]


def _idle_with_several(home: Path) -> tuple[float, float]:
    """What `_idle` says of a platform with so many use cases."""
    place = (home / "several").resolve()
    use_case = open_use_case(load_settings(home=home))
    others = [f"{use_case.name}_{number}" for number in range(2, SEVERAL + 1)]
    cases = copied(use_case, place / "cases", [use_case.name, *others])
    with running(own_environment(place, LAKELOOP_USE_CASES=str(cases))):
        time.sleep(60)  # what starts has settled
        return _idle(place)


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
