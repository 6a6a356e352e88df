"""Records of somebody else's topic: what is new in it is delivered as files of JSON lines in the landing folder.

From there they are taken like any delivered file. A file is called after its topic's id, its partition and the offsets
in it, `records-<id>-<partition>-<first>-<last>.jsonl`, so how far the topic was read is known from the names in the
landing folder and in the ledger, and nothing else has to remember it.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from lakehouse.bronze.delivery_record import DeliveryRecord, delivered_names
from lakehouse.exceptions import ForeignTopicError
from lakeloop.atomic_file import replacing
from lakeloop.file_lock import in_turn
from lakeloop.landing_files import FETCH
from lakeloop.request_topic import RequestTopic, broker_servers
from lakeloop.topic_client import BrokerError, Span, TopicLine, TopicReader, topic_id
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
NAME = re.compile(r"records-(?P<id>[\w-]+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)\.jsonl")
RECORDS_A_FILE = 200_000


@dataclass(frozen=True)
class TopicDelivery:
    """What was new in a topic: `rows` in `files` of the landing folder; `reached`: up to where it was read.

    `deleted` records were never taken, since the broker kept them for too short a time; `empty` ones have no content.
    """

    reached: str
    rows: int = 0
    files: tuple[Path, ...] = ()
    deleted: int = 0
    empty: int = 0

    @property
    def notices(self) -> tuple[str, ...]:
        """What should be known of it, a sentence each."""
        told = []
        if self.deleted:
            told.append(
                f"{self.deleted:,} records are lost: the broker deleted them before they were taken; have it keep them "
                "longer (retention.ms), or look more often (`every`)"
            )
        if self.empty:
            told.append(f"{self.empty:,} records have no content, which deletes a row elsewhere; the lake keeps it")
        return tuple(told)


def deliver_new_records(use_case: UseCase, source: str, ledger: Iterable[DeliveryRecord]) -> TopicDelivery:
    """Put what is new in a source's topic into the landing folder; nothing where no record is new.

    `ledger`: what was delivered before.

    Raises:
        ForeignTopicError: the broker is away or not named, or there is no such topic.
    """
    folder = use_case.folder("landing") / FETCH / source
    folder.mkdir(parents=True, exist_ok=True)
    topic = _topic(use_case, source)
    try:
        with in_turn(folder / "lock"), TopicReader(topic) as reader:
            known = topic_id(topic)
            if not known:
                raise ForeignTopicError(
                    f"{source}: there is no topic {topic.name} at {topic.servers}; mend `sources.{source}.topic`, or "
                    "have it made"
                )
            reached = _reached(known, delivered_names(use_case, source, ledger))
            found = _land(use_case.folder("landing") / source, known, reader, reached)
    except BrokerError as error:
        raise ForeignTopicError(f"{source}: {error}") from None
    if found.rows:
        log.info("event=topic_delivered use_case=%s source=%s rows=%d", use_case.name, source, found.rows)
    return found


def _topic(use_case: UseCase, source: str) -> RequestTopic:
    spec = use_case.contract.sources[source].topic
    assert spec is not None
    servers = spec.broker or broker_servers(use_case.settings)
    if not servers:
        raise ForeignTopicError(
            f"{source}: no broker is named for topic {spec.name}; set LAKELOOP_BROKER, or write "
            f"`sources.{source}.topic.broker: HOST:PORT`"
        )
    return RequestTopic(servers, spec.name)


def _reached(known: str, names: Iterable[str]) -> dict[int, int]:
    """Partition -> the offset before which all was delivered, of the topic with this id."""
    reached: dict[int, int] = {}
    for match in filter(None, map(NAME.fullmatch, names)):
        if match["id"] == known:
            partition = int(match["partition"])
            reached[partition] = max(reached.get(partition, 0), int(match["last"]) + 1)
    return reached


def _land(landing: Path, known: str, reader: TopicReader, reached: dict[int, int]) -> TopicDelivery:
    there = reader.spans()
    rows, empty, files = 0, 0, list[Path]()
    for partition, span in there.items():
        begin = max(span.first, reached.get(partition, 0))
        for first in range(begin, span.end, RECORDS_A_FILE):
            part = Span(first, min(first + RECORDS_A_FILE, span.end))
            lines = list(reader.lines({partition: part}))
            full = [line for line in lines if line.line.strip()]
            empty += len(lines) - len(full)
            target = landing / f"records-{known}-{partition}-{part.first}-{part.end - 1}.jsonl"
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as written:
                written.write_bytes(b"".join(_one_line(line) for line in full))
            rows += len(full)
            files.append(target)
    deleted = sum(max(0, span.first - reached.get(partition, span.first)) for partition, span in there.items())
    ends = ", ".join(str(span.end) for span in there.values())
    return TopicDelivery(f"offset {ends}", rows, tuple(files), deleted, empty)


def _one_line(line: TopicLine) -> bytes:
    """A record as a line of its own; what is no JSON stays as it is and is told when the file is taken."""
    if b"\n" not in line.line:
        return line.line + b"\n"
    try:
        return orjson.dumps(orjson.loads(line.line), option=orjson.OPT_APPEND_NEWLINE)
    except ValueError:
        return line.line.replace(b"\n", b" ") + b"\n"
