"""One ingest at a time in one home: a lock the operating system lets go when the process ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakeloop.errors import Busy


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`.

    Raises:
        Busy: another process holds it; its id is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise Busy(
                f"another ingest is running on this home (process {holder}); wait for it to end, then run this again"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
