"""Event times in Spark: read as the contract reads them, and counted in the same periods."""

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import event_moment, is_name, period_of
from lakeloop.contract import EventTime
from lakeloop.contract.periods import PERIODS, PeriodKind, known_zones
from tests.event_times import READ, UNREADABLE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_time(given: str = "period", zone: str = "UTC", kind: PeriodKind = "month") -> EventTime:
    start = PERIODS[kind].name_at(datetime(2000, 1, 3))
    return EventTime(column="at", description="d", format=given, timezone=zone, period=kind, start=start)


def test_spark_reads_times_as_the_contract_does(spark: SparkSession) -> None:
    asked = [(given, zone, text) for given, zone, text, _ in READ]
    asked += [(given, "Europe/Berlin", text) for given, text in UNREADABLE]
    times = {pair: event_time(*pair) for pair in dict.fromkeys((given, zone) for given, zone, _ in asked)}
    moments = [event_moment(each, sf.col("at")) for each in times.values()]
    read = [sf.unix_micros(moment).alias(str(number)) for number, moment in enumerate(moments)]
    rows = spark.createDataFrame([(text,) for *_, text in asked], "at string").coalesce(1).select(*read).collect()
    for row, (given, zone, text) in zip(rows, asked, strict=True):
        moment = times[given, zone].moment(text)
        wanted = None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)
        assert row[list(times).index((given, zone))] == wanted, (given, zone, text)


@pytest.mark.parametrize("kind", list(PERIODS))
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
def test_spark_counts_a_moment_to_the_same_period(spark: SparkSession, kind: PeriodKind, zone: str) -> None:
    begins = ["1969-12-29", "2018-11-03", "2020-12-30", "2024-02-28", "2024-03-30", "2024-10-26"]
    moments = [
        datetime.fromisoformat(begin).replace(tzinfo=UTC) + timedelta(minutes=45 * step)
        for begin in begins
        for step in range(100)
    ]
    rows = spark.createDataFrame([(at,) for at in moments], "at timestamp")
    found = [row[0] for row in rows.select(period_of(sf.col("at"), event_time(zone=zone, kind=kind))).collect()]
    assert found == [PERIODS[kind].of(at, zone) for at in moments]


NAMES = [
    "2024-01-31T13", "2023-02-30T12", "2024-01-31T24", "2024-02-29", "2023-02-29", "2024-1-31", "2020-W53", "2021-W53",
    "2024-W00", "2024-01", "2024-13", "2024-01\n", "2024-Q4", "2024-Q5", "2024", "24", "", "x",
]  # fmt: skip


@pytest.mark.parametrize("kind", list(PERIODS))
def test_spark_knows_the_names_of_periods_as_the_contract_does(spark: SparkSession, kind: PeriodKind) -> None:
    rows = spark.createDataFrame([(name,) for name in NAMES], "at string")
    found = [row[0] for row in rows.select(is_name(sf.col("at"), PERIODS[kind])).collect()]
    assert [bool(each) for each in found] == [PERIODS[kind].is_name(name) for name in NAMES]


def test_spark_knows_every_time_zone_of_the_contract(spark: SparkSession) -> None:
    java = set(spark._jvm.java.time.ZoneId.getAvailableZoneIds())  # type: ignore[union-attr]
    short = set(spark._jvm.java.time.ZoneId.SHORT_IDS.keySet())  # type: ignore[union-attr]
    assert known_zones() <= java | short
