"""Several feature sources: what a row of the base meets, early and late, corrected and never."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.bronze.ledger import deliveries
from lakehouse.read.as_of import Points
from lakehouse.read.point_in_time import features_as_of
from lakehouse.silver import joins
from lakehouse.storage.table_log import files_at
from operations.joined_rows import keys_that_met
from operations.lineage.deliveries import find_deliveries, gold_with
from operations.lineage.graph import LineageDraft
from operations.lineage.lake_side import add_gold, add_what_came_of
from tests.lakes import OwnLake
from tests.weather_rides import deliver, weather_lake

pytestmark = pytest.mark.long

MIDNIGHT = pd.Timestamp("2024-01-01", tz="UTC")


def interrupt(*arguments: object) -> None:
    raise RuntimeError("interrupted")


def silver(lake: OwnLake, *columns: str) -> dict[str, list[object]]:
    rows = lake.rows("silver/rides").sort_values("ride")
    return {
        ride: [None if pd.isna(v) else v for v in row] for ride, *row in rows[["ride", *columns]].to_numpy().tolist()
    }


def test_rows_meet_by_a_column_and_wait_for_a_feature_they_must_have(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = weather_lake(spark, tmp_path, "areas")
    deliver(lake, "areas", "1", "08,homes,1000", "32,shops,", "32,parks,7", ",parks,7", "40,,7")
    deliver(lake, "rides", "1", "a,2024-01-01T10:00:00,08,1.5", "b,2024-01-01T11:00:00,32,2",
            "c,2024-01-02T12:00:00,77,3", "d,2024-01-02T12:00:00,,3")  # fmt: skip
    deliver(lake, "tips", "1", "a,0", "b,2", "c,3", "d,3")
    report = lake.ingest()
    assert silver(lake, "kind", "people") == {"a": ["homes", 1000], "b": ["shops", None]}
    assert report.sources[0].warnings == (
        "2 of 4 rows (50.0 %) found no row of areas",
        "2 rows wait for a row of areas, which has a feature that rides must have; taken up when it comes "
        "(`lakeloop lake show silver/waiting`)",
    )
    assert report.rejects.rejected == 3
    assert lake.rejects("areas-1.csv")[["key", "reason"]].values.tolist() == [
        ["32", "`area` stands earlier in the same file; the first row is kept"],
        [None, "`area` is missing"],
        ["40", "`kind` is missing"],
    ]
    assert not lake.ingest().changed

    deliver(lake, "areas", "2", "77,parks,5")  # late
    deliver(lake, "areas", "3", "08,offices,900")  # corrected
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(joins, "create_waiting", interrupt)  # silver is written, and the table of waiting rows is not
        lake.ingest()
    assert sorted(lake.rows("silver/waiting")["ride"]) == ["c", "d"]
    report = lake.ingest()
    assert silver(lake, "kind", "people") == {"a": ["offices", 900], "b": ["shops", None], "c": ["parks", 5]}
    gold = lake.rows("gold/training").sort_values("ride")
    assert gold[["ride", "kind", "outcome_name"]].to_numpy().tolist() == [
        ["a", "offices", "none"], ["b", "shops", "some"], ["c", "parks", "some"],
    ]  # fmt: skip
    assert (report.gold.added, report.gold.updated) == (1, 1)
    assert lake.rows("silver/waiting")["ride"].tolist() == ["d"]

    deliver(lake, "rides", "2", "a,2024-01-01T10:00:00,99,1.5", "d,2024-01-02T12:00:00,77,3")
    lake.ingest()
    assert silver(lake, "kind") == {"b": ["shops"], "c": ["parks"], "d": ["parks"]}
    assert lake.rows("silver/waiting")[["ride", "waits_for"]].to_numpy().tolist() == [["a", "areas"]]
    assert sorted(lake.rows("gold/training")["ride"]) == ["b", "c", "d"]

    draft = LineageDraft()
    made = add_gold(draft, lake, "gold/training", lake.versions()["gold/training"])
    files = [item.title for item in draft.finish(made).items if item.kind == "file"]
    assert {"areas/areas-1.csv", "areas/areas-2.csv", "rides/rides-2.csv", "tips/tips-1.csv"} <= set(files)
    (first,) = find_deliveries(deliveries(lake), "areas/areas-2.csv")
    made = gold_with(lake, first)
    assert [one.rows for one in made] == [1] * len(made) and len(made) > 0
    assert keys_that_met(lake, first, None, None).to_pylist() == ["c", "d"]
    assert keys_that_met(lake, first, made[0].silver.version, made[0].base).to_pylist() == ["c"]
    versions = add_what_came_of(LineageDraft(), lake, "silver/areas", 1)
    assert versions and set(versions) <= set(range(1, lake.versions()["gold/training"] + 1))


def test_the_newest_row_that_is_not_later_is_met_however_the_files_come(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    count, zones = 120, ["08", "32", "40"]
    started = MIDNIGHT + pd.to_timedelta(random.integers(0, 48 * 60, count), unit="min")
    rides = pd.DataFrame(
        {"ride": [f"r{n:03}" for n in range(count)], "started": started, "pickup": random.choice(zones, count)}
    )
    times = pd.to_timedelta(random.integers(0, 48, 80), unit="h")
    weather = pd.DataFrame(
        {"station": random.choice(zones, 80), "at": MIDNIGHT + times, "celsius": random.normal(5, 9, 80).round(2)}
    )
    weather = weather.drop_duplicates(["station", "at"]).sample(frac=1, random_state=1)
    corrected = weather.sample(12, random_state=2).assign(celsius=-40.0)
    lake = weather_lake(spark, tmp_path, "weather")

    def deliver_weather(name: str, rows: pd.DataFrame) -> None:
        deliver(
            lake, "weather", name, *(f"{r.station},{int(r.at.timestamp())},{r.celsius},yes" for r in rows.itertuples())
        )

    def deliver_rides(name: str, rows: pd.DataFrame) -> None:
        deliver(
            lake, "rides", name, *(f"{r.ride},{r.started:%Y-%m-%dT%H:%M:%S},{r.pickup},1" for r in rows.itertuples())
        )

    def answers(rides: pd.DataFrame, *weather: pd.DataFrame) -> dict[str, list[object]]:
        known = pd.concat(weather).drop_duplicates(["station", "at"], keep="last").sort_values("at")
        met = pd.merge_asof(rides.sort_values("started"), known, left_on="started", right_on="at", left_by="pickup",
                            right_by="station", tolerance=pd.Timedelta(hours=3)).sort_values("ride")  # fmt: skip
        assert 0.1 < met["celsius"].isna().mean() < 0.9
        return dict(zip(met["ride"], [[None if pd.isna(v) else v] for v in met["celsius"]], strict=True))

    deliver_weather("1", weather[:30])
    deliver_rides("1", rides[:50])
    lake.ingest()
    assert silver(lake, "celsius") == answers(rides[:50], weather[:30])
    deliver_rides("2", rides[50:])
    deliver_weather("2", weather[30:])
    lake.ingest()
    assert silver(lake, "celsius") == answers(rides, weather)
    before = datetime.now(UTC)
    deliver_weather("3", corrected)
    report = lake.ingest()
    assert silver(lake, "celsius") == answers(rides, weather, corrected)
    assert 0 < report.sources[0].silver_updated < 60 and report.sources[0].silver_inserted == 0
    then, now = (features_as_of(lake, Points(point)).collect() for point in (before, datetime.now(UTC)))
    assert {row["ride"]: [row["celsius"]] for row in then} == answers(rides, weather)
    assert {row["ride"]: [row["celsius"]] for row in now} == answers(rides, weather, corrected)


def test_a_period_or_the_key_is_met_and_two_sources_that_never_meet_are_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    changes = {
        "role: categorical": "role: categorical, missing: category", "{area: pickup}": "{area: ride}",
        "started, pickup, miles": "started, miles",
    }  # fmt: skip
    lake = weather_lake(spark, tmp_path, "areas", "holidays", changes=changes)
    deliver(lake, "holidays", "1", "01.01.2024,yes", "2.1.2024,no", "31.02.2024,no")
    deliver(lake, "areas", "1", "008,homes,1000", "032,shops,")
    deliver(lake, "rides", "1", "a,2024-01-01T10:00:00,8,1", "b,2024-01-02T00:00:00,32,2", "c,2024-01-03T12:00:00,8,3")
    report = lake.ingest()
    assert silver(lake, "holiday", "kind") == {"a": [True, None], "b": [False, None], "c": [None, None]}
    never, some = report.sources[0].warnings
    assert some == "1 of 3 rows (33.3 %) found no row of holidays"
    assert never.startswith("3 of 3 rows (100.0 %) found no row of areas: the two never meet. `ride` has ")
    assert "`area` of areas " in never and "008" in never
    rejected = lake.rejects("holidays-1.csv")[["key", "reason", "value"]].to_numpy().tolist()
    assert rejected == [["31.02.2024", "`day` is not written %d.%m.%Y, such as 31.01.2024", "day = '31.02.2024'"]]

    deliver(lake, "areas", "2", "b,parks,5")
    deliver(lake, "rides", "2", "d,2024-01-03T12:00:00,8,3")
    assert lake.ingest().sources[0].warnings == (
        "1 of 1 rows (100.0 %) found no row of areas", "1 of 1 rows (100.0 %) found no row of holidays",
    ), "other rows do meet them"  # fmt: skip
    known = {row["ride"]: (row["holiday"], row["kind"]) for row in features_as_of(lake, Points("2024-01-01")).collect()}
    assert known == {"a": (True, None), "b": (False, "parks"), "c": (None, None), "d": (None, None)}
    assert {ride: tuple(values) for ride, values in silver(lake, "holiday", "kind").items()} == known


def test_of_weather_only_the_files_are_read_that_the_new_rows_can_meet(spark: SparkSession, tmp_path: Path) -> None:
    lake = weather_lake(spark, tmp_path, "weather")

    def file_of(day: int) -> Path:
        begins = (MIDNIGHT + pd.Timedelta(days=day)).timestamp()
        return next(
            Path(lake.table("silver/weather")) / file.path
            for file in files_at(lake.table("silver/weather")) or []
            if begins <= file.lowest["at"].timestamp() < begins + 86_400
        )

    def take(day: int, ride: str) -> None:
        noon = MIDNIGHT + pd.Timedelta(days=day, hours=12)
        deliver(lake, "rides", ride, f"{ride},{noon:%Y-%m-%dT%H:%M:%S},08,1")
        lake.ingest()

    deliver(lake, "weather", "1", f"08,{MIDNIGHT.timestamp() + 10 * 3600:.0f},1.5,no")
    take(0, "a")
    first = file_of(0)
    gone = first.rename(tmp_path / "gone.parquet")
    deliver(lake, "weather", "2", f"08,{MIDNIGHT.timestamp() + (9 * 24 + 11) * 3600:.0f},2.5,no")
    take(9, "b")  # would fail if it opened the file of the first day
    gone.rename(first)
    file_of(9).unlink()
    take(0, "c")  # a late one
    assert silver(lake, "celsius") == {"a": [1.5], "b": [2.5], "c": [1.5]}
