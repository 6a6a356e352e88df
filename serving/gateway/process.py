"""A gateway as a process of its own, for tests, demos and measurements; and the environment of such processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from lakeloop.settings import PROJECT, Settings
from serving.exceptions import GatewayStartError
from serving.model_server.process import stop

_PASSED_ON = ("home", "use_case", "use_cases", "served_use_cases", "database_url", "logs", "models",
              "model_server_port", "model_server_url", "clock", "now", "auth", "broker")  # fmt: skip


@dataclass(frozen=True)
class RunningGateway:
    """A started gateway: `url` such as http://127.0.0.1:40123, and its process."""

    url: str
    process: "subprocess.Popen[str]"


def environment_with(settings: Settings) -> dict[str, str]:
    """The environment of a process that is to have these settings."""
    values = {name: getattr(settings, name) for name in _PASSED_ON}
    given = {f"LAKELOOP_{name.upper()}": str(value) for name, value in values.items() if value is not None}
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **given, "PYTHONPATH": path}


@contextmanager
def running_gateway(settings: Settings, *, port: int = 0, log_to: IO[str] | None = None) -> Iterator[RunningGateway]:
    """Start a gateway with these settings and stop it at the end. Port 0 takes a free one.

    Raises:
        GatewayStartError: the process ended before it listened; its log (`log_to`, or stderr) says why.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=log_to,
        text=True,
        env=environment_with(settings),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.startswith("listening url="):
            raise GatewayStartError(f"the gateway ended with exit code {process.wait()}; its log says why")
        yield RunningGateway(line.removeprefix("listening url="), process)
    finally:
        stop(process)
