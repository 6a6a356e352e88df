"""A use case with Spark: its session starts when somebody asks for it, once, and ends with the lake."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.lake import open_lake
from lakeloop.use_case import UseCase
from tests.lakes import OwnLake


@dataclass
class Opener:
    """Opens the session it has, and remembers for whom and whether it was given back."""

    spark: SparkSession
    opened_for: list[UseCase] = field(default_factory=list)
    closed: int = 0

    @contextmanager
    def __call__(self, use_case: UseCase) -> Iterator[SparkSession]:
        self.opened_for.append(use_case)
        try:
            yield self.spark
        finally:
            self.closed += 1


def test_a_lake_that_nobody_asks_for_spark_opens_none(use_case: UseCase, spark: SparkSession) -> None:
    opener = Opener(spark)
    with open_lake(use_case, opener) as lake:
        assert (lake.name, lake.table("gold/training")) == (use_case.name, use_case.table("gold/training"))
    assert opener.opened_for == [] and opener.closed == 0


def test_many_who_ask_at_once_get_one_session_which_ends_with_the_lake(use_case: UseCase, spark: SparkSession) -> None:
    opener = Opener(spark)
    with open_lake(use_case, opener) as lake:
        with ThreadPoolExecutor(8) as askers:
            sessions = set(askers.map(lambda _: lake.spark, range(32)))
        assert sessions == {spark} and opener.opened_for == [use_case] and opener.closed == 0
    assert opener.closed == 1


def test_the_session_ends_when_the_work_fails(use_case: UseCase, spark: SparkSession) -> None:
    opener = Opener(spark)
    with pytest.raises(PySparkException), open_lake(use_case, opener) as lake:
        lake.frame("gold/training")
    assert opener.closed == 1


def test_a_frame_is_the_table_as_it_is_or_was(small: OwnLake) -> None:
    now = small.frame("silver/policies")
    assert now.count() == 40
    assert small.frame("silver/policies", 0).count() == 0, "version 0 made the table"
