"""One model in our model server, as a process of its own that is asked over its API.

This package does not import the server: it starts it and reads where it listens, as anybody else would.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import httpx

from lakeloop.settings import PROJECT, load_settings
from lakeloop.warm_process import WarmProcess, start_warm
from tfx_pipeline.exceptions import ModelUnusableError, ServerStartError

MODULE = "serving.model_server"
VERSION = 1
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0


class ModelUnderTest:
    """A loaded model behind its REST API."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self._client = client
        self._path = f"/v1/models/{name}"

    def ask(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to `predict`, `classify` or `regress`. Raises ModelUnusableError."""
        # NaN stands for a missing number, which httpx's own `json` refuses and TensorFlow Serving reads.
        answer = self._client.post(f"{self._path}:{method}", content=json.dumps(body))
        if answer.status_code != 200:
            raise ModelUnusableError(
                f"{method} was answered {answer.status_code}: {answer.json().get('error', answer.text)}"
            )
        content: dict[str, Any] = answer.json()
        return content

    def wait(self, seconds: float) -> None:
        """Until the version is available. Raises ModelUnusableError when it cannot be loaded or takes longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self._client.get(f"{self._path}/versions/{VERSION}")
            if answer.status_code == 200:
                status = answer.json()["model_version_status"][0]
                if status["state"] == "AVAILABLE":
                    return
                if status["state"] == "END":
                    raise ModelUnusableError(f"the model could not be loaded: {status['status']['error_message']}")
            time.sleep(0.02)
        raise ModelUnusableError(f"the model was not loaded within {seconds:.0f} s")


@contextmanager
def served_model(name: str, folder: Path, log: Path) -> Iterator[ModelUnderTest]:
    """Serves the SavedModel in `folder` until the block ends; the server's log goes to `log`.

    Raises:
        ServerStartError: the server process ended or was silent for too long.
        ModelUnusableError: it could not load the model.
    """
    with tempfile.TemporaryDirectory() as base_path, log.open("w", encoding="utf-8") as stream, ExitStack() as stack:
        (Path(base_path) / str(VERSION)).symlink_to(folder.absolute(), target_is_directory=True)
        reading, writing = os.pipe()
        said = stack.enter_context(os.fdopen(reading, encoding="utf-8"))
        try:
            process = _start(["--model", f"{name}={base_path}", "--port", "0", "--grpc-port", "0"], writing, stream)
        finally:
            os.close(writing)
        stack.callback(process.wait)
        stack.callback(process.kill)  # nobody else asks it; a graceful end takes a second
        try:
            url = _where(process, said, log)
            with httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as client:
                model = ModelUnderTest(client, name)
                model.wait(ANSWER_SECONDS)
                yield model
        except httpx.HTTPError as error:
            raise ModelUnusableError(f"the model server broke off: {error}; its log is {log}") from None


def _start(arguments: list[str], said: int, log: TextIO) -> "subprocess.Popen[bytes] | WarmProcess":
    """The server as a fork of the home's warm one, where that is ready, which has TensorFlow imported."""
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    warm = start_warm(load_settings(), MODULE, arguments, environment, (said, log.fileno()))
    if warm is not None:
        return warm
    return subprocess.Popen([sys.executable, "-m", MODULE, *arguments], stdout=said, stderr=log, env=environment)


def _where(process: "subprocess.Popen[bytes] | WarmProcess", said: TextIO, log: Path) -> str:
    """The address the server prints when it listens."""
    impatience = threading.Timer(START_SECONDS, process.kill)
    impatience.start()
    try:
        line = said.readline()
    finally:
        impatience.cancel()
    if not line.startswith("listening url="):
        code = process.wait()
        raise ServerStartError(f"the model server ended with exit code {code} before it listened; its log is {log}")
    return line.split()[1].removeprefix("url=")
