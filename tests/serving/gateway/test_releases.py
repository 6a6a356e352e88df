"""A hand on the release: promoted, rolled back, pinned and retired under load, and no request without its answer."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from tensorflow_serving.apis import get_model_metadata_pb2, prediction_service_pb2_grpc

from lakeloop.model_folders import models_folder
from lakeloop.releases import decide
from lakeloop.settings import PROJECT, Settings
from serving.model_server.process import stop
from tests.command_line import COMMAND
from tests.serving.gateway.conftest import body
from tests.waiting import eventually
from tests.warm_programs import running_gateway

CASE = "insurance"
IN_EFFECT_SECONDS = 5.0
"""So soon clients are answered by the version that was gone back to: it is loaded."""


def push(settings: Settings, saved_models: Path, version: str) -> None:
    folder = models_folder(settings, CASE)
    shutil.copytree(saved_models / "drivers" / "1", folder / f".{version}")
    (folder / f".{version}").rename(folder / version)


@dataclass(frozen=True)
class Served:
    """The home, with the model server's address in its settings, and where it answers gRPC."""

    settings: Settings
    grpc: str

    def labelled(self, label: str) -> str:
        """The version that the model server knows by a label; over REST and gRPC it is the same."""
        rest = httpx.get(f"{self.settings.model_server}/v1/models/{CASE}/labels/{label}/metadata", timeout=60).json()
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name, request.model_spec.version_label = CASE, label
        with grpc.insecure_channel(self.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            by_grpc = stub.GetModelMetadata(request, timeout=60).model_spec.version.value
        by_rest = str(rest.get("model_spec", {}).get("version", ""))
        return by_rest if by_rest == str(by_grpc) else f"{by_rest} over REST, {by_grpc} over gRPC"

    def has_labels(self, champion: str, previous: str) -> bool:
        """Whether these are the versions of both labels now; not while one moves."""
        try:
            return (self.labelled("champion"), self.labelled("previous")) == (champion, previous)
        except grpc.RpcError:  # between two writes of the file `previous` names nothing
            return False


@contextmanager
def following_server(settings: Settings, *flags: str) -> Iterator[tuple[str, str]]:
    """A model server that follows the home's releases; its addresses for REST and gRPC."""
    environment = {
        **os.environ, "LAKELOOP_HOME": str(settings.home), "LAKELOOP_USE_CASES": str(settings.use_cases),
        "LAKELOOP_USE_CASE": CASE, "COLUMNS": "200",
    }  # fmt: skip
    server = subprocess.Popen(
        [*COMMAND, "serve", "models", "--port", "0", *flags],
        stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        told = ""
        while "gRPC: " not in told and (line := server.stdout.readline()):
            told += line
        found = re.search(r"(http://[\d.:]+)/v1.*gRPC: ([\d.:]+)", told, re.DOTALL)
        assert found
        yield found[1], found[2]
    finally:
        stop(server)


@pytest.fixture
def served(settings: Settings, saved_models: Path) -> Iterator[Served]:
    """A home with three pushed versions, and a model server that follows its releases, though it was given a folder:
    that of the use case, under its name.
    """
    for version in ("1", "2", "3"):
        push(settings, saved_models, version)
    folder = f"--model_base_path={models_folder(settings, CASE)}"
    with following_server(settings, folder, f"--model_name={CASE}") as (url, grpc_address):
        yield Served(settings.model_copy(update={"model_server_url": url}), grpc_address)


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


def test_a_release_takes_effect_under_load_without_a_failed_request(served: Served, saved_models: Path) -> None:
    settings = served.settings
    with running_gateway(settings) as gateway:

        def answered_by(version: str) -> None:
            eventually(lambda: httpx.get(f"{gateway.url}/health", timeout=60).json()["model_version"] == version)

        answered_by("3")
        asking = Asking(gateway.url)
        asking.start()
        try:
            began = time.monotonic()
            decide(settings, CASE, "rollback", "", "ann", "it is slow")
            answered_by("2")
            seconds = time.monotonic() - began
            print(f"\nrolled back under load in {seconds:.1f} s")
            assert seconds < IN_EFFECT_SECONDS
            decide(settings, CASE, "promote", "1", "ann", "older yet")
            answered_by("1")
            decide(settings, CASE, "pin", "champion", "ann", "the year's end")
            eventually(lambda: served.has_labels("1", "2"))
            push(settings, saved_models, "4")
            decide(settings, CASE, "promote", "2", "bob", "the push changes nothing, a person does")
            answered_by("2")
            decide(settings, CASE, "promote", "4", "bob", "tried elsewhere")
            answered_by("4")
            eventually(lambda: served.has_labels("4", "2"))
            decide(settings, CASE, "unpin", "", "bob", "it is over")
            decide(settings, CASE, "retire", "4", "bob", "wrong rows")
            answered_by("2")
            eventually(lambda: asking.answers[-1] == (200, "2"))
        finally:
            asking.end()
    versions = [version for _, version in asking.answers]
    assert {status for status, _ in asking.answers} == {200} and None not in versions
    in_order = [version for at, version in enumerate(versions) if at == 0 or versions[at - 1] != version]
    assert in_order == ["3", "2", "1", "2", "4", "2"]
