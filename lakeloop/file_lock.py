"""Locks between processes, and between the threads of one; the system lets go of them however their holder ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from lakeloop.exceptions import BusyError

GLANCE_SECONDS = 0.1
"""Longer than anybody holds a lock who only looks whether it is free."""


def try_lock(path: Path) -> BaseFileLock | None:
    """The lock on the file, for any thread to release; None where somebody else holds it. A fork does not hold it."""
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on the file."""
    if not path.exists():
        return False
    lock = try_lock(path)
    if lock is not None:
        lock.release()
    return lock is None


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold the lock on the file, waiting until whoever holds it lets it go."""
    with _lock(path):
        yield


@contextmanager
def only_one(path: Path, refusal: Callable[[str], str]) -> Iterator[None]:
    """Hold the lock on the file, which names this process meanwhile.

    Raises:
        BusyError: somebody else holds it; the text is what `refusal` makes of the process's id.
    """
    lock = _lock(path, on_acquired=_sign)
    try:
        lock.acquire(timeout=GLANCE_SECONDS, poll_interval=GLANCE_SECONDS / 10)
    except Timeout:
        raise BusyError(refusal(path.read_text(encoding="utf-8").strip() or "unknown")) from None
    try:
        yield
    finally:
        lock.release()


def _lock(path: Path, on_acquired: Callable[[int], None] | None = None) -> BaseFileLock:
    """Never the library's substitute for file systems without locks: that one outlives a process that is killed."""
    return FileLock(path, thread_local=False, fallback_to_soft=False, on_acquired=on_acquired)


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
