"""One `up` or `down` at a time on a home."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from console.platform.paths import platform_folder, private_folder
from lakeloop.exceptions import BusyError
from lakeloop.settings import Settings


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Hold the home's lock, which the system lets go of however the process ends.

    Raises:
        BusyError: another process starts or stops this platform now.
    """
    path = private_folder(platform_folder(settings)) / ".lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(descriptor, 20).decode(errors="replace") or "unknown"
            raise BusyError(
                f"another `lakeloop up` or `down` (pid {who}) is at work on {settings.home}; "
                "wait for it, or stop it with Ctrl-C"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
