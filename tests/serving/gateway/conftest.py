"""A real gateway before a real model server that serves a tiny model with the first use case's inputs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.background_rows import BackgroundRows
from lakeloop.drawn_rows import sample_period
from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from serving.gateway.process import RunningGateway
from serving.model_server.process import RunningServer
from tests.use_case_copies import PATIENT, copy_insurance
from tests.warm_programs import running_gateway, running_server

NOWHERE = "http://127.0.0.1:9"


def body(**changes: Any) -> dict[str, Any]:
    """A valid request of the first use case; features by name, `key`, `at` and `request_id` at the top."""
    request: dict[str, Any] = {
        "driver": {"training": 0, "age": 45.5, "miles": 70},
        "vehicle": {"emergency_braking": 1, "braking_distance": 40, "power": 100},
    }
    for name, value in changes.items():
        place = next((group for group in request.values() if isinstance(group, dict) and name in group), request)
        place[name] = value
    return request


def logged(use_case: UseCase) -> list[dict[str, Any]]:
    """Every record in the request log; a torn line fails the test."""
    folder = request_log_folder(use_case)
    return [
        json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().split("\n") if line
    ]


def put_background(version: Path, use_case: UseCase, rows: int = 40) -> BackgroundRows:
    """Background rows into a version's folder, as a push leaves them there."""
    drawn = sample_period(use_case, 0).head(rows)
    columns = {name: tuple(drawn[name].tolist()) for name in use_case.contract.features}
    made = BackgroundRows(of_rows=rows, columns=columns)
    made.save(version)
    return made


@pytest.fixture(scope="session")
def model_folder(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed") / "insurance"
    shutil.copytree(saved_models / "drivers", folder)
    put_background(folder / "1", open_use_case(load_settings(), "insurance"))
    return folder


@pytest.fixture(scope="session")
def model_server(model_folder: Path) -> Iterator[RunningServer]:
    with running_server({"insurance": model_folder}, poll_seconds=0.1) as running:
        yield running


@pytest.fixture(scope="session")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first use case with a patient budget: a busy machine must not turn the model's answers into the rules'."""
    return copy_insurance(tmp_path_factory.mktemp("use_cases"), PATIENT)


@pytest.fixture
def settings(tmp_path: Path, use_cases: Path) -> Settings:
    """A home of its own, with no model server."""
    return load_settings(home=tmp_path / "home", use_case="insurance", use_cases=use_cases, model_server_url=NOWHERE)


@pytest.fixture(scope="session")
def shared_settings(
    tmp_path_factory: pytest.TempPathFactory, use_cases: Path, model_server: RunningServer, model_folder: Path
) -> Settings:
    return load_settings(
        home=tmp_path_factory.mktemp("home"), use_case="insurance", use_cases=use_cases,
        model_server_url=model_server.url, models=str(model_folder.parent),
    )  # fmt: skip


@pytest.fixture(scope="session")
def gateway(shared_settings: Settings) -> Iterator[RunningGateway]:
    """One gateway with a model for all tests that only ask."""
    with running_gateway(shared_settings) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60) as session:
        yield session
