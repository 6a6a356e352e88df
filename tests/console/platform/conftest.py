"""A home of its own with free ports, and the command line on it as a user runs it."""

import os
import subprocess
from pathlib import Path

import pytest

from lakeloop.settings import Settings, load_settings
from tests.command_line import Run, run_command, run_warm
from tests.ports import free_ports

PORTS = (
    "model_server_port", "model_server_grpc_port", "gateway_port", "monitor_port", "prometheus_port",
    "alertmanager_port", "airflow_port",
)  # fmt: skip


def make_settings(home: Path, **more: object) -> Settings:
    """Settings of a home with free ports."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return load_settings(home=home, use_case="insurance", **ports, **more)


def environment_of(settings: Settings) -> dict[str, str]:
    """What makes a command work on this home."""
    ports = {f"LAKELOOP_{name.upper()}": str(getattr(settings, name)) for name in PORTS}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKELOOP"))}
    told = {
        "LAKELOOP_HOME": str(settings.home), "LAKELOOP_DATABASE_URL": settings.database_url,
        "LAKELOOP_USE_CASES": str(settings.use_cases), "COLUMNS": "200",
    }  # fmt: skip
    return {**clean, **ports, **told}


def run_in(settings: Settings, start: Run = run_command) -> Run:
    """`lakeloop ARGS…` on a home; gives exit code, standard output and standard error."""

    def run(*args: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return start(*args, environment={**environment_of(settings), **environment})

    return run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "home")


@pytest.fixture
def lakeloop(settings: Settings) -> Run:
    return run_in(settings, run_warm)
