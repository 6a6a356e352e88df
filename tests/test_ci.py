"""`.ci/run` with its Makefile on a project of a few lines: whatever fails, or is not there to be run, fails it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lakeloop.settings import PROJECT

PACKAGES = ("lakeloop", "lakehouse", "tfx_pipeline", "serving", "monitoring", "dags", "operations", "console")
LANE = '''"""A lane of tests."""

from pathlib import Path

import pytest


@pytest.mark.{mark}
def test_it_is_run() -> None:
    from lakeloop import answer

    with Path("ran").open("a") as ran:
        ran.write("{lane}\\n")
    assert answer() == 42
'''
CODE = '''"""The base."""


def answer() -> int:
    return 42
'''
UNCOVERED = "42\n\n\ndef nobody_asks() -> None:\n" + "    answer()\n" * 50
BOOK = '''"""Builds the book."""

import sys
from pathlib import Path

with Path("ran").open("a") as ran:
    ran.write("book\\n")
sys.exit(0)
'''
pytestmark = pytest.mark.long
BESIDE = {"long", "book", "loop"}
"""What is run side by side, whichever of them fails."""
LANES = {"day": "timeout(60)", "long": "long", "loop": "loop"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A whole project: its set-up has nothing to do, its checkers, its make and its pytest are the real ones."""
    for name in ("Makefile", "pyproject.toml", ".ci/run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    for environment in (".venv", ".venv-airflow"):
        (tmp_path / environment).symlink_to(PROJECT / environment)
    for package in (*PACKAGES, "bench", "docs/book", "docs/workshop"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "lakeloop" / "__init__.py").write_text(CODE)
    (tmp_path / "docs" / "book" / "__main__.py").write_text(BOOK)
    for script in ("setup.sh", "check.sh", "system.sh"):
        (tmp_path / "deploy").mkdir(exist_ok=True)
        (tmp_path / "deploy" / script).write_text("#!/bin/sh\n")
        (tmp_path / "deploy" / script).chmod(0o755)
    for lane, mark in LANES.items():
        (tmp_path / "tests" / "e2e").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / "e2e" / f"test_{lane}.py").write_text(LANE.format(lane=lane, mark=mark))
    return tmp_path


def run(project: Path, *command: str) -> "tuple[subprocess.CompletedProcess[str], list[str]]":
    """What the command gave, `.ci/run` if none is named, and the lanes that were run, in order."""
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    outside["PYTHONPATH"] = str(project)  # before the packages that are installed in the environment
    outside["MYPY_CACHE_DIR"] = str(project.parent / "mypy_cache")  # all projects': most of it is the standard library
    done = subprocess.run(
        command or [str(project / ".ci" / "run")],
        cwd=project, env=outside, capture_output=True, text=True, timeout=1400,
    )  # fmt: skip
    ran = project / "ran"
    return done, ran.read_text().split() if ran.exists() else []


def test_all_lanes_are_run_and_the_everyday_one_first(project: Path) -> None:
    done, ran = run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ran[0], sorted(ran[1:])) == ("day", ["book", "long", "loop"])


def test_lines_are_counted_and_too_few_fail_the_tests(project: Path) -> None:
    done, _ = run(project, "make", "test", "COVERAGE=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\(summary\) +3 +0 +100$", done.stdout, re.MULTILINE), done.stdout
    (project / "lakeloop" / "__init__.py").write_text(CODE.replace("42\n", UNCOVERED))
    done, ran = run(project, "make", "test", "COVERAGE=1")
    assert (done.returncode, ran) == (2, ["day", "day"]), done.stdout + done.stderr
    assert "fewer lines than fail-under in pyproject.toml" in done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "lanes"),
    [
        ("tests/e2e/test_day.py", "answer() == 42", "answer() == 43", {"day"}),
        ("tests/e2e/test_day.py", "def test_it_is_run", "def it_is_run", set()),
        ("lakeloop/__init__.py", "-> int", "-> str", {"day"}),
        ("tests/e2e/test_long.py", "answer() == 42", "answer() == 43", {"day", *BESIDE}),
        ("docs/book/__main__.py", "sys.exit(0)", "sys.exit(1)", {"day", *BESIDE}),
        ("tests/e2e/test_loop.py", "answer() == 42", "answer() == 43", {"day", *BESIDE}),
    ],
    ids=["a test fails", "no test", "a wrong type", "a long test fails", "no book", "the loop fails"],
)  # fmt: skip
def test_what_fails_or_is_not_there_fails_it_all(project: Path, file: str, old: str, new: str, lanes: set[str]) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    done, ran = run(project)
    assert done.returncode != 0
    assert set(ran) == lanes, done.stdout + done.stderr
