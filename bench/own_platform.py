"""A platform on free ports in a folder of its own, started and stopped as users do."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

PORTS = ("AIRFLOW", "MODEL_SERVER", "MODEL_SERVER_GRPC", "GATEWAY", "MONITOR", "PROMETHEUS", "ALERTMANAGER")


def own_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of commands on that home, with ports nobody listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in PORTS]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        numbers = [str(probe.getsockname()[1]) for probe in probes]
    ports = {f"LAKELOOP_{name}_PORT": number for name, number in zip(PORTS, numbers, strict=True)}
    return {**os.environ, **ports, "LAKELOOP_HOME": str(home.resolve()), **more}


def timed(environment: Mapping[str, str], *command: str) -> float:
    """Run `lakeloop <command>` to its end; the seconds it took."""
    begun = time.monotonic()
    lakeloop = Path(sys.executable).parent / "lakeloop"
    subprocess.run([lakeloop, *command], env=dict(environment), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[None]:
    """Start the platform; stop it afterwards, whatever happened."""
    try:
        timed(environment, "up")
        yield
    finally:
        timed(environment, "down")
