"""The whole story as a user sees it: `lakeloop demo` twice, then the gate exercise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lakeloop.settings import PROJECT

pytestmark = pytest.mark.long


def lakeloop(home: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from lakeloop.cli import main; main()", *args],
        capture_output=True,
        text=True,
        timeout=590,
        env={**os.environ, "LAKELOOP_HOME": str(home)},
        cwd=PROJECT,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(home: Path) -> "subprocess.CompletedProcess[str]":
    return lakeloop(home, "demo")


def test_the_demo_tells_its_story_and_writes_the_report(first: "subprocess.CompletedProcess[str]", home: Path) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1,207 train and 293 eval rows" in first.stdout
    assert "random 0.333, majority 0.387, rules 0.602" in first.stdout
    assert "With 50 units the gate refused the model" in first.stdout
    assert (home / "reports" / "index.html").stat().st_size > 1_000_000
    assert len(list((home / "models" / "insurance").iterdir())) == 1


def test_a_second_demo_works_on_top_of_the_first(first: "subprocess.CompletedProcess[str]", home: Path) -> None:
    second = lakeloop(home, "demo")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "nothing new: no table changed" in second.stdout
    assert "[cached]" in second.stdout
    seconds = [float(re.findall(r"Done in (\d+) s", answer.stdout)[0]) for answer in (first, second)]
    assert seconds[1] < seconds[0]


def test_ingesting_again_changes_no_table(first: object, home: Path) -> None:
    before = lakeloop(home, "lake", "tables").stdout
    assert lakeloop(home, "lake", "ingest").returncode == 0
    after = lakeloop(home, "lake", "tables").stdout
    assert [line.split()[:3] for line in before.splitlines()] == [line.split()[:3] for line in after.splitlines()]


def test_the_gate_exercise_refuses_50_units_and_passes_100(first: object, home: Path) -> None:
    answer = lakeloop(home, "exercise")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "50 units: the model is refused and not pushed" in answer.stdout
    assert re.search(r"100 units: the model passes, version \d+", answer.stdout)


def test_the_lake_commands_look_and_keep_house(first: object, home: Path) -> None:
    assert re.search(r"1\s+.*WRITE\s+numOutputRows 1,500", lakeloop(home, "lake", "history", "gold/training").stdout)
    assert "3 of 1,500 rows" in lakeloop(home, "lake", "show", "training", "-n", "3").stdout
    for command in ("optimize", "vacuum"):
        answer = lakeloop(home, "lake", command)
        assert answer.returncode == 0 and "gold/training" in answer.stdout, answer.stderr
