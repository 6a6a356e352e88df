"""By the wall clock a row, a truth and a correction are known since they were delivered, and not before."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from lakehouse.bronze.bronze_table import BronzeTable
from lakehouse.read.as_of import AS_OF, Points, parse_point
from lakehouse.read.point_in_time import BOTH, FEATURES, NOTHING, features_as_of
from lakehouse.requests.stream import stream
from lakeloop.clock import read_clock, set_clock
from lakeloop.exceptions import WrongUseError
from operations.features.catalogue import describe_column
from tests.lakehouse.request_log import log_file, record
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy

pytestmark = pytest.mark.long

KEY = "2023-01-0003"


def at(lake: OwnLake, moment: str, clock: str = "wall") -> OwnLake:
    """The lake at a moment, its use case by the wall clock."""
    settings = lake.settings.model_copy(update={"now": datetime.fromisoformat(moment)})
    return replace(lake, settings=settings, contract=lake.contract.model_copy(update={"clock": clock}))


def known(lake: OwnLake, key: str, *points: str) -> list[tuple[Any, ...]]:
    """What is known of a key at points in time, the earliest first: how much, age, class."""
    clock = read_clock(lake)
    found = [parse_point(point, clock) for point in points]
    of_type = pa.timestamp("us", "UTC") if clock.is_wall else pa.string()
    table = pa.table({"policy_id": [key] * len(found), AS_OF: pa.array(found, of_type)})
    rows = features_as_of(lake, Points(None, table)).toArrow().to_pylist()
    return [(row["known"], row["age"], row["group_name"]) for row in rows]


@pytest.fixture(scope="module")
def lived(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """January's rows come in February; claims, a correction of the rows and a request in April; other claims in May."""
    lake = own_lake(spark, tmp_path_factory.mktemp("lived"))
    lake.deliver("policies", "policies-2023-01.csv", HEADER + "".join(policy("2023-01", n) for n in range(10)))
    at(lake, "2023-02-01T00:00:00Z").ingest()
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", *[2.0] * 5))
    changed = "".join(policy("2023-01", n, {"age": "50.5"}) for n in range(10))
    lake.deliver("policies", "policies-2023-01.v2.csv", HEADER + changed)
    log_file(lake, "a", [record("r1", key="asked", features={"age": 30.5}, at="2023-02-03T10:00:00+00:00")])
    april = at(lake, "2023-04-20T12:00:00Z")
    stream(april)
    april.ingest()
    lake.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[0.5] * 5))
    at(lake, "2023-05-31T23:59:59Z").ingest()
    return at(lake, "2023-06-15T00:00:00Z")


def test_a_correction_and_a_truth_are_not_known_before_they_were_delivered_and_are_after(lived: OwnLake) -> None:
    told = {
        "2023-01": (NOTHING, None, None),  # January's rows came the instant February began
        "2023-02": (FEATURES, 41.5, None),
        "2023-04-19": (FEATURES, 41.5, None),
        "2023-04-20T11:59:59Z": (FEATURES, 41.5, None),
        "2023-04-20T12:00:00Z": (BOTH, 50.5, "medium"),
        "3": (BOTH, 50.5, "medium"),
        "2023-05-30": (BOTH, 50.5, "medium"),
        "2023-05": (BOTH, 50.5, "low"),
    }
    assert known(lived, KEY, *told) == list(told.values())
    assert known(lived, "asked", "2023-02", "2023-03", "2023-04") == [
        (NOTHING, None, None), (NOTHING, None, None), (FEATURES, 30.5, None)
    ]  # fmt: skip


def test_the_same_home_by_a_simulated_clock_knows_what_the_contract_says(lived: OwnLake) -> None:
    simulated = replace(lived, contract=lived.contract.model_copy(update={"clock": "simulated"}))
    ((how, _, group),) = known(simulated, KEY, "0")
    assert (how, group) == (BOTH, "medium"), "month 0 is history, whenever somebody took it in"


