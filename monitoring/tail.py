"""Follows a use case's request log: what is written, what is finished and what the stream has put away.

A writer's files are numbered and are read in that order, so how far one has read is a number and an offset a writer.
"""

import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from lakeloop.request_log_files import FINISHED, read_name, request_log_folder, streamed_files
from lakeloop.request_record import EARLIEST, LATEST, RequestRecord
from lakeloop.request_topic import request_topic
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)

MOST_IDS = 100_000
"""Request ids remembered, as many as the gateway remembers answers: a later repetition is counted again."""

Position = dict[str, tuple[int, int]]
"""Writer -> (file number, bytes of it that were read); files with smaller numbers were read wholly. Of a topic:
partition -> (0, the offset of the next record).
"""


@dataclass(frozen=True)
class LogFile:
    """One file of the log as it was when the folder was listed."""

    path: Path
    writer: str
    number: int
    size: int
    modified: float

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is written to it."""
        return self.path.name.endswith(FINISHED)


class Tail(ABC):
    """Reads a request log on, each request id once. `position` is always that after the last record given.

    `recent` are records before the position where it began, the oldest first; their ids are known.
    """

    position: Position
    recent: list[RequestRecord]

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.unreadable = 0

    @abstractmethod
    def read(self) -> Iterator[RequestRecord]:
        """What is new, each request id once, in the order it was written by each writer."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it reads."""

    def _record(self, line: bytes, where: object) -> RequestRecord | None:
        try:
            record = RequestRecord.model_validate_json(line)
            return record.model_copy(update={"at": _event_time(record.at)})
        except ValueError as error:
            self.unreadable += 1
            log.warning("event=unreadable_line where=%s problem=%r", where, str(error)[:200])
            return None

    def _is_new(self, record: RequestRecord) -> bool:
        if record.request_id in self._ids:
            return False
        self._ids[record.request_id] = None
        if len(self._ids) > MOST_IDS:
            self._ids.popitem(last=False)
        return True


def tail_of(use_case: UseCase, position: Mapping[str, tuple[int, int]] | None, begin_with: int) -> Tail:
    """Reads a use case's request log on, whether that is files or a topic; a position in the other of them is none.

    Raises:
        BrokerError: the topic's broker is away.
    """
    topic = request_topic(use_case)
    known = {name: reached for name, reached in (position or {}).items() if ("/" in name) == (topic is not None)}
    if topic is None:
        return LogTail(request_log_folder(use_case), known if known or position == {} else None, begin_with)
    from monitoring.topic_tail import TopicTail  # the broker's client is loaded where there is one

    return TopicTail(topic, known, begin_with)


