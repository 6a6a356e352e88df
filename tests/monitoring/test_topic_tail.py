"""Following the request log where it is a topic of a real broker: each request once, whoever is away meanwhile."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka.admin import AdminClient

from lakeloop.request_topic import RequestTopic, request_topic
from lakeloop.settings import load_settings
from lakeloop.topic_client import BrokerError, client_options, send, topic_id
from lakeloop.use_case import UseCase, open_use_case
from monitoring import topic_tail
from monitoring.tail import Tail, tail_of
from tests.brokers import Broker, needs_broker, running_broker
from tests.monitoring.test_tail import line
from tests.waiting import eventually

pytestmark = [pytest.mark.long, needs_broker]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def use_case(broker: Broker, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> UseCase:
    """With a topic of the test's own."""
    monkeypatch.setattr(topic_tail, "LOOK_SECONDS", 0.1)
    name = request.node.originalname.removeprefix("test_")[:60]
    return open_use_case(load_settings(broker=f"kafka://{broker.servers}/{name}", use_case="insurance"))


def topic_in(use_case: UseCase) -> RequestTopic:
    topic = request_topic(use_case)
    assert topic is not None
    return topic


def write(use_case: UseCase, *numbers: int) -> None:
    send(topic_in(use_case), (line(number).encode() for number in numbers))


def next_ids(tail: Tail, count: int) -> list[int]:
    """So many of the next records, in order; it fails when they do not come."""
    found: list[int] = []

    def enough() -> bool:
        found.extend(int(record.request_id[1:]) for record in tail.read())
        return len(found) >= count

    eventually(enough, seconds=60)
    return sorted(found)


def test_what_comes_is_read_once_and_gone_on_with(use_case: UseCase) -> None:
    with closing(tail_of(use_case, None, begin_with=10)) as tail:
        assert list(tail.read()) == [], "there is no topic yet"
        write(use_case, 1, 2, 1)
        assert next_ids(tail, 2) == [1, 2]
        write(use_case, 2, 3)
        send(topic_in(use_case), [b"no json"])
        write(use_case, 4)
        assert next_ids(tail, 2) == [3, 4] and tail.unreadable == 1
        position = dict(tail.position)
    write(use_case, 4, 5)
    with closing(tail_of(use_case, position, begin_with=10)) as tail:
        assert {int(record.request_id[1:]) for record in tail.recent} == {1, 2, 3, 4}
        assert next_ids(tail, 1) == [5]


def test_without_a_position_it_begins_with_the_newest(use_case: UseCase) -> None:
    write(use_case, *range(5_000))
    files = {"20260101T000000000000Z-1-ab": (7, 100)}
    for position in (None, files):
        with closing(tail_of(use_case, position, begin_with=20)) as tail:
            found = next_ids(tail, 20)
            assert 20 <= len(found) <= 40 and len(tail.recent) == 5_000 - len(found), "20 of each of two partitions"


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(use_case: UseCase, broker: Broker) -> None:
    write(use_case, 1, 2, 3)
    with closing(tail_of(use_case, None, begin_with=10)) as tail:
        assert next_ids(tail, 3) == [1, 2, 3]
        admin, name = AdminClient(client_options(broker.servers)), topic_in(use_case).name
        admin.delete_topics([name])[name].result(30)
        eventually(lambda: topic_id(topic_in(use_case)) == "")
        write(use_case, 3, 4)
        found: list[str] = []

        def read_on() -> bool:
            try:
                found.extend(record.request_id for record in tail.read())
            except BrokerError:  # it asked for records of the topic that is gone
                return False
            return "r4" in found

        eventually(read_on, seconds=60)
        assert found == ["r4"]


def test_a_broker_that_is_away_is_told_and_nothing_is_lost_or_doubled(use_case: UseCase, broker: Broker) -> None:
    write(use_case, 1)
    with closing(tail_of(use_case, None, begin_with=10)) as tail:
        assert next_ids(tail, 1) == [1]
        broker.kill()
        with pytest.raises(BrokerError, match="cannot be used"):
            eventually(lambda: list(tail.read()), seconds=60)
        position = dict(tail.position)
    with pytest.raises(BrokerError):
        tail_of(use_case, position, begin_with=10)
    broker.start()
    write(use_case, 1, 2)
    with closing(tail_of(use_case, position, begin_with=10)) as tail:
        assert next_ids(tail, 1) == [2]
