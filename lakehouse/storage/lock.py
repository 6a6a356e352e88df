"""One ingest and one stream at a time in one home, and one who writes to a table that several write to."""

import threading
from contextlib import AbstractContextManager
from pathlib import Path

from lakeloop import file_lock
from lakeloop.use_case import UseCase

INGEST_LOCK, STREAM_LOCK = "ingest.lock", "stream.lock"
"""Files in a home's work folder."""
# Held to write a table that all sources of an ingest write to.
SHARED_TABLES = threading.Lock()


def only_one(path: Path, what: str = "ingest") -> AbstractContextManager[None]:
    """Hold the lock file at `path`; `what` names in the refusal who holds it.

    Raises:
        BusyError: another process holds it; its id is named.
    """
    return file_lock.only_one(
        path,
        lambda holder: (
            f"another {what} is running on this home (process {holder}); wait for it to end, then run this again"
        ),
    )


def check_free(path: Path, what: str = "ingest") -> None:
    """Raises BusyError as `only_one` would now, for who wants to know it before a Spark starts."""
    with only_one(path, what):
        pass


def tables_held(use_case: UseCase) -> AbstractContextManager[None]:
    """Hold the tables of a use case, to write them, waiting until whoever holds them lets them go."""
    return file_lock.in_turn(use_case.work_folder / "tables.lock")
