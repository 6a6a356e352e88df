"""What a challenger answered beside the champion, and where that is kept: for who writes it, reads it and compares.

Each challenger has a folder of its own, with files as the request log's are (`lakeloop.request_log_files`): a gateway
writes them, and each line is a `ChallengerRecord` as JSON.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lakeloop.contract.release_plan import Stage
from lakeloop.frozen_model import FrozenModel
from lakeloop.request_log_files import LogFileName, finished_file, read_name
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)

Position = dict[str, tuple[int, int]]
"""Writer -> (file number, bytes of it that were read); files with smaller numbers were read wholly."""


class LoggedAnswer(FrozenModel, extra="ignore"):
    """One version's answer to a row, in the fields of a `RequestRecord`."""

    prediction: str | float
    class_id: int | None = None
    probabilities: list[float] | None = None
    threshold: float | None = None
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    predictor_type: Literal["model", "rules"]
    reason: str


class ChallengerRecord(FrozenModel, extra="ignore"):
    """A row that a challenger was asked. Times are ISO 8601 in UTC; `request_id` finds it in the request log.

    In the shadow, the client got the champion's answer. In the canary it got the challenger's, and the champion was
    not asked; where the challenger failed, the champion answered. `misfit`: the challenger was asked nothing, since it
    was trained for another contract; there is no request then.
    """

    request_id: str
    key: str | None
    at: str = Field(description="event time")
    answered_at: str = Field(description="when the challenger had answered, or failed")
    stage: Stage
    champion: str = Field(description="its version; '' where there was none")
    challenger: str = Field(description="its version")
    champion_answer: LoggedAnswer | None = None
    challenger_answer: LoggedAnswer | None = None
    latency_ms: float | None = Field(None, description="what the call took that asked it, perhaps about several rows")
    error: str = Field("", description="why it did not answer; '' if it did")
    misfit: bool = False

    def agrees(self, within: float | None = None) -> bool | None:
        """Whether both answered alike, numbers no further apart than `within`; None where one did not answer."""
        if self.champion_answer is None or self.challenger_answer is None:
            return None
        one, other = self.champion_answer.prediction, self.challenger_answer.prediction
        if isinstance(one, str) or isinstance(other, str):
            return one == other
        return abs(one - other) <= (within or 0.0)


def challenger_log_folder(use_case: UseCase, version: str) -> Path:
    """The folder of what one challenger answered."""
    return Path(use_case.settings.area("logs")) / "challengers" / use_case.name / version


class ChallengerTail:
    """Reads a challenger's log on from a position, from the beginning without one, while it is written.

    `position` is always that after the last record given. Lines that are no record are counted in `unreadable`.
    """

    def __init__(self, folder: Path, position: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._folder = folder
        self.position: Position = dict(position or {})
        self.unreadable = 0

    def read(self) -> Iterator[ChallengerRecord]:
        """What is new, in the order it was written by each writer."""
        for writer, files in groupby(self._files(), lambda file: file[0].writer):
            try:
                for name, path in files:
                    yield from self._new_records(name, path)
            except FileNotFoundError:  # completed just now, and called otherwise: the next look finds it
                log.debug("event=challenger_log_renamed writer=%s", writer)

    def _files(self) -> list[tuple[LogFileName, Path]]:
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        named = ((name, path) for path in paths if (name := read_name(path)) is not None)
        return sorted((name, path) for name, path in named if name.number >= self._reached(name.writer)[0])

    def _reached(self, writer: str) -> tuple[int, int]:
        return self.position.get(writer, (0, 0))

    def _new_records(self, name: LogFileName, path: Path) -> Iterator[ChallengerRecord]:
        number, offset = self._reached(name.writer)
        place = offset if name.number == number else 0
        with path.open("rb") as stream:
            stream.seek(place)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                place += len(line)
                self.position[name.writer] = (name.number, place)
                record = _record(line, path)
                if record is None:
                    self.unreadable += 1
                else:
                    yield record


def newest_records(folder: Path, most: int) -> list[ChallengerRecord]:
    """The newest records of a challenger's log, the oldest first.

    Files are opened from the one that was written last on, until they suffice: a log may be of some GB.
    """
    found: list[ChallengerRecord] = []
    for path in _last_written_first(folder):
        if len(found) >= most:
            break
        with suppress(FileNotFoundError), (path if path.exists() else finished_file(path)).open("rb") as stream:
            records = (_record(line, path) for line in stream if line.endswith(b"\n"))
            found += [one for one in records if one is not None]
    return sorted(found, key=lambda one: one.answered_at)[-most:]


def _last_written_first(folder: Path) -> list[Path]:
    written: list[tuple[int, Path]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if read_name(path) is not None:
            with suppress(FileNotFoundError):  # completed just now, and called otherwise: what it has is left out
                written.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(written, reverse=True)]


def _record(line: bytes, path: Path) -> ChallengerRecord | None:
    """The record of a line; None, and logged, where it is none."""
    try:
        return ChallengerRecord.model_validate_json(line)
    except ValidationError as problem:
        log.warning("event=unreadable_line file=%s problem=%r", path, str(problem)[:200])
        return None
