"""The trigger that wakes the ingest, run as Airflow's triggerer runs it, on real files."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.file_names import FileNames
from lakeloop.landing_files import landed_files, write_known
from tests.dags.conftest import PYTHON, SCRIPTS
from tests.waiting import eventually

Events = Callable[[], list[dict[str, Any]]]
QUIET = 5.0  # what the ingest waits


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing" / "insurance"


@pytest.fixture(scope="module")
def patterns(contract: Contract) -> dict[str, str]:
    """What the files of each source are called; those of `trips` may lie in folders of their own."""
    in_folders = {"trips": FileNames("**/trips-*.csv").regex.pattern}
    return {name: source.file_pattern.pattern for name, source in contract.sources.items()} | in_folders


@pytest.fixture
def watch(
    airflow_environment: dict[str, str], tmp_path: Path, landing: Path, patterns: dict[str, str]
) -> Iterator[Callable[[float], Events]]:
    """`watch(seconds)`: start the trigger with these seconds of rest; gives a function for what it told so far."""
    log = tmp_path / "events"
    started = []

    def start(quiet: float) -> Events:
        command = [PYTHON, SCRIPTS / "watch_landing.py", log, landing, json.dumps(patterns), str(quiet)]
        started.append(subprocess.Popen(command, env=airflow_environment))
        eventually(lambda: log.exists() and is_watched(landing, patterns, started[-1].pid))
        return lambda: [json.loads(line) for line in log.read_text().splitlines()]

    yield start
    for watcher in started:
        watcher.terminate()
        watcher.wait(240)


def is_watched(landing: Path, patterns: dict[str, str], pid: int) -> bool:
    """Whether the operating system tells the process of every folder of the landing folder."""
    watches = 0
    with suppress(FileNotFoundError):  # what was open a moment ago
        for opened in Path(f"/proc/{pid}/fdinfo").iterdir():
            watches += opened.read_text().count("inotify wd:")
    folders = [landing, *(path for path in landing.rglob("*") if path.is_dir())]
    return landing.exists() and watches >= len(folders) > len(patterns)


def test_a_file_renamed_from_part_is_told_without_waiting(landing: Path, watch: Callable[[float], Events]) -> None:
    held = landing / ".held" / "claims" / "claims-2023-03.csv"
    held.parent.mkdir(parents=True)
    (landing / "trips" / "2023").mkdir(parents=True)
    events = watch(3600)
    (landing / "policies" / "policies-2023-01.csv").write_text("under its own name from the start")
    for month in ("2023-01", "2023-02"):
        part = landing / "claims" / f"claims-{month}.csv.part"
        part.write_text("policy_id;risk\n")
        part.rename(part.with_suffix(""))
    held.write_text("policy_id;risk\n")
    held.rename(landing / "claims" / held.name)
    trips = landing / "trips" / "2023" / "trips-1.csv.part"
    trips.write_text("id\n")
    trips.rename(trips.with_suffix(""))
    names = {f"claims/claims-2023-0{month}.csv" for month in (1, 2, 3)} | {"trips/2023/trips-1.csv"}
    eventually(lambda: {file for event in events() for file in event["files"]} == names)


def test_a_growing_file_is_told_when_it_rests_and_half_a_file_never(
    landing: Path, watch: Callable[[float], Events]
) -> None:
    events = watch(QUIET)
    (landing / "claims" / "claims-2023-03.csv.part").write_text("half")
    growing = landing / "policies" / "policies-2023-01.csv"
    growing.write_text("policy_id;")
    for _ in range(6):
        time.sleep(1)
        with growing.open("a") as stream:
            stream.write("month;")
    grown = time.time()
    (event,) = eventually(events)
    assert event["files"] == ["policies/policies-2023-01.csv"] and event["at"] - grown >= QUIET - 1


def test_what_the_lake_knows_wakes_nobody_until_it_changes(
    landing: Path, patterns: dict[str, str], watch: Callable[[float], Events]
) -> None:
    known = landing / "claims" / "claims-2023-02.csv"
    known.parent.mkdir(parents=True)
    known.write_text("policy_id;risk\n")
    write_known(landing, {name: [state] for name, state in landed_files(landing, patterns).items()})
    events = watch(0.5)
    time.sleep(3)
    assert events() == []
    known.write_text("policy_id;risk\nx;1\n")
    (event,) = eventually(events)
    assert event["files"] == ["claims/claims-2023-02.csv"]
