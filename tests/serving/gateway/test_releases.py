"""A hand on the release: promoted, rolled back, pinned and retired under load, and no request without its answer."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lakeloop.model_folders import models_folder
from lakeloop.releases import decide
from lakeloop.settings import PROJECT, Settings
from serving.model_server.process import stop
from tests.command_line import COMMAND
from tests.serving.gateway.conftest import body
from tests.waiting import eventually
from tests.warm_programs import running_gateway

CASE = "insurance"


def push(settings: Settings, saved_models: Path, version: str) -> None:
    folder = models_folder(settings, CASE)
    shutil.copytree(saved_models / "drivers" / "1", folder / f".{version}")
    (folder / f".{version}").rename(folder / version)


@contextmanager
def following_server(settings: Settings) -> Iterator[str]:
    """A model server that follows the home's releases; its address."""
    environment = {
        **os.environ, "LAKELOOP_HOME": str(settings.home), "LAKELOOP_USE_CASES": str(settings.use_cases),
        "LAKELOOP_USE_CASE": CASE, "COLUMNS": "200",
    }  # fmt: skip
    server = subprocess.Popen(
        [*COMMAND, "serve", "models", "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT
    )
    try:
        assert server.stdout is not None
        found = re.search(r"(http://[\d.:]+)/v1", server.stdout.readline())
        assert found
        yield found[1]
    finally:
        stop(server)


@pytest.fixture
def served(settings: Settings, saved_models: Path) -> Iterator[Settings]:
    """A home with three pushed versions, and a model server that follows its releases."""
    for version in ("1", "2", "3"):
        push(settings, saved_models, version)
    with following_server(settings) as url:
        yield settings.model_copy(update={"model_server_url": url})


def labelled(settings: Settings, label: str) -> str:
    """The version that the model server knows by a label."""
    answer = httpx.get(f"{settings.model_server}/v1/models/{CASE}/labels/{label}/metadata", timeout=60)
    return str(answer.json().get("model_spec", {}).get("version", ""))


class Asking(threading.Thread):
    """Asks without a pause, and keeps what was answered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self._stopping = url, threading.Event()
        self.answers: list[tuple[int, str | None]] = []

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stopping.is_set():
                answer = client.post("/predict/", json=body())
                self.answers.append((answer.status_code, answer.json().get("model_version")))

    def end(self) -> None:
        self._stopping.set()
        self.join()


def test_a_release_takes_effect_under_load_without_a_failed_request(served: Settings, saved_models: Path) -> None:
    with running_gateway(served) as gateway:

        def answered_by(version: str) -> None:
            eventually(lambda: httpx.get(f"{gateway.url}/health", timeout=60).json()["model_version"] == version)

        answered_by("3")
        asking = Asking(gateway.url)
        asking.start()
        try:
            decide(served, CASE, "rollback", "", "ann", "it is slow")
            answered_by("2")
            decide(served, CASE, "promote", "1", "ann", "older yet")
            answered_by("1")
            decide(served, CASE, "pin", "champion", "ann", "the year's end")
            eventually(lambda: (labelled(served, "champion"), labelled(served, "previous")) == ("1", "2"))
            push(served, saved_models, "4")
            decide(served, CASE, "promote", "2", "bob", "the push changes nothing, a person does")
            answered_by("2")
            decide(served, CASE, "promote", "4", "bob", "tried elsewhere")
            answered_by("4")
            eventually(lambda: (labelled(served, "champion"), labelled(served, "previous")) == ("4", "2"))
            decide(served, CASE, "unpin", "", "bob", "it is over")
            decide(served, CASE, "retire", "4", "bob", "wrong rows")
            answered_by("2")
            eventually(lambda: asking.answers[-1] == (200, "2"))
        finally:
            asking.end()
    versions = [version for _, version in asking.answers]
    assert {status for status, _ in asking.answers} == {200} and None not in versions
    in_order = [version for at, version in enumerate(versions) if at == 0 or versions[at - 1] != version]
    assert in_order == ["3", "2", "1", "2", "4", "2"]
