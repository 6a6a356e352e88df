"""The command line as a user runs it: a process of its own with its own home."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.settings import PROJECT, Settings, load_settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", use_case="insurance")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(PROJECT / "data" / "insurance" / "contract.yaml")


@pytest.fixture
def lakeloop(settings: Settings) -> Run:
    """Run `lakeloop ARGS…` in the test's home; gives exit code, standard output and standard error."""

    def run(*args: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from console.cli import main; main()", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=1400,
            cwd=settings.home.parent,
            env={**os.environ, "LAKELOOP_HOME": str(settings.home), "COLUMNS": "200", **environment},
            check=False,
        )

    return run
