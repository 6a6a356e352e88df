"""One server for all use cases of a folder: what is pushed first is served without a restart."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from lakeloop.release_state import Release
from lakeloop.releases import decide
from lakeloop.served_models import config_path, labels_now, write_config
from lakeloop.settings import PROJECT, Settings
from serving.model_server.process import stop, wait_until_available
from tests.command_line import COMMAND


def made(folder: Path) -> Settings:
    for name in ("one", "two"):
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "contract.yaml").write_text("use_case: broken")
    return Settings(home=folder / "home", use_cases=folder / "data")


def push(settings: Settings, name: str, saved_models: Path) -> None:
    shutil.copytree(saved_models / "half_plus" / "1", Path(settings.area("models")) / name / "1")


def test_file_is_written_only_where_it_says_something_else(saved_models: Path, tmp_path: Path) -> None:
    settings = made(tmp_path)
    assert write_config(settings).read_text() == "model_config_list {\n}\n"
    push(settings, "one", saved_models)
    file = write_config(settings)
    before = file.stat().st_ino
    assert '"one"' in file.read_text() and '"two"' not in file.read_text()
    assert write_config(settings).stat().st_ino == before
    narrowed = settings.model_copy(update={"served_use_cases": "two"})
    assert write_config(narrowed) != config_path(settings) and '"one"' not in write_config(narrowed).read_text()


@pytest.mark.parametrize(
    ("states", "champion", "previous"),
    [
        ({}, "3", "2"),
        ({"3": "AVAILABLE", "2": "AVAILABLE"}, "3", "2"),
        ({"3": "LOADING", "2": "AVAILABLE", "1": "UNLOADING"}, "2", "2"),
        ({"3": "END", "2": "LOADING", "1": "AVAILABLE"}, "1", None),
        ({"3": "LOADING"}, "3", None),
    ],
)
def test_a_label_stays_with_who_answers_until_its_version_does(
    states: dict[str, str], champion: str, previous: str | None
) -> None:
    labels = labels_now(Release(champion="3", previous="2"), states)
    assert (labels["champion"], labels.get("previous")) == (champion, previous)


def test_a_model_whose_versions_are_all_retired_is_listed_no_more(saved_models: Path, tmp_path: Path) -> None:
    settings = made(tmp_path)
    push(settings, "one", saved_models)
    assert "specific { versions: 1 }" in write_config(settings).read_text()
    decide(settings, "one", "retire", "1", "ann", "wrong rows")
    assert write_config(settings).read_text() == "model_config_list {\n}\n"


def test_first_push_of_another_use_case_is_served_without_a_restart(saved_models: Path, tmp_path: Path) -> None:
    settings = made(tmp_path)
    environment = {
        **os.environ, "LAKELOOP_HOME": str(settings.home), "LAKELOOP_USE_CASES": str(settings.use_cases),
        "COLUMNS": "200",
    }  # fmt: skip
    command = [*COMMAND, "serve", "models", "--wait", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT)
    try:
        assert server.stdout is not None
        # nothing is pushed: the first line is the one that tells the address
        found = re.search(r"REST: (http://[\d.:]+)", server.stdout.readline())
        assert found
        for name in ("one", "two"):
            push(settings, name, saved_models)
            wait_until_available(found[1], name, 60, server)
            answer = httpx.post(f"{found[1]}/v1/models/one:predict", json={"instances": [2.0]}, timeout=60)
            assert answer.json() == {"predictions": [2.0]}
    finally:
        stop(server)
