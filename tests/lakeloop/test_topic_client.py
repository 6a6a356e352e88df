"""The topic of a request log at a real broker: what is written is read, and one that is away is told in a sentence."""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from lakeloop.exceptions import WrongUseError
from lakeloop.request_topic import RequestTopic, topic_of
from lakeloop.settings import load_settings
from lakeloop.topic_client import (
    BrokerError,
    Span,
    TopicReader,
    client_options,
    file_name_part,
    make_topic,
    newest_spans,
    send,
    topic_id,
)
from tests.brokers import Broker, needs_broker, running_broker
from tests.ports import free_port
from tests.waiting import eventually


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.mark.parametrize(
    ("setting", "topic"),
    [
        ("kafka://one:9092", RequestTopic("one:9092", "lakeloop.requests.taxi")),
        ("kafka://one:9092/", RequestTopic("one:9092", "lakeloop.requests.taxi")),
        ("kafka://one:9092,two:9093/prod", RequestTopic("one:9092,two:9093", "prod.requests.taxi")),
        ("", None),
    ],
)
def test_the_setting_names_brokers_and_a_prefix(setting: str, topic: RequestTopic | None) -> None:
    assert topic_of(load_settings(broker=setting), "taxi") == topic


@pytest.mark.parametrize(
    "setting", ["one:9092", "kafka://one", "kafka://one:9092,/x", "kafka://one:9092/a b", "amqp://one:1"]
)
def test_a_setting_that_names_none_is_refused(setting: str) -> None:
    with pytest.raises(WrongUseError, match=r"LAKELOOP_BROKER is .*: it has to be kafka://HOST:PORT"):
        load_settings(broker=setting)


def test_a_topics_id_may_be_a_part_of_a_files_name() -> None:
    assert file_name_part("vRk0/a+3QAGCBo8hw/Zu+w==") == "vRk0_a-3QAGCBo8hw_Zu-w"


@pytest.mark.long
@needs_broker
def test_what_is_written_is_read_once_and_whole(broker: Broker) -> None:
    topic = RequestTopic(broker.servers, "written")
    with TopicReader(topic) as reader:
        assert reader.spans() == {}, "nobody has written"
    send(topic, (b"%d" % number for number in range(10_000)))
    with TopicReader(topic) as reader:
        spans = reader.spans()
        assert sum(span.end - span.first for span in spans.values()) == 10_000
        lines = list(reader.lines(spans))
        assert sorted(int(line.line) for line in lines) == list(range(10_000))
        assert len({(line.partition, line.offset) for line in lines}) == 10_000
        last = {number: span.end - 1 for number, span in spans.items() if span.end}
        newest = list(reader.lines(newest_spans(spans, 1)))
        assert {line.partition: line.offset for line in newest} == last
        assert list(reader.lines({0: Span(5, 5)})) == []


@pytest.mark.long
@needs_broker
def test_a_reader_goes_on_from_where_it_was(broker: Broker) -> None:
    topic = RequestTopic(broker.servers, "followed")
    make_topic(topic)
    with TopicReader(topic) as reader:
        reader.begin(dict.fromkeys(reader.spans(), 0))
        assert reader.read() == []
        send(topic, [b"a"])
        seen = eventually(reader.read)
        assert [line.line for line in seen] == [b"a"]
        send(topic, [b"b"])
        assert [line.line for line in eventually(reader.read)] == [b"b"]


@pytest.mark.long
@needs_broker
def test_a_topic_that_was_made_anew_is_another(broker: Broker) -> None:
    topic = RequestTopic(broker.servers, "anew")
    assert topic_id(topic) == ""
    make_topic(topic)
    make_topic(topic)
    first = topic_id(topic)
    admin = AdminClient(client_options(broker.servers))
    admin.delete_topics([topic.name])[topic.name].result(30)
    eventually(lambda: topic_id(topic) == "")
    make_topic(topic)
    assert first != topic_id(topic) != ""


def test_a_broker_that_is_away_is_told_in_a_sentence() -> None:
    topic = RequestTopic(f"127.0.0.1:{free_port()}", "away")
    told = rf"the broker at {topic.servers} cannot be used: .+; see that it runs and that LAKELOOP_BROKER is right"
    with pytest.raises(BrokerError, match=told):
        make_topic(topic, 0.5)
    with pytest.raises(BrokerError, match=told):
        topic_id(topic, 0.5)
    with TopicReader(topic) as reader, pytest.raises(BrokerError, match=told):
        reader.spans(0.5)
