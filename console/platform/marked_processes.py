"""Finds and ends the processes of one home, whoever started them: by a mark in their environment, never by name."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "LAKELOOP_PLATFORM"
"""Environment variable that every process of a platform inherits; its value is the home."""


def home_of_process(process: psutil.Process) -> str:
    """The home whose platform a process belongs to; '' if to none, or to another user's."""
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""


def marked_processes(home: Path) -> list[psutil.Process]:
    """The processes of this home's platform, except this one and those that started it."""
    above = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [p for p in psutil.process_iter() if p.pid not in above and home_of_process(p) == str(home)]


def end_processes(processes: Sequence[psutil.Process], seconds: float = 10.0) -> int:
    """TERM, and after `seconds` KILL; gives how many there were. A pid that was reused meanwhile is left alone."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=seconds)
    return len(processes)


def end_strays(home: Path, seconds: float = 10.0) -> int:
    """End what is left of a platform that has no supervisor any more, until nothing is; gives how many there were."""
    ended = 0
    while strays := marked_processes(home):  # what ends may have started something meanwhile
        ended += end_processes(strays, seconds)
    return ended