def test_periods_are_no_points_of_a_lake_by_the_wall_clock(lived: OwnLake) -> None:
    with pytest.raises(
        WrongUseError, match="goes by the wall clock, where known is what had been delivered by a moment"
    ):
        features_as_of(lived, Points("2023-04"))


def test_freshness_goes_by_real_time_and_tells_how_late_the_newest_came(lived: OwnLake) -> None:
    age, group = (describe_column(lived, name).freshness for name in ("age", "group"))
    assert age is not None and group is not None
    requested = "2023-02"  # newer than January, of which files came
    assert (age.due_period, age.newest_period, age.periods_behind) == ("2023-05", requested, 3)
    assert (group.due_period, group.periods_behind, group.seconds) == ("", 0, 86_401 + 13 * 86_400)
    lived.deliver("policies", "policies-2023-05.csv", HEADER + policy("2023-05", 0))
    later = at(lived, "2023-06-04T00:00:00Z")
    later.ingest()
    lived.deliver("policies", "policies-2023-05.v2.csv", HEADER + policy("2023-05", 0, {"age": "20"}))
    at(lived, "2023-06-10T00:00:00Z").ingest()
    fresh = describe_column(lived, "age").freshness
    assert fresh is not None and (fresh.periods_behind, fresh.late_seconds) == (0, 3 * 86_400)
    assert fresh.sentence == (
        "0 months behind: by the wall clock (2023-06-15 00:00 UTC) 2023-05 is due, the newest is 2023-05, "
        "which came 3 d late"
    )
    in_july = describe_column(at(lived, "2023-07-01T00:00:00Z"), "age").freshness
    assert in_july is not None and (in_july.due_period, in_july.periods_behind) == ("2023-06", 1)


def test_a_home_of_before_goes_on_and_its_rows_are_known_since_they_were_taken_in(small: OwnLake) -> None:
    (came,) = set(small.rows("bronze/policies")["_ingested_at"])
    small.deliver("policies", "policies-2023-01.v2.csv", HEADER + policy("2023-01", 3, {"age": "50.5"}))
    assert at(small, "2199-06-01T00:00:00Z").ingest().gold.updated == 1
    points = [came.floor("s").isoformat(), came.ceil("s").isoformat(), "2199-05", "2199-06"]
    assert known(at(small, "2199-07-01T00:00:00Z"), KEY, *points) == [
        (NOTHING, None, None), (BOTH, 41.5, "medium"), (BOTH, 41.5, "medium"), (BOTH, 50.5, "medium"),
    ]  # fmt: skip


def test_a_home_that_began_to_play_goes_on_with_the_simulated_clock(lake: OwnLake) -> None:
    real = at(lake, "2023-06-15T00:00:00Z")
    played = replace(real, settings=real.settings.model_copy(update={"clock": "simulated"}))
    lake.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    played.ingest()
    assert read_clock(real).kind == "simulated", "the home has begun to play"
    set_clock(real, 3)
    lake.deliver("policies", "policies-2023-02.v2.csv", HEADER + policy("2023-02", 0, {"age": "50.5"}))
    real.ingest()
    assert [age for _, age, _ in known(real, "2023-02-0000", "0", "2", "3")] == [None, 41.5, 50.5]
    assert BronzeTable(real, "policies").clock_by_batch() == {1: 0, 2: 3}


def test_a_home_by_the_wall_clock_takes_nothing_in_as_played(small: OwnLake) -> None:
    real = at(small, "2030-01-01T00:00:00Z")
    small.deliver("claims", "claims-2023-02.csv", claims("2023-02", 1.0))
    with pytest.raises(WrongUseError, match="has taken in files of insurance by the wall clock"):
        replace(real, settings=real.settings.model_copy(update={"clock": "simulated"})).ingest()
    assert real.ingest().sources[1].taken == ("claims-2023-02.csv",)
