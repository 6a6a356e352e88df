"""Helpers that a command starts and leaves behind for the commands after it; they end by themselves."""

import os
import subprocess
import sys
from pathlib import Path

from lakeloop.use_case import UseCase


def start_helper(
    use_case: UseCase, name: str, *arguments: str, module: str = "console.cli"
) -> "subprocess.Popen[bytes]":
    """Start `lakeloop <arguments>`, or another module, apart from this process; what it says goes to `<name>.log`."""
    log = Path(use_case.settings.area("logs")) / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "LAKELOOP_USE_CASE": use_case.name}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip
