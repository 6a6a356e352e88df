"""One ingest and one stream at a time in one home, by locks the operating system lets go when a process ends."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakeloop.exceptions import BusyError

INGEST_LOCK, STREAM_LOCK = "ingest.lock", "stream.lock"
"""Files in a home's work folder."""
# Held to write a table that all sources of an ingest write to.
SHARED_TABLES = threading.Lock()


@contextmanager
def only_one(path: Path, what: str = "ingest") -> Iterator[None]:
    """Hold the lock file at `path`; `what` names in the refusal who holds it.

    Raises:
        BusyError: another process holds it; its id is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise BusyError(
                f"another {what} is running on this home (process {holder}); wait for it to end, then run this again"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def check_free(path: Path, what: str = "ingest") -> None:
    """Raises BusyError as `only_one` would now, for who wants to know it before a Spark starts."""
    with only_one(path, what):
        pass


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, waiting until whoever holds it lets it go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
