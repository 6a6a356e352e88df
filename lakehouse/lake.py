"""A use case with Spark: what everything takes that works on the lake's tables with it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Lake(UseCase):
    """A use case with Spark. `session` gives the same one at every call; the first call may start it."""

    session: Callable[[], "SparkSession"]

    @property
    def spark(self) -> "SparkSession":
        """The session of this lake."""
        return self.session()

    def frame(self, table: str, version: int | None = None) -> "DataFrame":
        """A table's rows, e.g. `frame("silver/claims")`, as they are now or were at `version`."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.table(table))


OpenSpark = Callable[[UseCase], AbstractContextManager["SparkSession"]]


@contextmanager
def open_lake(use_case: UseCase, open_spark: OpenSpark) -> Iterator[Lake]:
    """A lake whose Spark is opened by whoever asks for it first, if anybody does, and closed at the end."""
    opened: list[SparkSession] = []
    one_opens = Lock()
    with ExitStack() as stack:

        def session() -> "SparkSession":
            with one_opens:
                if not opened:
                    opened.append(stack.enter_context(open_spark(use_case)))
                return opened[0]

        yield Lake(use_case.settings, use_case.contract, session)


def lake_with(use_case: UseCase, spark: "SparkSession") -> Lake:
    """The lake of a use case in a session that somebody else has opened and will close."""
    return Lake(use_case.settings, use_case.contract, lambda: spark)
