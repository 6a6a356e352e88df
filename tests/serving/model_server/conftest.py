"""One real server process that serves all models, and what TensorFlow Serving answered to the same requests."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.model_server.process import RunningServer
from tests.warm_programs import running_server


@pytest.fixture(scope="session")
def server(saved_models: Path) -> Iterator[RunningServer]:
    """One server for all models of the session but `half_plus`, which the tests of versions copy from."""
    models = {folder.name: folder for folder in sorted(saved_models.iterdir()) if folder.name != "half_plus"}
    models["saved_model_half_plus_two_2_versions"] = saved_models / "half_plus_two"
    models["name with /:#"] = saved_models / "half_plus_two"
    with running_server(models) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as session:
        yield session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a `golden_case` argument runs once for every case of every golden file."""
    if "golden_case" in metafunc.fixturenames:
        folder = Path(__file__).with_name("golden")
        cases = [case for path in sorted(folder.glob("*.json")) for case in json.loads(path.read_text())]
        metafunc.parametrize("golden_case", cases, ids=[case["name"] for case in cases])
