"""Points in time as people write them, and files of keys."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from lakehouse.read.as_of import INSTANT, parse_point, read_points
from lakeloop.clock import Clock
from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def clock(contract: Contract) -> Clock:
    return Clock(contract, "simulated", 12, NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7", "2023-08"),
        ("2023-08", "2023-08"),
        ("0", "2023-01"),
        ("2026-11-21", datetime(2026, 11, 22, tzinfo=UTC) - INSTANT),
        ("2026-11-22", NOW),
        ("2026-11-22T10:30:00Z", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("2026-11-22 10:30", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("2026-11-22T11:30:00+01:00", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_month_is_one_of_the_clock_and_a_day_means_its_end(text: str, meant: "str | datetime", clock: Clock) -> None:
    assert parse_point(text, clock) == meant


@pytest.mark.parametrize(
    ("zone", "text", "meant"),
    [
        ("UTC", "2026-10", datetime(2026, 11, 1, tzinfo=UTC) - INSTANT),
        ("UTC", "45", datetime(2026, 11, 1, tzinfo=UTC) - INSTANT),
        ("Europe/Berlin", "2026-10", datetime(2026, 10, 31, 23, tzinfo=UTC) - INSTANT),
        ("America/Chicago", "2026-10", datetime(2026, 11, 1, 5, tzinfo=UTC) - INSTANT),
        ("UTC", "2026-11", NOW),
        ("UTC", "2026-11-22", NOW),
    ],
)
def test_by_the_wall_clock_a_month_stands_for_its_end_where_it_is_counted(
    zone: str, text: str, meant: datetime, contract: Contract
) -> None:
    event_time = contract.event_time.model_copy(update={"timezone": zone})
    real = contract.model_copy(update={"clock": "wall", "event_time": event_time})
    clock = Clock(real, "wall", 46, NOW)
    assert parse_point(text, clock) == meant
    with pytest.raises(WrongUseError, match=r"month 47 .2026-12. is in the future"):
        parse_point("47", clock)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("13", "month 13 .2024-02. is in the future: the clock of insurance stands at month 12 .2024-01."),
        ("2024-02", "is in the future"),
        ("2022-12", "lies before month 0"),
        ("2026-11-23", "2026-11-23 is in the future: it is 2026-11-22T12:00:00Z now"),
        ("2026-11-22T12:00:01Z", "is in the future"),
        ("yesterday", "no point in time; write a month"),
        ("2023-13", "no point in time"),
        ("", "no point in time"),
    ],
)
def test_the_future_and_what_is_no_time_is_refused(text: str, message: str, clock: Clock) -> None:
    with pytest.raises(WrongUseError, match=message):
        parse_point(text, clock)


def test_keys_come_with_their_time_or_share_one(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("as_of;policy_id;note\n1;a;x\n2023-03;b;x\n1;a;y\n")
    found = read_points(path, "", clock)
    assert found.table is not None and found.in_periods
    assert found.table.to_pydict() == {"policy_id": ["a", "b"], "as_of": ["2023-02", "2023-03"]}
    other = tmp_path / "keys.parquet"
    parquet.write_table(pa.table({"policy_id": ["0001"]}), other)
    shared = read_points(other, "2026-11-21", clock)
    assert shared.table is not None and not shared.in_periods and shared.table["policy_id"].to_pylist() == ["0001"]
    path.write_text("policy_id\n0001\n")
    numbers = read_points(path, "", clock)
    assert numbers.table is not None and numbers.table.to_pydict() == {"policy_id": ["0001"], "as_of": ["2024-01"]}


@pytest.mark.parametrize(
    ("text", "point", "message"),
    [
        ("id\n1\n", "", "has no column `policy_id`, the key; its columns are id"),
        ("policy_id\n", "", "has no rows"),
        ("policy_id,as_of\na,1\n", "2", "leave --as-of out"),
        ("policy_id,as_of\na,1\nb,\n", "", "row 2: `as_of` is empty"),
        ("policy_id,as_of\na,1\nb,2026-11-20\n", "", "mixes months and moments"),
        ("policy_id,as_of\na,99\n", "", "in the future"),
        ("policy_id,as_of\na,1,2\n", "", "cannot be read"),
    ],
)
def test_a_bad_file_of_keys_is_refused(text: str, point: str, message: str, tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.csv"
    path.write_text(text)
    with pytest.raises(WrongUseError, match=message):
        read_points(path, point, clock)
    with pytest.raises(WrongUseError, match="cannot be read"):
        read_points(tmp_path / "none.csv", "", clock)
