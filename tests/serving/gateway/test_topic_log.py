"""Answered requests on their way to a real broker: once each, whatever happens to it."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lakeloop.request_topic import RequestTopic, request_topic
from lakeloop.topic_client import TopicReader
from lakeloop.use_case import UseCase
from serving.gateway import topic_log, waiting_lines
from serving.gateway.topic_log import TopicLog, newest_sent
from tests.brokers import Broker, needs_broker, running_broker
from tests.ports import free_port
from tests.serving.gateway.conftest import body
from tests.serving.gateway.test_request_log import Asking, line
from tests.waiting import eventually
from tests.warm_programs import running_gateway

pytestmark = [pytest.mark.long, needs_broker]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def there(topic: RequestTopic) -> list[str]:
    """The request ids in the topic, in each partition's order."""
    with TopicReader(topic) as reader:
        return [json.loads(record.line)["request_id"] for record in reader.lines(reader.spans())]


def test_lines_arrive_and_an_orderly_stop_loses_none(broker: Broker) -> None:
    topic = RequestTopic(broker.servers, "orderly")
    log = TopicLog(topic)
    for number in range(20_000):
        log.add(line(number))
    log.start()
    eventually(lambda: log.pending == 0 and log.lag_seconds == 0)
    for number in range(20_000, 20_100):
        log.add(line(number))
    log.stop()
    assert sorted(map(int, there(topic))) == list(range(20_100)) and log.problem == "" and log.lost == 0
    newest = [str(record["request_id"]) for record in newest_sent(topic, 20)]
    assert len(newest) == 40 and "20099" in newest, "of each of two partitions"


def test_a_broker_that_is_killed_raises_the_alarm_and_has_every_line_once_afterwards(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_log, "AWAY_SECONDS", 0.5)
    topic, failures = RequestTopic(broker.servers, "killed"), list[float]()
    log = TopicLog(topic, lambda: failures.append(time.monotonic()))
    log.start()
    added = 0
    for _ in range(2):
        for number in range(added, added + 5_000):
            if number == added + 3_000:
                broker.kill()
            log.add(line(number))
        added += 5_000
        eventually(lambda: log.problem)
        assert f"the broker at {broker.servers} cannot be used" in log.problem and log.pending and failures
        broker.start()
        eventually(lambda: log.problem == "" and log.pending == 0)
    log.stop()
    ids = [int(one) for one in there(topic)]
    assert sorted(ids) == list(range(added)) and log.lost == 0


def test_what_waits_for_a_broker_that_was_never_there_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_lines, "MOST_WAITING", 10)
    monkeypatch.setattr(topic_log, "TRY_SECONDS", 0.3)
    log = TopicLog(RequestTopic(f"127.0.0.1:{free_port()}", "never"))
    log.start()
    for number in range(13):
        log.add(line(number))
    eventually(lambda: log.problem)
    assert (log.pending, log.lost) == (10, 3) and log.lag_seconds > 0
    log.stop(0.5)


def test_a_gateway_answers_without_its_broker_remembers_by_it_and_loses_little_when_killed(
    use_case: UseCase, broker: Broker
) -> None:
    settings = use_case.settings.model_copy(update={"broker": f"kafka://{broker.servers}/killed"})
    case = UseCase(settings, use_case.contract)
    topic = request_topic(case)
    assert topic is not None
    broker.kill()
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        early = client.post("/predict/", json=body()).json()["request_id"]
        eventually(lambda: client.get("/health").json()["request_log"]["problem"])
        assert client.get("/health").json()["status"] == "degraded"
        broker.start()
        eventually(lambda: client.get("/health").json()["request_log"]["problem"] == "")
        eventually(lambda: early in there(topic))
        asking = Asking(gateway.url)
        eventually(lambda: len(asking.answered) > 300)
        killed = time.monotonic()
        gateway.process.send_signal(signal.SIGKILL)
        asking.end()
    ids = there(topic)
    assert len(ids) == len(set(ids)), "counted twice"
    assert all(asking.answered[one] > killed - 1 for one in set(asking.answered) - set(ids))
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        again = client.post("/predict/", json=body(request_id=early, power=300)).json()
        assert again["request_id"] == early and client.get("/health").json()["answers_kept"] == len(ids)
    assert len(there(topic)) == len(ids), "what was answered before is not logged again"
    assert not list(Path(settings.area("logs")).glob("requests/*/*.jsonl*"))
