"""Sources that are no delivered files: a function that fetches them, or somebody else's Delta table or topic."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, model_validator

from lakeloop.contract.section import BROKERS, PYTHON_FILE, TOPIC, Section, Text, mistake

FETCH_FUNCTION = "fetch"
TABLE_FILES, TOPIC_FILES = "*.parquet", "*.jsonl"
"""The files that rows of another's table, and records of another's topic, are delivered as."""
DURATION = re.compile(r"([0-9]{1,4}) (second|minute|hour|day)s?")


def _duration(text: str) -> str:
    match = DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise mistake(f"is {text!r}; write a time such as 15 minutes, 1 hour or 2 days")
    return text


Duration = Annotated[str, AfterValidator(_duration)]
"""A time such as `15 minutes`, `1 hour` or `2 days`."""


def duration(text: str) -> timedelta:
    """A `Duration` as a time span."""
    number, unit = text.split(" ")
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


class Fetch(Section):
    """A function `fetch` in a Python file beside the contract that gets a source's files, a period at a time.

    `every`: how often is looked which periods are due; `timeout`: how long one period may take.
    """

    command: Annotated[str, StringConstraints(pattern=PYTHON_FILE)] = "fetch.py"
    every: Duration = "1 hour"
    timeout: Duration = "10 minutes"


class ForeignTable(Section):
    """Somebody else's Delta table: a folder (beside the contract where it is no whole path) or a URL.

    `every`: how often is looked for new versions.
    """

    path: Text
    every: Duration = "5 minutes"

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        """`delta: /data/trips` is `delta: {path: /data/trips}`."""
        return {"path": given} if isinstance(given, str) else given


class ForeignTopic(Section):
    """Somebody else's topic at a Kafka broker, whose records are JSON objects, a row each.

    `broker`: `HOST:PORT`, more behind commas; '': the one of the setting `LAKELOOP_BROKER`. `every`: how often is
    looked for new records.
    """

    name: Annotated[str, StringConstraints(pattern=TOPIC)]
    broker: Annotated[str, StringConstraints(pattern=BROKERS)] = ""
    every: Duration = "1 minute"

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        """`topic: trips` is `topic: {name: trips}`."""
        return {"name": given} if isinstance(given, str) else given
