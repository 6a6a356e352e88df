"""Rows that wait for a row of a joined source: how many, and for how many of them that is overdue by the clock."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeloop.clock import set_clock
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from lakeloop.waiting_rows import WaitingRows, waiting_rows
from tests.weather_rides import weather_use_case

MUST_HAVE = {"celsius: {description: Temperature, type: float, role: numeric, missing: mean}":
             "celsius: {description: Temperature, type: float, role: numeric}"}  # fmt: skip
FIRST, SECOND = "2024-01-01", "2024-01-02"


def wait(use_case: UseCase, *rows: tuple[str, str, int]) -> None:
    """Rows (sources, period, how many) that wait."""
    waits = [{"waits_for": sources, "period": period} for sources, period, count in rows for _ in range(count)]
    write_deltalake(use_case.table("silver/waiting"), pa.Table.from_pylist(waits), mode="append")


def complete(use_case: UseCase, period: str, count: int) -> None:
    write_deltalake(use_case.table("silver/rides"), pa.Table.from_pylist([{"period": period}] * count), mode="append")


def test_a_row_is_overdue_once_its_period_is_and_the_newest_one_counts(tmp_path: Path) -> None:
    use_case = weather_use_case(tmp_path, "areas", "weather", "holidays", changes=MUST_HAVE)
    nothing = (WaitingRows("areas", "rides"), WaitingRows("weather", "rides"))
    assert waiting_rows(use_case) == nothing, "holidays may be missing"
    assert [one.sentence for one in nothing] == ["", ""]
    wait(use_case, ("areas", FIRST, 3), ("areas, weather", FIRST, 1), ("weather", SECOND, 5))
    complete(use_case, FIRST, 6)
    areas, weather = waiting_rows(use_case)
    assert areas == WaitingRows("areas", "rides", 4, 4, FIRST, 0.4)
    assert weather == WaitingRows("weather", "rides", 6, 1, FIRST, 0.1)
    assert weather.sentence == (
        "6 rows wait for a row of weather, which has a feature that rides must have; taken up when it comes "
        "(`lakeloop lake show silver/waiting`); overdue for 1 of them (10.0 % of the rows of 2024-01-01)"
    )
    set_clock(use_case, 1)
    areas, weather = waiting_rows(use_case)
    assert areas == WaitingRows("areas", "rides", 4, 4), "of the second day none waits for it"
    assert weather == WaitingRows("weather", "rides", 6, 6, SECOND, 1.0)
    complete(use_case, SECOND, 15)
    assert waiting_rows(use_case)[1] == WaitingRows("weather", "rides", 6, 6, SECOND, 0.25)


@pytest.mark.parametrize(
    ("now", "overdue", "period"), [("2024-01-02T23:59", 0, ""), ("2024-01-03T00:00", 2, FIRST)]
)  # fmt: skip
def test_by_the_wall_clock_it_is_when_the_sources_delay_is_over(
    tmp_path: Path, now: str, overdue: int, period: str
) -> None:
    changes = {
        "requests: {": "clock: wall\nrequests: {",
        'files: "areas-*.csv"': 'files: "areas-*.csv"\n    delay_periods: 2',
    }
    known = weather_use_case(tmp_path, "areas", changes=changes)
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    use_case = open_use_case(load_settings(home=tmp_path, use_case="rides", use_cases=known.settings.use_cases, now=at))
    wait(use_case, ("areas", FIRST, 2))
    (areas,) = waiting_rows(use_case)
    assert (areas.waiting, areas.overdue, areas.period) == (2, overdue, period)
