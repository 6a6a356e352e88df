"""Counts a window's statistics in a process of its own: TFDV brings TensorFlow, which the monitor does without."""

import subprocess
import sys
import threading
from pathlib import Path

from lakeloop.use_case import UseCase


class Counting:
    """At most one process at a time; a window that was asked for meanwhile has its turn when it is asked for again."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._window = ("", "")

    @property
    def log(self) -> Path:
        """What the process said."""
        return Path(self._use_case.settings.area("logs")) / "window_statistics.log"

    def ask(self, version: str, period: str) -> str:
        """Start to count, or look how it goes: '' while it runs, else why it could not be done."""
        with self._lock:
            if self._process is None:
                self._start(version, period)
            elif self._process.poll() is not None:
                failed, window = self._process.returncode != 0, self._window
                self._process = None
                if failed and window == (version, period):
                    return self._last_line()
                self._start(version, period)
            return ""

    def stop(self) -> None:
        """End the process that runs, if any."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                self._process.wait()

    def _start(self, version: str, period: str) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        arguments = ("window", "statistics", period, "--version", version, "--use-case", self._use_case.name)
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "console.cli", *arguments],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            )  # fmt: skip
        self._window = (version, period)

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended without a word; {self.log}"
