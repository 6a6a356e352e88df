"""Which topic a use case's request log is, where it is one: `LAKELOOP_BROKER` names a Kafka broker.

Each record is a line of the log as its files have it, without a key. `lakeloop.topic_client` writes and reads.
"""

import re
from typing import NamedTuple

from lakeloop.settings import Settings
from lakeloop.use_case import UseCase

PREFIX = "lakeloop"


class RequestTopic(NamedTuple):
    """The topic of one use case's requests, and the brokers that have it, as `HOST:PORT,…`."""

    servers: str
    name: str


def request_topic(use_case: UseCase) -> RequestTopic | None:
    """Where a use case's requests travel; None where that is in files.

    >>> request_topic(use_case)  # LAKELOOP_BROKER=kafka://127.0.0.1:9092/prod
    RequestTopic(servers='127.0.0.1:9092', name='prod.requests.<use case>')
    """
    return topic_of(use_case.settings, use_case.name)


def topic_of(settings: Settings, name: str) -> RequestTopic | None:
    """The topic of the use case `name`, as `request_topic`."""
    servers = broker_servers(settings)
    if not servers:
        return None
    prefix = settings.broker.removeprefix("kafka://").partition("/")[2]
    return RequestTopic(servers, f"{prefix or PREFIX}.requests.{re.sub(r'[^A-Za-z0-9._-]', '_', name)}")


def broker_servers(settings: Settings) -> str:
    """`HOST:PORT,…` of the broker that is set; '' where none is."""
    return settings.broker.removeprefix("kafka://").partition("/")[0]
