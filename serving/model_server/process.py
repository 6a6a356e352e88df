"""A model server as a process of its own, for tests, demos and whoever must not load TensorFlow itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from serving.exceptions import ModelServerStartError


@dataclass(frozen=True)
class RunningServer:
    """A started server: `url` such as http://127.0.0.1:40123, `grpc` such as 127.0.0.1:40124, and its process."""

    url: str
    grpc: str
    process: subprocess.Popen[str]


@contextmanager
def running_server(
    models: Mapping[str, Path] | None = None,
    *,
    model_config: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    grpc_port: int = 0,
    poll_seconds: float = 1.0,
    wait_for: bool = True,
    timeout: float = 240.0,
    log_to: IO[str] | None = None,
    flags: Sequence[str] = (),
) -> Iterator[RunningServer]:
    """Starts a server, waits until a version of every model is AVAILABLE (`wait_for`), stops it at the end.

    What it serves are `models`, from name to base path, or those of a `model_config` file (not waited for).
    Port 0 takes any free port; `flags` are TensorFlow Serving's, such as --enable_batching. Logs go to `log_to`, by
    default to this process' stderr. Raises ModelServerStartError.
    """
    command = [sys.executable, "-m", "serving.model_server", "--host", host, "--port", str(port)]
    command += ["--grpc-port", str(grpc_port), "--poll-seconds", str(poll_seconds)]
    for name, path in (models or {}).items():
        command += ["--model", f"{name}={path}"]
    command += flags
    if model_config is not None:
        command += ["--model-config", str(model_config)]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log_to, text=True, env=environment)
    try:
        url, grpc = _read_addresses(process)
        if wait_for:
            deadline = time.monotonic() + timeout
            for name in models or {}:
                wait_until_available(url, name, deadline - time.monotonic(), process)
        yield RunningServer(url, grpc, process)
    finally:
        stop(process)


def wait_until_available(
    url: str,
    name: str,
    timeout: float,
    process: subprocess.Popen[str] | None = None,
    version: int | None = None,
) -> None:
    """Waits until a version (or that one) of the model is AVAILABLE. Raises ModelServerStartError."""
    deadline = time.monotonic() + timeout
    address = f"{url}/v1/models/{urllib.parse.quote(name, safe='')}"
    last = "no answer"
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise ModelServerStartError(
                f"The model server ended with exit code {process.returncode}; its log says why."
            )
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                states = json.load(answer)["model_version_status"]
            if any(s["state"] == "AVAILABLE" and version in (None, int(s["version"])) for s in states):
                return
            last = json.dumps(states)
            if version is None and states and all(s["state"] == "END" for s in states):
                break  # every version failed to load; waiting does not mend it
        except (urllib.error.URLError, OSError, ValueError) as exc:
            last = str(exc)
        time.sleep(0.05)
    raise ModelServerStartError(
        f"Model {name} at {url} did not become AVAILABLE within {timeout:.0f} s; last status: {last}."
    )


def stop(process: subprocess.Popen[str], timeout: float = 15.0) -> int:
    """Asks the process to stop (SIGTERM), kills it if it does not, and gives its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return process.returncode


def _read_addresses(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith("listening url="):
        raise ModelServerStartError(
            f"The model server ended with exit code {process.wait()} before it listened; its log says why."
        )
    url, grpc = line.removeprefix("listening url=").split(" grpc=")
    return url, grpc
