"""What a first draft takes: `lakeloop new` on a CSV file of 100 MB, its own process from start to end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench.figure import Figure

BYTES = 100_000_000
ROWS = 1_000_000


def measure(home: Path) -> list[Figure]:
    """Seconds of the clock, which other work on the machine lengthens, and of CPU, which it hardly does."""
    cases = home / "use_cases"
    cases.mkdir(parents=True, exist_ok=True)
    path = home / "table.csv"
    _write(path)
    environment = {**os.environ, "LAKELOOP_HOME": str(home), "LAKELOOP_USE_CASES": str(cases)}
    command = [str(Path(sys.executable).parent / "lakeloop"), "new", "table", "--from", str(path), "--label", "outcome"]
    began = time.monotonic()
    process = subprocess.Popen([*command, "--force"], env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`lakeloop new` ended with {process.returncode}")
    size = f"{path.stat().st_size / 1e6:.0f} MB"
    return [
        Figure(f"`lakeloop new` on {size}", time.monotonic() - began, "s", 20),
        Figure(f"CPU of `lakeloop new` on {size}", used.ru_utime + used.ru_stime, "s", None),
    ]


def _write(path: Path) -> None:
    """Rows over three years: a number, a time, eight numbers, four categories and an outcome."""
    random = np.random.default_rng(0)
    seconds = np.sort(random.integers(0, 3 * 365 * 24 * 3600, ROWS))
    columns = {
        "number": np.arange(ROWS),
        "at": (pd.Timestamp("2021-01-01") + pd.to_timedelta(seconds, unit="s")).strftime("%Y-%m-%d %H:%M:%S"),
        **{f"x{place}": random.normal(0, 1, ROWS).round(4) for place in range(8)},
        **{f"c{place}": random.integers(0, 50, ROWS) for place in range(4)},
    }
    frame = pd.DataFrame(columns)
    frame["outcome"] = np.where(frame["x0"] + frame["x1"] + random.normal(0, 1, ROWS) > 1, "yes", "no")
    rows = frame.to_csv(index=False).encode()
    path.write_bytes(rows[: rows.rfind(b"\n", 0, BYTES) + 1])
