"""Real SavedModels, written once a session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: NAME/VERSION/saved_model.pb, as make_models.py lists them."""
    root = tmp_path_factory.mktemp("saved_models")
    script = Path(__file__).with_name("make_models.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, str(script), str(root)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return root
