"""A use case whose event times are times: from delivered files to gold and exports, by periods of any kind."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.gold.labelled import changed_rows, labelled_period
from lakehouse.gold.training_periods import training_periods
from lakehouse.read.as_of import Points, parse_point
from lakehouse.read.point_in_time import features_as_of
from lakehouse.requests.stream import stream
from lakeloop.clock import Clock
from lakeloop.events import all_events
from lakeloop.exceptions import NotFoundError
from lakeloop.manifest import read_manifest
from tests.lakehouse.request_log import log_file, record
from tests.lakes import OwnLake
from tests.rides import rides_lake, trips

pytestmark = pytest.mark.long

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]


@pytest.fixture
def weeks(spark: SparkSession, tmp_path: Path) -> OwnLake:
    lake = rides_lake(spark, tmp_path, "format: date, timezone: Europe/Berlin, period: week, start: 2024-W01")
    lake.deliver("trips", "trips-2024-01.csv", trips(DAYS))
    lake.ingest()
    return lake


def test_dates_are_moments_in_silver_and_weeks_in_gold(weeks: OwnLake) -> None:
    silver = weeks.rows("silver/trips").sort_values("ride", ignore_index=True)
    assert list(silver.columns) == ["ride", "started", "miles", "tip", "period", "_source_file", "_batch"]
    assert silver["started"][0] == pd.Timestamp("2023-12-31T23:00:00Z")
    assert list(silver["period"][[0, 6, 7, 29]]) == ["2024-W01", "2024-W01", "2024-W02", "2024-W05"]
    gold = weeks.rows("gold/training")
    assert list(gold.columns) == ["ride", "period", "miles", "tip", "outcome", "outcome_name"]
    table = DeltaTable(weeks.table("gold/training"))
    assert table.metadata().partition_columns == ["period"]
    assert training_periods(weeks, table.version()) == {f"2024-W0{n}": 7 for n in range(1, 5)} | {"2024-W05": 2}
    assert list(weeks.rows("gold/monthly").sort_values("period")["rows"]) == [7, 7, 7, 7, 2]


def test_times_that_cannot_be_are_rejects_with_a_sentence(weeks: OwnLake) -> None:
    wrong = ["2024-02-30", "31.01.2024", "", "2023-12-31", "2124-01-10", "2024-02-01"]
    weeks.deliver("trips", "trips-2024-02.csv", trips(wrong, first=100))
    weeks.ingest()
    found = weeks.rejects("trips-2024-02.csv")
    assert list(zip(found["reason"], found["value"], strict=True)) == [
        ("`started` is not a date, such as 2024-01-31", "started = '2024-02-30'"),
        ("`started` is not a date, such as 2024-01-31", "started = '31.01.2024'"),
        ("`started` is missing", None),
        ("`started` is before 2024-W01, where this use case starts", "started = '2023-12-31'"),
        ("`started` is after 2124-W01, a century ahead", "started = '2124-01-10'"),
    ]
    assert len(weeks.rows("silver/trips")) == 31


def test_a_corrected_time_moves_a_row_to_another_week(weeks: OwnLake) -> None:
    version = DeltaTable(weeks.table("gold/training")).version()
    weeks.deliver("trips", "trips-2024-01.v2.csv", trips(["2024-02-20"]))
    weeks.ingest()
    rows = weeks.rows("silver/trips")
    assert list(rows[rows["ride"] == "r00000"]["period"]) == ["2024-W08"]
    now = DeltaTable(weeks.table("gold/training")).version()
    assert training_periods(weeks, now)["2024-W08"] == 1 and training_periods(weeks, now)["2024-W01"] == 6
    assert set(weeks.rows("gold/monthly")["period"]) == {f"2024-W0{n}" for n in (1, 2, 3, 4, 5, 8)}
    assert changed_rows(weeks, (0, 7), version, now) == 1


def test_an_export_of_weeks_has_their_rows(weeks: OwnLake) -> None:
    manifest = read_manifest(export(weeks, periods=(1, 2)))
    assert manifest.columns == ("ride", "period", "miles", "outcome") and manifest.rows == 14
    assert "WHERE `period` BETWEEN '2024-W02' AND '2024-W03'" in manifest.query
    assert len(labelled_period(weeks, 4)) == 2
    with pytest.raises(NotFoundError, match="2024-W07"):
        labelled_period(weeks, 6)


def test_what_was_known_is_read_as_of_a_week_and_a_file_counts_in_the_last_of_its_own(weeks: OwnLake) -> None:
    rows = {}
    for week in ("2024-W04", "2024-W05"):
        point = parse_point(week, Clock(weeks.contract, "simulated", 4, datetime.now(UTC)))
        rows[week] = features_as_of(weeks, Points(point)).toPandas()
    assert list(rows["2024-W04"].columns[:4]) == ["ride", "as_of", "known", "period"]
    assert {week: len(found) for week, found in rows.items()} == {"2024-W04": 0, "2024-W05": 30}


def test_many_hours_lie_in_few_files(spark: SparkSession, tmp_path: Path) -> None:
    lake = rides_lake(spark, tmp_path, "format: '%d.%m.%Y %H:%M', period: hour, start: 2024-01-01T00")
    begin = datetime(2024, 1, 1)
    times = [(begin + timedelta(hours=number)).strftime("%d.%m.%Y %H:%M") for number in range(300)]
    lake.deliver("trips", "trips-2024-01.csv", trips(times))
    lake.ingest()
    first = DeltaTable(lake.table("gold/training"))
    assert first.metadata().partition_columns == [] and len(first.file_uris()) < 10
    assert len(training_periods(lake, first.version())) == 300
    assert read_manifest(export(lake, periods=(0, 99))).rows == 100
    later = [(begin + timedelta(hours=number)).strftime("%d.%m.%Y %H:%M") for number in range(750, 800)]
    lake.deliver("trips", "trips-2024-02.csv", trips(later, first=750))
    lake.ingest()
    assert len(all_events(lake)[-1].payload["months"]) == 50
    assert len(training_periods(lake, DeltaTable(lake.table("gold/training")).version())) == 350
    assert len(lake.rows("gold/monthly")) == 350


def test_seconds_since_1970_are_counted_in_the_months_of_their_place(spark: SparkSession, tmp_path: Path) -> None:
    lake = rides_lake(spark, tmp_path, "format: unix_seconds, timezone: America/Chicago, start: 2012-12")
    lake.deliver("trips", "trips-2013-01.csv", trips(["1357000000", "1357020000", "1.3570200005e9"]))
    lake.ingest()
    rows = lake.rows("silver/trips").sort_values("ride")
    assert list(rows["period"]) == ["2012-12", "2013-01", "2013-01"]
    assert rows["started"].iloc[2] == pd.Timestamp("2013-01-01T06:00:00.500Z")


def test_years_are_periods_by_their_own_names(spark: SparkSession, tmp_path: Path) -> None:
    lake = rides_lake(spark, tmp_path, "period: year, start: 2013")
    lake.deliver("trips", "trips-2022-01.csv", trips(["2013", "2014", "2014", "2012", "13", "2113", "2114"]))
    lake.ingest()
    assert sorted(lake.rows("silver/trips")["started"]) == ["2013", "2014", "2014", "2113"]
    assert list(lake.rejects("trips-2022-01.csv")["reason"]) == [
        "`started` is before 2013, where this use case starts",
        "`started` is not YYYY",
        "`started` is after 2113, a century ahead",
    ]


def test_a_request_is_of_the_day_of_its_moment_where_the_rides_are(spark: SparkSession, tmp_path: Path) -> None:
    lake = rides_lake(spark, tmp_path, "format: date, timezone: America/Chicago, period: day, start: 2024-01-01")
    answer = {"features": {"miles": 3.0}, "prediction": "some", "class_id": 1, "probabilities": [0.2, 0.8]}
    moments = ["2024-03-01T05:30:00+00:00", "2024-03-01T06:30:00+00:00"]
    lines = [
        json.dumps(json.loads(record(f"q{number}", f"r{number:05d}")) | answer | {"at": moment}) + "\n"
        for number, moment in enumerate(moments)
    ]
    log_file(lake, "first", lines)
    stream(lake)
    answered = lake.rows("silver/predictions").sort_values("request_id")
    assert list(answered["period"]) == ["2024-02-29", "2024-03-01"] and "started" not in answered
    lake.deliver("trips", "trips-2024-03.csv", trips(["2024-02-29"]))
    lake.ingest()
    performance = lake.rows("gold/performance").sort_values("period")
    assert list(performance["period"]) == ["2024-02-29", "2024-03-01"]
    assert list(performance["with_truth"]) == [1, 0]
