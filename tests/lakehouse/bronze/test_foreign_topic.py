"""A source that is somebody else's topic at a real broker: records come once each, what stands in the way is said."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pyspark.sql import SparkSession

from lakehouse.bronze.elsewhere import deliver_new
from lakehouse.bronze.foreign_topic import deliver_new_records
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import ForeignTopicError
from lakeloop.contract import Source
from lakeloop.exceptions import WrongUseError
from lakeloop.request_topic import RequestTopic
from lakeloop.topic_client import client_options, send, topic_id
from tests.brokers import Broker, needs_broker, running_broker
from tests.lakes import OwnLake, own_lake
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.long, needs_broker]
NAMES = ("customer", "period", "plan", "usage", "left")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> RequestTopic:
    """Of one partition, so that all that is sent at once lands as one file."""
    made = RequestTopic(broker.servers, request.node.originalname[:100])
    admin = AdminClient(client_options(broker.servers))
    admin.create_topics([NewTopic(made.name, 1)])[made.name].result(30)
    return made


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, topic: RequestTopic) -> OwnLake:
    return reading(own_lake(spark, tmp_path, "churn"), {"name": topic.name, "broker": topic.servers})


def reading(lake: OwnLake, topic: dict[str, str]) -> OwnLake:
    customers = Source(description="customers", topic=topic, columns=NAMES)  # type: ignore[arg-type]
    return replace(lake, contract=lake.contract.model_copy(update={"sources": {"customers": customers}}))


def row(customer: str, usage: float, **more: Any) -> bytes:
    values = {"customer": customer, "period": "2024-01", "plan": "basic", "usage": usage, "left": "no"}
    return json.dumps(values | more).encode()


def usage(lake: OwnLake) -> dict[str, float]:
    silver = lake.rows("silver/customers")
    return dict(zip(silver["customer"], silver["usage"], strict=True))


def test_records_come_once_and_a_later_one_of_a_key_corrects(lake: OwnLake, topic: RequestTopic) -> None:
    send(topic, [row("a", 1), json.dumps(json.loads(row("b", 2)), indent=1).encode(), b"no json", b""])
    report = lake.ingest().sources[0]
    assert usage(lake) == {"a": 1, "b": 2} and report.rejected == 1
    assert report.notices == ("1 records have no content, which deletes a row elsewhere; the lake keeps it",)
    assert not lake.ingest().changed
    send(topic, [row("a", 8), row("c", 3)])
    report = lake.ingest().sources[0]
    assert (report.bronze_rows, report.silver_inserted, report.silver_updated) == (2, 1, 1)
    shutil.rmtree(lake.folder("landing"))  # what was taken is known without the landing folder
    assert not deliver_new_records(lake, "customers", deliveries(lake)).files
    assert usage(lake) == {"a": 8, "b": 2, "c": 3}


def test_a_topic_that_was_made_anew_is_taken_from_its_beginning(
    lake: OwnLake, topic: RequestTopic, broker: Broker
) -> None:
    send(topic, [row("a", 1), row("b", 2)])
    assert deliver_new_records(lake, "customers", ()).rows == 2
    admin = AdminClient(client_options(broker.servers))
    admin.delete_topics([topic.name])[topic.name].result(30)
    eventually(lambda: topic_id(topic) == "")
    with pytest.raises(ForeignTopicError, match=f"customers: there is no topic {topic.name} at {broker.servers}"):
        deliver_new_records(lake, "customers", ())
    send(topic, [row("c", 1)])
    assert deliver_new_records(lake, "customers", ()).rows == 1


def test_what_stands_in_the_way_is_said(lake: OwnLake) -> None:
    away = reading(lake, {"name": "rows", "broker": f"127.0.0.1:{free_port()}"})
    report = away.ingest().sources[0]
    assert "customers: the broker at 127.0.0.1:" in report.refused[0] and not report.taken
    with pytest.raises(ForeignTopicError, match=r"no broker is named for topic rows; set LAKELOOP_BROKER"):
        deliver_new(reading(lake, {"name": "rows"}), "customers", ())
    with pytest.raises(WrongUseError, match="leave --again out"):
        deliver_new(away, "customers", (), whole=True)