class LogTail(Tail):
    """Reads the log's files on from a position.

    With no position it begins so that at least the newest `begin_with` records are read: history is not this one's
    job. Records before that are known wherever their files lie.
    """

    def __init__(self, folder: Path, position: Mapping[str, tuple[int, int]] | None, begin_with: int) -> None:
        super().__init__()
        self._folder = folder
        self._looked_for: set[tuple[str, int]] = set()
        self._put_away: list[LogFile] = []
        files = {(file.writer, file.number): file for file in self._list()}
        # Looked for second: a file that is moved in between is seen twice rather than never.
        self._put_away = [file for path in streamed_files(folder) if (file := _log_file(path))]
        files |= {(file.writer, file.number): file for file in self._put_away}
        self.position = _begin(list(files.values()), begin_with) if position is None else dict(position)
        self.recent = self._before(list(files.values()))
        for record in self.recent:
            self._is_new(record)

    def read(self) -> Iterator[RequestRecord]:
        waiting: set[str] = set()  # writers with a file whose end is not there yet
        for file in self._unread():
            if file.writer in waiting:
                continue
            for line, end in self._new_lines(file, waiting):
                record = self._record(line, file.path)
                self.position[file.writer] = (file.number, end)
                if record is not None and self._is_new(record):
                    yield record

    def close(self) -> None:  # a file is open only while it is read
        return

    def _unread(self) -> list[LogFile]:
        """Files with something new, by writer and number; those that were moved away in between as well."""
        files = {(file.writer, file.number): file for file in self._put_away}
        self._put_away = []
        listed = self._list(read_before=self.position)
        lowest: dict[str, int] = {}
        for file in listed:
            files[file.writer, file.number] = file
            lowest[file.writer] = min(file.number, lowest.get(file.writer, file.number))
        for writer, number in lowest.items():
            reached = self.position.get(writer, (0, 0))[0]
            if number > reached + 1 and (writer, number) not in self._looked_for:
                self._looked_for.add((writer, number))
                for path in streamed_files(self._folder, writer):
                    if (moved := _log_file(path)) is not None:
                        files.setdefault((moved.writer, moved.number), moved)
        unread = [file for file in files.values() if self._start(file) < file.size]
        return sorted(unread, key=lambda file: (file.writer, file.number))

    def _start(self, file: LogFile) -> int:
        """Where reading goes on in the file; its size if it was read."""
        number, offset = self.position.get(file.writer, (0, 0))
        return offset if file.number == number else file.size if file.number < number else 0

    def _new_lines(self, file: LogFile, waiting: set[str]) -> Iterator[tuple[bytes, int]]:
        """(line, where it ends) of each whole line; notes the writer as waiting while more is to come."""
        place = self._start(file)
        if not file.is_finished:
            waiting.add(file.writer)
        try:
            with file.path.open("rb") as stream:
                stream.seek(place)
                for line in stream:
                    if not line.endswith(b"\n"):
                        break
                    place += len(line)
                    yield line, place
        except FileNotFoundError:  # renamed or put away just now: the next look finds it
            waiting.add(file.writer)

    def _before(self, listed: list[LogFile]) -> list[RequestRecord]:
        """The newest records before the position, oldest first."""
        blocks: list[list[RequestRecord]] = []
        count = 0
        for file in sorted(listed, key=lambda file: file.modified, reverse=True):
            number, offset = self.position.get(file.writer, (0, 0))
            if count >= MOST_IDS or file.number > number:
                continue
            blocks.append(self._records_up_to(file, offset if file.number == number else file.size))
            count += len(blocks[-1])
        return [record for block in reversed(blocks) for record in block][-MOST_IDS:]

    def _records_up_to(self, file: LogFile, end: int) -> list[RequestRecord]:
        try:
            with file.path.open("rb") as stream:
                lines = stream.read(end).splitlines()
        except FileNotFoundError:
            return []
        return [record for line in lines if (record := self._record(line, file.path)) is not None]

    def _list(self, read_before: Mapping[str, tuple[int, int]] | None = None) -> list[LogFile]:
        """The files in the folder. Those that `read_before` is past are not looked at: there may be a thousand."""
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:  # nobody has asked anything yet
            return []
        return [file for path in paths if (file := _log_file(path, read_before or {})) is not None]


def _event_time(text: str) -> str:
    """ISO 8601 in UTC, as tables of times can hold it. Raises ValueError."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not EARLIEST <= at <= LATEST:
        raise ValueError(f"the event time {text} is not between {EARLIEST:%Y} and {LATEST:%Y} in UTC")
    return at.astimezone(UTC).isoformat()


def _log_file(path: Path, read_before: Mapping[str, tuple[int, int]] = MappingProxyType({})) -> LogFile | None:
    name = read_name(path)
    if name is None:
        return None
    writer, number = name
    if number < read_before.get(writer, (0, 0))[0]:
        return LogFile(path, writer, number, 0, 0.0)
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return LogFile(path, writer, number, stat.st_size, stat.st_mtime)


def _begin(listed: list[LogFile], records: int) -> Position:
    """The position before the newest files that hold so many records."""
    position: Position = {}
    count = 0
    for file in sorted(listed, key=lambda file: (file.modified, file.number), reverse=True):
        if count < records and file.writer not in position:
            with file.path.open("rb") as stream:
                count += sum(1 for _ in stream)
        elif file.number > position.get(file.writer, (0, 0))[0]:
            position[file.writer] = (file.number, file.size)
    return position
