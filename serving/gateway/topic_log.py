"""Sends answered requests to a broker, on a thread of its own, so that no answer ever waits for it.

A line is let go of when the broker has it for good. While the broker is away, lines wait in memory, a bounded number of
them, and an alarm rises; they are sent when it is back, each once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import orjson
from confluent_kafka import KafkaError, Message, Producer

from lakeloop.request_topic import RequestTopic
from lakeloop.topic_client import BrokerError, TopicReader, client_options, make_topic, newest_spans
from serving.gateway.waiting_lines import WaitingLines

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.02
AGAIN_SECONDS = 1.0
TRY_SECONDS = 2.0
"""How long a look at a broker that was away takes at most."""
AWAY_SECONDS = 2.0
"""A line that the broker has not taken after so long is a problem to tell."""
MOST_SENT = 5_000
"""Lines that may be on their way; others wait."""
_TO_SEND = {
    "enable.idempotence": True,  # a line that is sent again after a fault is there once, and in its order
    "message.timeout.ms": 0,  # a line is not given up
    "linger.ms": 5,
    "compression.type": "lz4",
}


class TopicLog:
    """One writer of one topic, as `serving.gateway.request_log.RequestLog` is of a folder.

    `on_failure` is called (on the writer's thread) for each look at which the broker was away.
    """

    def __init__(self, topic: RequestTopic, on_failure: Callable[[], None] = lambda: None) -> None:
        self._topic, self._on_failure = topic, on_failure
        self._waiting = WaitingLines()
        self._refused: deque[bytes] = deque()
        self._sent: dict[int, tuple[float, bytes]] = {}
        self._numbers = count()
        self._producer = Producer(client_options(topic.servers) | _TO_SEND | {"error_cb": self._note})
        self._is_there = False
        self._noted: KafkaError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="topic-log", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to send; a broker that is away is a problem, not an error."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Send what waits, as far as the broker takes it in that time, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        self._producer.flush(seconds)
        if self.pending:
            log.error("event=requests_not_sent topic=%s lines=%d", self._topic.name, self.pending)

    def add(self, line: bytes) -> None:
        """Take a line that ends with a newline; never blocks. With too many waiting it is lost, and counted."""
        self._waiting.add(line)

    @property
    def lost(self) -> int:
        """Lines for which there was no room."""
        return self._waiting.lost

    @property
    def pending(self) -> int:
        """Lines the broker does not have yet."""
        return len(self._waiting) + len(self._sent) + len(self._refused)

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest line the broker does not have yet."""
        since = self._sent_since or self._waiting.since
        return time.monotonic() - since if since else 0.0

    @property
    def _sent_since(self) -> float | None:
        try:
            return next(iter(self._sent.values()))[0]
        except (StopIteration, RuntimeError):  # none is on its way, or one arrived just now
            return None

    def _run(self) -> None:
        while not self._stopping.wait(AGAIN_SECONDS if self.problem and not self._is_there else LOOK_SECONDS):
            self._step()
        self._step()

    def _step(self) -> None:
        """Send what waits, hear what arrived, and say what is wrong."""
        if self.problem or not self._is_there:
            self._look()
        if self._is_there:
            self._send()
        self._producer.poll(0)
        if self._noted is not None and self.lag_seconds > AWAY_SECONDS:
            self._tell(BrokerError(self._topic.servers, self._noted))

    def _look(self) -> None:
        """See that the topic is there, and whether a broker that was away is back."""
        try:
            make_topic(self._topic, TRY_SECONDS)
        except BrokerError as error:
            self._tell(error)
            return
        self._is_there, self._noted = True, None
        if self.problem:
            log.warning("event=broker_recovered topic=%s", self._topic.name)
        self.problem = ""

    def _send(self) -> None:
        while len(self._sent) < MOST_SENT and (lines := [*self._taken_back()] or self._waiting.take(1_000)):
            for line in lines:
                number = next(self._numbers)
                self._sent[number] = (time.monotonic(), line)
                self._producer.produce(
                    self._topic.name,
                    line.removesuffix(b"\n"),
                    on_delivery=partial(self._arrived, number),
                )
            self._producer.poll(0)

    def _arrived(self, number: int, error: KafkaError | None, _: Message) -> None:
        line = self._sent.pop(number)[1]
        if error is not None:
            self._refused.append(line)
            self._is_there = False
            self._tell(BrokerError(self._topic.servers, error))

    def _taken_back(self) -> Iterator[bytes]:
        while self._refused:
            yield self._refused.popleft()

    def _tell(self, error: BrokerError) -> None:
        self._on_failure()
        if not self.problem:
            log.error("event=request_log_failed topic=%s error=%r", self._topic.name, str(error))
        self.problem = str(error)

    def _note(self, error: KafkaError) -> None:
        self._noted = error


def newest_sent(topic: RequestTopic, most: int) -> Iterator[dict[str, object]]:
    """The newest records of a topic, up to so many of each partition, one at a time; what is none is passed over.

    Raises:
        BrokerError: the broker is away.
    """
    with TopicReader(topic) as reader:
        for line in reader.lines(newest_spans(reader.spans(TRY_SECONDS), most)):
            try:
                record = orjson.loads(line.line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record
