"""Follows a use case's request log where that is a topic of a broker."""

import logging
import time
from collections.abc import Iterator, Mapping

from lakeloop.request_record import RequestRecord
from lakeloop.request_topic import RequestTopic
from lakeloop.topic_client import Span, TopicReader, newest_spans, topic_id
from monitoring.tail import MOST_IDS, Position, Tail

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""A topic that nobody has written to yet, and new partitions of one, are looked for this often."""


class TopicTail(Tail):
    """Reads on from a position, as `monitoring.tail.LogTail` does in files.

    With no position, or one of a topic that was deleted, it begins with the newest `begin_with` records of each
    partition.

    Raises:
        BrokerError: the broker is away; `read` raises it, too.
    """

    def __init__(self, topic: RequestTopic, position: Mapping[str, tuple[int, int]] | None, begin_with: int) -> None:
        super().__init__()
        self._topic, self._begin_with = topic, begin_with
        self._reader = TopicReader(topic)
        self._id, self._looked_at = "", float("-inf")
        self.position: Position = dict(position or {})
        self.recent: list[RequestRecord] = []
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def read(self) -> Iterator[RequestRecord]:
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._look()
        while self._id and (lines := self._reader.read()):
            for line in lines:
                record = self._record(line.line, f"{self._topic.name}/{line.partition}/{line.offset}")
                self.position[self._named(line.partition)] = (0, line.offset + 1)
                if record is not None and self._is_new(record):
                    yield record

    def close(self) -> None:
        self._reader.close()

    def _look(self) -> None:
        """Find the topic and its partitions, and begin to read those that are new."""
        self._looked_at = time.monotonic()
        known = topic_id(self._topic)
        spans = self._reader.spans() if known else {}
        if not known or (known == self._id and all(self._named(number) in self.position for number in spans)):
            return
        self._id = known
        begin = newest_spans(spans, self._begin_with)
        self.position = {
            self._named(number): self.position.get(self._named(number), (0, begin[number].first)) for number in spans
        }
        before = {
            number: Span(max(span.first, self._reached(number) - MOST_IDS), min(span.end, self._reached(number)))
            for number, span in spans.items()
        }
        recent = [self._record(line.line, line) for line in self._reader.lines(before)]
        self.recent = sorted((one for one in recent if one is not None), key=lambda one: one.answered_at)[-MOST_IDS:]
        for record in self.recent:
            self._is_new(record)
        self._reader.begin({number: self._reached(number) for number in spans})

    def _reached(self, partition: int) -> int:
        return self.position[self._named(partition)][1]

    def _named(self, partition: int) -> str:
        """A partition's name in a position: that of another topic of the same name has another."""
        return f"{self._id or self._topic.name}/{partition}"
