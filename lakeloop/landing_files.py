"""The landing folder as seen without Spark: which files are complete and not in the lake yet.

What the lake knows stands in a small file beside the sources' folders, which every ingest brings up to date.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lakeloop.atomic_file import write_text

PART = ".part"
KNOWN_FILE = ".known.json"
FETCH = ".fetch"
"""The folder beside the sources' with what is known of those that are fetched, and files that are not whole yet."""


class FileState(NamedTuple):
    """What the file system says of a file: bytes, and the time of the last change in microseconds since 1970."""

    bytes: int
    modified: int


KnownFiles = dict[str, set[FileState]]
"""`<source>/<file>` to every state of it the lake has looked at."""


def read_known(landing: Path) -> KnownFiles:
    """What the lake has looked at; nothing where no ingest ran, or its note cannot be read."""
    try:
        noted = json.loads((landing / KNOWN_FILE).read_text(encoding="utf-8"))
        return {name: {FileState(*state) for state in states} for name, states in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_known(landing: Path, known: Mapping[str, Iterable[FileState]]) -> None:
    """Note what the lake has looked at; the note is only written where it changes."""
    content = {name: set(states) for name, states in known.items()}
    if content == read_known(landing):
        return
    text = json.dumps({name: sorted(states) for name, states in sorted(content.items())})
    write_text(landing / KNOWN_FILE, text)


def landed_files(landing: Path, patterns: Mapping[str, str]) -> dict[str, FileState]:
    """Every file whose name is one of its source's, with its state; `patterns`: source to regular expression.

    What only looks like a file (a folder, a named pipe, a link to nothing) never can be taken, so it is none.
    """
    found = {}
    for source, pattern in patterns.items():
        for name in sorted(_names(landing / source)):
            if not re.match(pattern, name):
                continue
            try:
                status = (landing / source / name).stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found[f"{source}/{name}"] = state_of(status)
    return found


def state_of(status: os.stat_result) -> FileState:
    """A file's state by its status."""
    return FileState(status.st_size, status.st_mtime_ns // 1000)


def _names(folder: Path) -> Iterator[str]:
    """Paths of what lies below a folder and is neither hidden nor unfinished; nothing where it cannot be read."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name.endswith(PART):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from (f"{entry.name}/{name}" for name in _names(Path(entry.path)))
        else:
            yield entry.name


@dataclass
class _Seen:
    state: FileState
    since: float
    announced: float | None = None


class Arrivals:
    """Looks again and again, and tells each complete file that the lake does not know.

    A file that was renamed from `.part` is complete at once, another one when it has not changed for
    `quiet_seconds`. A file that was told and is still unknown after `again_seconds` is told again: an ingest may
    have failed, or its wake-up may have been lost.
    """

    def __init__(self, quiet_seconds: float, again_seconds: float) -> None:
        self._quiet, self._again = quiet_seconds, again_seconds
        self._seen: dict[str, _Seen] = {}

    def look(self, files: Mapping[str, FileState], known: KnownFiles, renamed: Iterable[str], now: float) -> list[str]:
        """The files to tell now; `renamed` were renamed from `.part`, `now` is a time in seconds."""
        complete = set(renamed)
        tell = []
        for name, state in files.items():
            if state in known.get(name, ()):
                self._seen.pop(name, None)
                continue
            seen = self._seen.get(name)
            if seen is None or seen.state != state:
                seen = self._seen[name] = _Seen(state, now)
            if seen.announced is not None:
                due = now - seen.announced >= self._again
            else:
                due = name in complete or now - seen.since >= self._quiet
            if due:
                seen.announced = now
                tell.append(name)
        self._seen = {name: seen for name, seen in self._seen.items() if name in files}
        return tell
