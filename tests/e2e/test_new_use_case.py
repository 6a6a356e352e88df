"""A table without a contract goes from its file to a model that passed the gate, through the command line alone."""

import os
from functools import partial
from pathlib import Path

import pytest

from lakeloop.settings import PROJECT
from tests.command_line import Run, run_command
from tests.operations.new_use_case.test_create import as_an_office_writes, trips

pytestmark = pytest.mark.long


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "use_cases").mkdir()
    environment = {
        "LAKELOOP_HOME": str(tmp_path / "home"), "LAKELOOP_USE_CASES": str(tmp_path / "use_cases"),
        "LAKELOOP_USE_CASE": "trips", "LAKELOOP_SPARK_KEEP_SECONDS": "60",
    }  # fmt: skip
    return partial(run_command, environment={**os.environ, **environment}, folder=PROJECT)


def test_from_a_file_to_a_model_that_passed_the_gate(run: Run, tmp_path: Path) -> None:
    drafted = run("new", "trips", "--from", as_an_office_writes(trips(), tmp_path), "--label", "tips > 0.2 * fare")
    assert drafted.returncode == 0, drafted.stderr
    assert run("data", "generate", "--periods", "0-5").returncode == 0
    assert run("clock", "set", "6").returncode == 0
    ingested = run("lake", "ingest")
    assert ingested.returncode == 0 and "rejected" not in ingested.stdout, ingested.stdout + ingested.stderr
    trained = run("train")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "blessed, pushed as version" in trained.stdout and "trees" in trained.stdout
