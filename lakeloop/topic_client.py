"""Writes and reads the topic of a request log (`lakeloop.request_topic`) at its broker.

Nobody reads as a member of a group: who reads keeps itself how far it came, as an offset a partition, so that any
number of them read the same and none counts a record twice.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import TopicCollection as Topics
from confluent_kafka.admin import AdminClient, NewTopic

from lakeloop.exceptions import BrokenError
from lakeloop.request_topic import RequestTopic

PARTITIONS = 2
"""Of a topic that is made here: as many readers of Spark's at a time. An operator may make it with more beforehand."""
ANSWER_SECONDS = 10.0
"""How long a broker is waited for; one that has just started needs some."""
AT_A_TIME = 5_000
_ABSENT = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}


class BrokerError(BrokenError):
    """The broker does not answer, or refuses; the text says which, and that what waits for it is tried again."""

    def __init__(self, servers: str, why: object) -> None:
        super().__init__(
            f"the broker at {servers} cannot be used: {_in_words(why)}; see that it runs and that LAKELOOP_BROKER is "
            "right, then do the same again: nothing is lost"
        )


class TopicLine(NamedTuple):
    """A line of the log: which record of which partition it is."""

    partition: int
    offset: int
    line: bytes


class Span(NamedTuple):
    """What a partition holds: from the record at offset `first` to the one before `end`."""

    first: int
    end: int


def client_options(servers: str) -> dict[str, Any]:
    """What every client of a broker is made with. It says nothing by itself: who uses it tells what is wrong."""
    return {"bootstrap.servers": servers, "log_level": 0, "reconnect.backoff.max.ms": 1_000}


def make_topic(topic: RequestTopic, seconds: float = ANSWER_SECONDS) -> None:
    """Make the topic if it is not there. Raises BrokerError."""
    admin = AdminClient(client_options(topic.servers))  # what it is asked ends with it
    made = admin.create_topics([NewTopic(topic.name, PARTITIONS)], operation_timeout=seconds, request_timeout=seconds)
    try:
        made[topic.name].result(seconds)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise BrokerError(topic.servers, error) from None
    except TimeoutError as error:
        raise BrokerError(topic.servers, error) from None


def topic_id(topic: RequestTopic, seconds: float = ANSWER_SECONDS) -> str:
    """What tells this topic from a deleted one of the same name; '' where it is not there. Raises BrokerError.

    Letters, digits, - and _, as Kafka's own tools write it: it may be a part of a file's name.
    """
    admin = AdminClient(client_options(topic.servers))  # what it is asked ends with it
    described = admin.describe_topics(Topics([topic.name]), request_timeout=seconds)
    try:
        return file_name_part(str(described[topic.name].result(seconds).topic_id))
    except KafkaException as error:
        if error.args[0].code() in _ABSENT:
            return ""
        raise BrokerError(topic.servers, error) from None
    except TimeoutError as error:
        raise BrokerError(topic.servers, error) from None


def file_name_part(number: str) -> str:
    """A number in base64 as it may stand in a file's name.

    >>> file_name_part("0/f+A==")
    '0_f-A'
    """
    return number.rstrip("=").translate(str.maketrans("+/", "-_"))


def send(topic: RequestTopic, lines: Iterable[bytes]) -> None:
    """Write lines to the topic and wait until the broker has all of them. Raises BrokerError."""
    make_topic(topic)
    failures: list[KafkaError] = []
    producer = Producer(client_options(topic.servers) | {"enable.idempotence": True, "linger.ms": 20})

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    for line in lines:
        while True:
            try:
                producer.produce(topic.name, line, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(10 * ANSWER_SECONDS)
    if failures or left:
        raise BrokerError(topic.servers, failures[0] if failures else f"{left} records were not taken")


class TopicReader:
    """Reads a topic from offsets on; close it, or use it in a `with`."""

    def __init__(self, topic: RequestTopic) -> None:
        self._topic = topic
        self._told: KafkaError | None = None
        self._consumer = Consumer(
            client_options(topic.servers)
            | {
                "group.id": f"lakeloop.nobody.{topic.name}",  # asked for by the library; none is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # where the broker has deleted what was asked for
                "queued.max.messages.kbytes": 32 * 1024,
                "error_cb": self._note,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def spans(self, seconds: float = ANSWER_SECONDS) -> dict[int, Span]:
        """What each partition holds now; empty where there is no such topic. Raises BrokerError."""
        try:
            found = self._consumer.list_topics(self._topic.name, seconds).topics[self._topic.name]
            if found.error is not None:
                if found.error.code() in _ABSENT:
                    return {}
                raise BrokerError(self._topic.servers, found.error)
            return {number: self._span(number, seconds) for number in sorted(found.partitions)}
        except KafkaException as error:
            raise BrokerError(self._topic.servers, error) from None

    def begin(self, offsets: Mapping[int, int]) -> None:
        """Read each of these partitions from an offset on, and no other."""
        self._consumer.assign([TopicPartition(self._topic.name, number, at) for number, at in offsets.items()])

    def read(self, seconds: float = 0.0) -> list[TopicLine]:
        """What has come, in the order of each partition, and nothing after so long. Raises BrokerError."""
        self._told = None
        messages = self._consumer.consume(AT_A_TIME, seconds)
        errors = [error for message in messages if (error := message.error()) is not None]
        found = [
            TopicLine(message.partition(), message.offset(), message.value() or b"")  # type: ignore[arg-type]
            for message in messages
            if message.error() is None
        ]
        if not found and (errors or self._told is not None):  # what came beside an error counts, and is not asked again
            raise BrokerError(self._topic.servers, errors[0] if errors else self._told)
        return found

    def lines(self, spans: Mapping[int, Span], seconds: float = 60.0) -> Iterator[TopicLine]:
        """All there is in these spans. Raises BrokerError, too where no record comes for so long."""
        left = {number: span.end for number, span in spans.items() if span.first < span.end}
        self.begin({number: spans[number].first for number in left})
        since = time.monotonic()
        while left:
            read = []
            with contextlib.suppress(BrokerError) if time.monotonic() - since < seconds else contextlib.nullcontext():
                read = self.read(0.2)
            if read:
                since = time.monotonic()
            elif time.monotonic() - since >= seconds:
                raise BrokerError(self._topic.servers, f"nothing came for {seconds:.0f} s")
            for line in read:
                if line.offset < left.get(line.partition, 0):
                    yield line
            left = {number: end for number, end in left.items() if self._reached(number) < end}

    def _reached(self, partition: int) -> int:
        place = self._consumer.position([TopicPartition(self._topic.name, partition)])[0].offset
        return -1 if place == OFFSET_INVALID else int(place)

    def _span(self, partition: int, seconds: float) -> Span:
        found = self._consumer.get_watermark_offsets(TopicPartition(self._topic.name, partition), seconds)
        if found is None:
            raise BrokerError(self._topic.servers, "it did not answer in time")
        return Span(*found)

    def _note(self, error: KafkaError) -> None:
        self._told = error


def newest_spans(spans: Mapping[int, Span], most: int) -> dict[int, Span]:
    """The last `most` records of each of these spans: how many came to which of them is not known."""
    return {number: Span(max(span.first, span.end - most), span.end) for number, span in spans.items()}


def _in_words(why: object) -> str:
    error = why.args[0] if isinstance(why, KafkaException) else why
    return str(error.str() if isinstance(error, KafkaError) else error) or "it did not answer in time"
