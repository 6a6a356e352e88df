"""What has come to a request log and is not in the lake yet: finished files, and records of its topic.

A platform that changes from one to the other has both for a while, and takes in both.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.requests.log_files import new_files
from lakehouse.storage.layout import REQUESTS, read_json, write_json
from lakeloop.request_topic import RequestTopic, request_topic
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from lakeloop.topic_client import Span

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicArrivals:
    """Records of a topic that are not in the lake: a span of each partition; `id` tells topics of one name apart.

    `deleted` records were never taken, and the broker has them no more: it kept them for too short a time.
    """

    topic: RequestTopic
    id: str
    spans: Mapping[int, Span]
    deleted: int = 0

    @property
    def records(self) -> int:
        """How many they are."""
        return sum(span.end - span.first for span in self.spans.values())


@dataclass(frozen=True)
class Arrivals:
    """Files by name, and what the topic has; false where there is neither."""

    files: list[Path] = field(default_factory=list)
    topic: TopicArrivals | None = None

    def __bool__(self) -> bool:
        return bool(self.files or (self.topic is not None and self.topic.records))

    def any_in(self, later: Arrivals) -> bool:
        """Whether something of this is still not in the lake in a `later` look."""
        if set(self.files).intersection(later.files):
            return True
        if self.topic is None or later.topic is None or self.topic.id != later.topic.id:
            return False
        spans = later.topic.spans
        return any(number in spans and spans[number].first < span.end for number, span in self.topic.spans.items())


def arrivals(use_case: UseCase) -> Arrivals:
    """What is there now. Raises BrokerError where the broker is away."""
    topic = request_topic(use_case)
    return Arrivals(new_files(use_case), None if topic is None else _of_topic(use_case, topic))


def note_taken(use_case: UseCase, arrived: TopicArrivals) -> None:
    """Note that these records are in the lake."""
    taken = _taken(use_case, arrived.id) | {number: span.end for number, span in arrived.spans.items()}
    write_json(_notes(use_case), {"topic": arrived.id, "taken": {str(number): end for number, end in taken.items()}})


def _of_topic(use_case: UseCase, topic: RequestTopic) -> TopicArrivals | None:
    from lakeloop.topic_client import Span, TopicReader, topic_id

    known = topic_id(topic)
    if not known:  # nobody has asked yet
        return None
    taken = _taken(use_case, known)
    with TopicReader(topic) as reader:
        there = reader.spans()
    spans, deleted = dict[int, Span](), 0
    for number, span in there.items():
        reached = taken.get(number, span.first)
        deleted += max(0, span.first - reached)
        if max(reached, span.first) < span.end:
            spans[number] = Span(max(reached, span.first), span.end)
    if deleted:
        log.error("event=requests_deleted_before_they_were_taken topic=%s records=%d", topic.name, deleted)
    return TopicArrivals(topic, known, spans, deleted)


def _taken(use_case: UseCase, topic: str) -> dict[int, int]:
    """Partition -> the offset before which all is in the lake; of another topic than noted nothing is."""
    noted = read_json(_notes(use_case))
    if not isinstance(noted, dict) or noted.get("topic") != topic:
        return {}
    return {int(number): end for number, end in noted["taken"].items()}


def _notes(use_case: UseCase) -> Path:
    return use_case.work_folder / REQUESTS / "topic.json"
