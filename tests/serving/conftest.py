"""Real SavedModels, written once a session, and one real server process that serves them all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.model_server.process import RunningServer, running_server


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: NAME/VERSION/saved_model.pb, as make_models.py lists them."""
    root = tmp_path_factory.mktemp("saved_models")
    script = Path(__file__).with_name("make_models.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, str(script), str(root)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


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
    with httpx.Client(base_url=server.url, timeout=30) as session:
        yield session


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return Path(__file__).with_name("golden")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a `golden_case` argument runs once for every case of every golden file."""
    if "golden_case" in metafunc.fixturenames:
        folder = Path(__file__).with_name("golden")
        cases = [case for path in sorted(folder.glob("*.json")) for case in json.loads(path.read_text())]
        metafunc.parametrize("golden_case", cases, ids=[case["name"] for case in cases])
