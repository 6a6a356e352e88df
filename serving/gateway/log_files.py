"""The request log's files as a gateway sees them: their writer, what a dead one left, and the newest records in them.

A writer holds a lock on its own hidden lock file as long as it lives; the operating system lets go of it however
the process ends. So a `.part` file whose lock can be had is a dead writer's.
"""

import logging
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from lakeloop.atomic_file import sync
from lakeloop.file_lock import try_lock
from lakeloop.request_log_files import OPEN, finished_file, finished_files, open_files, read_name

log = logging.getLogger(__name__)

# A gateway's own: a file of somebody else, who holds no such lock, is left alone.
WRITER = re.compile(r"[0-9TZ]+-[0-9]+-[0-9a-f]+")


def new_writer() -> str:
    """A writer's name: when it started, its process, and what makes it unique; names sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.getpid()}-{secrets.token_hex(2)}"


def lock_file(folder: Path, writer: str) -> Path:
    """The lock a living writer holds; hidden, so that no reader takes it for data."""
    return folder / f".{writer}.lock"


def finish_dead_writers(folder: Path) -> list[Path]:
    """Complete what writers that are gone left open, without a torn last line; gives the files made."""
    made: list[Path] = []
    for lock in sorted({*folder.glob(".*.lock"), *(_lock_of(part) for part in open_files(folder))}):
        held = try_lock(lock)
        if held is None:
            continue
        try:
            writer = lock.name.removeprefix(".").removesuffix(".lock")
            made += filter(None, map(_finish, open_files(folder, writer)))
            lock.unlink(missing_ok=True)
        finally:
            held.release()
    if made:
        sync(folder)
        log.warning("event=finished_dead_writers files=%d", len(made))
    return made


def newest_records(folder: Path, most: int, most_files: int) -> Iterator[dict[str, object]]:
    """The newest finished records, the oldest first and one at a time; unreadable files and lines are passed over.

    Files are read twice, first to count: all their records at once would take some hundred MB.
    """
    files: list[Path] = []
    count = 0
    for path in finished_files(folder)[::-1][:most_files]:
        files.append(path)
        count += sum(1 for _ in _records(path))
        if count >= most:
            break
    records = (record for path in reversed(files) for record in _records(path))
    return islice(records, max(0, count - most), None)


def _records(path: Path) -> Iterator[dict[str, object]]:
    try:
        with path.open("rb") as stream:
            yield from filter(None, map(_record, stream))
    except OSError:
        return


def _lock_of(part: Path) -> Path:
    name = read_name(part)
    own = name is not None and WRITER.fullmatch(name.writer)
    return lock_file(part.parent, name.writer if name is not None and own else part.name.removesuffix(OPEN))


def _finish(part: Path) -> Path | None:
    """Cut a file after its last whole line and give it its final name; an empty one is removed."""
    try:
        with part.open("r+b") as stream:
            good = 0
            for line in stream:
                if not line.endswith(b"\n") or _record(line) is None:
                    break
                good += len(line)
            stream.truncate(good)
            os.fsync(stream.fileno())
        if good == 0:
            part.unlink()
            return None
        return part.rename(finished_file(part))
    except FileNotFoundError:  # another gateway that started just now was faster
        return None


def _record(line: bytes) -> dict[str, object] | None:
    try:
        record = orjson.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
