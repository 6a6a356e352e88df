"""One monitor a use case: a second one would count every request again and announce every episode twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakeloop.exceptions import BusyError
from lakeloop.settings import Settings


@contextmanager
def only_monitor(settings: Settings) -> Iterator[None]:
    """Hold the use case's lock, which the system lets go of however the process ends.

    Raises:
        BusyError: another process watches this use case on this home.
    """
    path = Path(settings.area("logs")) / "monitor" / f"{settings.use_case}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"another monitor watches {settings.use_case} on {settings.home}; stop it first, or use another home"
            ) from None
        yield
    finally:
        os.close(descriptor)
