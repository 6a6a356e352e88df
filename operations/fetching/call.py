"""Calls a use case's `fetch` for one period in a process of its own, which ends with this one."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from lakeloop.atomic_file import write_text
from lakeloop.contract.elsewhere import duration
from operations.exceptions import FetchError

CHILD = Path(__file__).with_name("child.py")
PR_SET_PDEATHSIG = 1
PATIENCE_SECONDS = 5.0
"""How long a process that is ended may take before it is killed."""


@dataclass(frozen=True)
class Call:
    """What is asked of a `fetch`: the files of a source and period, between two moments (UTC), into a folder.

    `details`: where the traceback of an error is kept.
    """

    script: Path
    source: str
    period: str
    begins: datetime
    ends: datetime
    folder: Path
    details: Path


def call(asked: Call, timeout: str, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Have the files written within `timeout`, a `Duration`; `on_line` gets each line that the function prints.

    Raises:
        FetchError: it failed, ended itself or took too long; the text names the file and line.
    """
    failure = asked.folder.with_name(f"{asked.folder.name}.failure")
    order = {
        "script": str(asked.script), "source": asked.source, "period": asked.period, "folder": str(asked.folder),
        "begins": asked.begins.isoformat(), "ends": asked.ends.isoformat(), "failure": str(failure),
    }  # fmt: skip
    late = threading.Event()
    with _started(asked.folder) as process:

        def give_up() -> None:
            late.set()
            _end(process)

        clock = threading.Timer(duration(timeout).total_seconds(), give_up)
        clock.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):  # it is gone already; its exit code tells
                process.stdin.write(json.dumps(order))
                process.stdin.close()
            for line in process.stdout:
                on_line(line.rstrip())
            code = process.wait()
        finally:
            clock.cancel()
    what = f"{asked.script}: {asked.source}, {asked.period}"
    if late.is_set():
        raise FetchError(f"{what}: took longer than {timeout}; give it more time with `fetch.timeout`")
    if failure.exists():
        raise FetchError(_in_words(json.loads(failure.read_text(encoding="utf-8")), asked))
    if code:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise FetchError(f"{what}: its process {how} and said nothing of why")


def _in_words(told: dict[str, Any], asked: Call) -> str:
    write_text(asked.details, told["traceback"])
    place = f"{told['file']}, line {told['line']}" if told["line"] else told["file"]
    return f"{place}: {asked.source}, {asked.period}: {told['error']}\n  the details are in {asked.details}"


@contextmanager
def _started(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The process at work in `folder`; it and all it started are gone when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", cwd=folder, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, preexec_fn=partial(_end_with_parent, ctypes.CDLL(None)),
    )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _end(process: "subprocess.Popen[str]") -> None:
    """TERM to it and all it started, and after a while KILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _end_with_parent(c_library: ctypes.CDLL) -> None:
    """In the child: end when the process that started it does, even if that is killed and cannot tell."""
    c_library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
