"""Times a whole pipeline run in a process of its own, so that imports and peak memory count."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.figure import Figure

COMMAND = [sys.executable, "-m", "console.cli"]
LARGE_ROWS = 200_000
LARGE_SETTINGS = {"epochs": "3", "batch": "256"}


def measure(home: Path) -> list[Figure]:
    """Seconds of a run on the reference month, of the same run again, and of a run on 200,000 rows."""
    reference = exported(home / "reference")
    large = exported(home / "large", "--rows", str(LARGE_ROWS), "--seed", "1")
    figures = []
    for name, manifest, changes, bound in (
        ("pipeline run, 1,500 rows", reference, {}, 45.0),
        ("the same run again, from cache", reference, {}, None),
        ("pipeline run, 200,000 rows, epochs=3 batch=256", large, LARGE_SETTINGS, 120.0),
    ):
        seconds, memory = timed_run(manifest, changes)
        figures.append(Figure(name, seconds, "s", bound))
        figures.append(Figure(f"{name}: peak memory", memory, "GiB", None))
    return figures


def home_of(manifest: Path) -> Path:
    """The bench home a manifest belongs to: HOME/export/USE_CASE/VERSION/manifest.json."""
    return manifest.parents[3]


def exported(home: Path, *options: str) -> Path:
    """Generate, ingest and export month 0; the manifest's path."""
    environment = {**os.environ, "LAKELOOP_HOME": str(home)}
    subprocess.run([*COMMAND, "data", "generate", *options], check=True, env=environment, stdout=subprocess.DEVNULL)
    return ingested(home, environment)


def ingested(home: Path, environment: Mapping[str, str]) -> Path:
    """Ingest what has landed and export it; the manifest's path."""
    for step in (["lake", "ingest"], ["lake", "export"]):
        subprocess.run([*COMMAND, *step], check=True, env=environment, stdout=subprocess.DEVNULL)
    return next((home / "export").glob("*/*/manifest.json"))


def timed_run(
    manifest: Path, changes: dict[str, str], environment: Mapping[str, str] = os.environ
) -> tuple[float, float]:
    """Seconds from start to end of the process, and its peak memory in GiB."""
    began = time.monotonic()
    command = [sys.executable, "-m", "bench.tfx_bench", str(manifest), json.dumps(changes)]
    process = subprocess.Popen(command, env={**environment, "LAKELOOP_HOME": str(home_of(manifest))})
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the run on {manifest} failed")
    return time.monotonic() - began, usage.ru_maxrss / 2**20


def _run(manifest: Path, changes: dict[str, str]) -> None:
    from lakeloop.settings import load_settings
    from lakeloop.use_case import open_use_case
    from tfx_pipeline.runs.parameters import run_parameters
    from tfx_pipeline.runs.runner import run_pipeline

    use_case = open_use_case(load_settings())
    run_pipeline(use_case, run_parameters(use_case.contract, manifest, changes))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), json.loads(sys.argv[2]))
