"""Writes answered requests durably, on a thread of its own, so that no answer ever waits for a disk.

Lines reach the operating system within a twentieth of a second and the disk within a second, when the file is
completed and renamed. While the disk refuses, lines wait in memory, a bounded number of them, and an alarm rises.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from filelock import BaseFileLock

from lakeloop.atomic_file import sync
from lakeloop.file_lock import try_lock
from lakeloop.request_log_files import finished_file, open_file
from serving.gateway.log_files import lock_file, new_writer
from serving.gateway.waiting_lines import WaitingLines

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.05
ROTATE_SECONDS = 1.0
ROTATE_BYTES = 16 * 1024 * 1024
_AT_A_TIME = 5_000


class RequestLog:
    """One writer on one folder. `on_failure` is called (on the writer's thread) for each failed attempt to write; a
    file is completed when it is `rotate_seconds` old.
    """

    def __init__(
        self,
        folder: Path,
        on_failure: Callable[[], None] = lambda: None,
        rotate_seconds: float = ROTATE_SECONDS,
    ) -> None:
        self._folder, self._on_failure, self._rotate_seconds = folder, on_failure, rotate_seconds
        self._waiting = WaitingLines()
        self._unwritten: list[bytes] = []
        self._file: _OpenFile | None = None
        self._writer, self._number = "", 0
        self._lock: BaseFileLock | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._behind_since = 0.0
        self.problem = ""

    def start(self) -> None:
        """Begin to write; a folder that cannot be written is a problem, not an error."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Write what waits, complete the file, and end."""
        self._stopping.set()
        if self._thread.is_alive():  # one that was never started has nothing to write
            self._thread.join(seconds)

    def add(self, line: bytes) -> None:
        """Take a line that ends with a newline; never blocks. With too many waiting it is lost, and counted."""
        self._waiting.add(line)

    @property
    def lost(self) -> int:
        """Lines for which there was no room."""
        return self._waiting.lost

    @property
    def pending(self) -> int:
        """Lines not yet given to the operating system."""
        return len(self._waiting) + len(self._unwritten)

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest line not yet given to the operating system."""
        since = self._behind_since or self._waiting.since
        return time.monotonic() - since if since else 0.0

    def _run(self) -> None:
        while not self._stopping.wait(ROTATE_SECONDS if self.problem else WRITE_SECONDS):
            self._step(self._rotate_seconds)
        self._step(0.0)
        if self._lock is not None and self._file is None:
            lock_file(self._folder, self._writer).unlink(missing_ok=True)
            self._lock.release()

    def _step(self, rotate_seconds: float) -> None:
        """Write what waits and complete a file that is old or large enough; what fails is tried again later."""
        try:
            while self._unwritten or self._waiting:
                if self._file is not None and self._file.size >= ROTATE_BYTES:
                    self._complete(self._file)
                self._write()
            if self._file is not None and self._file.age() >= rotate_seconds:
                self._complete(self._file)
        except OSError as error:
            self._on_failure()
            if not self.problem:
                log.error("event=request_log_failed folder=%s error=%r", self._folder, str(error))
            self.problem = f"{error.strerror or type(error).__name__}: {self._folder}"
        else:
            if self.problem:
                log.warning("event=request_log_recovered folder=%s", self._folder)
            self.problem = ""

    def _write(self) -> None:
        if not self._unwritten:
            self._behind_since = self._waiting.since or 0.0
            self._unwritten = self._waiting.take(_AT_A_TIME)
        file = self._file or self._open()
        file.write(b"".join(self._unwritten))
        self._unwritten = []
        self._behind_since = 0.0

    def _open(self) -> "_OpenFile":
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None or not lock_file(self._folder, self._writer).exists():
            self._writer, self._number = new_writer(), 0
            self._lock = try_lock(lock_file(self._folder, self._writer))
        self._number += 1
        self._file = _OpenFile(open_file(self._folder, self._writer, self._number))
        return self._file

    def _complete(self, file: "_OpenFile") -> None:
        try:
            file.complete()
        except FileNotFoundError:  # somebody removed the folder: what was in it is written again
            self._unwritten = [file.content(), *self._unwritten]
            log.error("event=request_log_folder_vanished folder=%s", self._folder)
        file.close()
        self._file = None


class _OpenFile:
    """A `.part` file. Only whole blocks count: `size` moves when all of a block is there, and the next write begins
    at `size`, so a half-written block is overwritten and never stands in the middle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._opened = time.monotonic()
        self.size = 0

    def age(self) -> float:
        return time.monotonic() - self._opened

    def write(self, block: bytes) -> None:
        done = 0
        while done < len(block):
            done += os.pwrite(self._descriptor, memoryview(block)[done:], self.size + done)
        self.size += len(block)

    def complete(self) -> None:
        """Make it durable and give it its final name; a file nothing was written to is removed."""
        os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)
        if self.size:
            self._path.rename(finished_file(self._path))
            sync(self._path.parent)
        else:
            self._path.unlink()

    def content(self) -> bytes:
        return os.pread(self._descriptor, self.size, 0)

    def close(self) -> None:
        os.close(self._descriptor)
