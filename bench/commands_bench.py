"""What a command costs before it does anything: CPU seconds of its help, its own process from start to end."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench.figure import Figure

TIMES = 10
HELPS = {("--help",): 0.4, ("lake", "tables", "--help"): None, ("retrain", "--help"): None}


def measure(home: Path) -> list[Figure]:
    """The median of ten; the first run, which may compile modules or read them from the disk, is not counted."""
    environment = {**os.environ, "LAKELOOP_HOME": str(home / "commands")}
    figures = []
    for words, bound in HELPS.items():
        seconds = [_cpu_seconds(environment, *words) for _ in range(1 + TIMES)][1:]
        figures.append(Figure(f"CPU of `lakeloop {' '.join(words)}`", median(seconds), "s", bound))
    return figures


def _cpu_seconds(environment: dict[str, str], *words: str) -> float:
    command = [str(Path(sys.executable).parent / "lakeloop"), *words]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`lakeloop {' '.join(words)}` ended with {process.returncode}")
    return used.ru_utime + used.ru_stime
