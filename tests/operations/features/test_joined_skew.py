"""Served values of joined sources against training's: what was corrected since is no skew, what serving lacked is."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.requests.stream import open_stream
from operations.features.skew import measure_skew
from tests.lakehouse.request_log import log_file, record
from tests.weather_rides import deliver, weather_lake

pytestmark = pytest.mark.long
TEN = 1_704_103_200  # on the first of January 2024


def asked(ride: str, *values: object) -> str:
    """A request about a ride at half past ten, with kind, people, celsius and rain."""
    line = json.loads(record(f"r-{ride}", key=ride, at="2024-01-01T10:30:00+00:00"))
    features = dict(zip(("miles", "kind", "people", "celsius", "rain"), (1.0, *values), strict=True))
    return (
        json.dumps(line | {"features": features, "class_id": 1, "prediction": "some", "probabilities": [0.3, 0.7]})
        + "\n"
    )


def ride(name: str, pickup: str) -> str:
    return f"{name},2024-01-01T10:30:00,{pickup},1"


def test_a_joined_row_that_was_corrected_after_the_answer_is_no_skew(spark: SparkSession, tmp_path: Path) -> None:
    lake = weather_lake(spark, tmp_path, "areas", "weather")
    deliver(lake, "areas", "1", "08,homes,1000", "32,shops,", "40,parks,7", "41,parks,9")
    deliver(lake, "weather", "1", f"08,{TEN},1.5,no", f"32,{TEN},2.5,no")
    rides = {"same": "08", "weather": "32", "area": "40", "never": "08", "moved": "08", "late": "41", "both": "32"}
    deliver(lake, "rides", "1", *(ride(*one) for one in rides.items()))
    lake.ingest()
    lines = [
        asked("same", "homes", 1000, 1.5, False), asked("weather", "shops", None, 2.5, False),
        asked("area", "parks", 7, None, None), asked("never", "homes", 1000, 7.0, False),
        asked("moved", "homes", 1000, 1.5, False), asked("late", "parks", 9, None, None),
        asked("both", "shops", 5, 2.5, False),
    ]  # fmt: skip
    log_file(lake, "a", lines)
    with open_stream(lake, lambda line: None) as take:
        take()
    (before,) = measure_skew(lake).joins
    assert (before.source, before.rows, before.corrected) == ("silver/rides", 7, 0)
    assert {one.feature: one.differing for one in before.features if one.differing} == {"people": 1, "celsius": 1}

    deliver(lake, "weather", "2", f"32,{TEN},9.5,yes", f"41,{TEN},4,no")  # corrected, and late
    deliver(lake, "areas", "2", "40,parks,8")
    deliver(lake, "rides", "2", ride("moved", "40"))
    lake.ingest()
    (after,) = measure_skew(lake).joins
    assert (after.rows, after.corrected) == (7, 3), "weather, area and moved"
    keys = {one.feature: {example.key for example in one.examples} for one in after.features}
    assert keys == {
        "miles": set(), "kind": set(), "people": {"both"}, "celsius": {"never", "late", "both"},
        "rain": {"late", "both"},
    }  # fmt: skip
