"""Airflow's own environment, as the tests use it: a home with a fresh database, and Python that runs in it."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.platform.marked_processes import end_processes
from lakeloop.settings import PROJECT

PYTHON = PROJECT / ".venv-airflow" / "bin" / "python"
SCRIPTS = PROJECT / "tests" / "dags" / "scripts"
InAirflow = Callable[..., Any]


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow of these tests, its database made."""
    if not PYTHON.exists():
        pytest.skip("Airflow's environment is not there (`make airflow`)")
    home = tmp_path_factory.mktemp("airflow")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKELOOP"))}
    environment = {
        **inherited,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "PYTHONPATH": str(PROJECT),
        "LAKELOOP_SPARK_KEEP_SECONDS": "60",
    }
    command = [str(PYTHON), "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1400, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return environment


@pytest.fixture
def in_airflow(airflow_environment: dict[str, str], tmp_path: Path) -> Iterator[InAirflow]:
    """`in_airflow("script", argument, …, NAME=value)`: run tests/dags/scripts/script.py there; what it gave as JSON."""
    yield _runner(airflow_environment, tmp_path)
    end_processes([process for process in psutil.process_iter() if _home_of(process) == str(tmp_path / "var")])


def _home_of(process: psutil.Process) -> str:
    """A helper that a command left behind has the home in its environment."""
    try:
        return process.environ().get("LAKELOOP_HOME", "")
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def in_airflow_once(airflow_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> InAirflow:
    """The same for what all tests of a module look at."""
    return _runner(airflow_environment, tmp_path_factory.mktemp("once"))


def _runner(airflow: dict[str, str], folder: Path) -> InAirflow:
    def run(script: str, *arguments: object, **environment: str) -> Any:
        answer = folder / "answer.json"
        done = subprocess.run(
            [PYTHON, SCRIPTS / f"{script}.py", answer, *map(str, arguments)],
            env={**airflow, "LAKELOOP_HOME": str(folder / "var"), **environment},
            capture_output=True, text=True, timeout=1400, cwd=folder, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return json.loads(answer.read_text())

    return run
