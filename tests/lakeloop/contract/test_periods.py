"""The six kinds of period: names, numbers, ends in a time zone; New Year, changing clocks, leap years, old times."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lakeloop.contract.periods import PERIODS, PeriodKind, known_zones, last_period, local_time, moment_of

KINDS = tuple(PERIODS)
BERLIN, CHICAGO, SAMOA, KOLKATA = "Europe/Berlin", "America/Chicago", "Pacific/Apia", "Asia/Kolkata"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "local", "name"),
    [
        ("hour", "2013-01-05 13:59:59.999999", "2013-01-05T13"),
        ("day", "2024-02-29 00:00", "2024-02-29"),
        ("week", "2013-01-06 23:59", "2013-W01"),
        ("month", "1969-12-31 23:59", "1969-12"),
        ("quarter", "2013-09-30 12:00", "2013-Q3"),
        ("year", "0987-06-05 04:03", "0987"),
    ],
)
def test_a_period_is_named_in_its_own_form(kind: PeriodKind, local: str, name: str) -> None:
    assert PERIODS[kind].name_at(datetime.fromisoformat(local)) == name
    assert PERIODS[kind].is_name(name)


@pytest.mark.parametrize("kind", KINDS)
def test_its_example_and_its_form_say_what_names_look_like(kind: PeriodKind) -> None:
    period = PERIODS[kind]
    assert period.is_name(period.example)
    assert len(period.form) == len(period.example) or kind == "hour"
    assert re.fullmatch(period.pattern, period.example)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("around", ["1968-12-25 00:00", "1999-12-25 00:00", "2020-12-25 00:00", "2024-02-25 00:00"])
def test_names_and_ordinals_go_back_and_forth_and_sort_alike(kind: PeriodKind, around: str) -> None:
    period = PERIODS[kind]
    first = period.ordinal(period.name_at(datetime.fromisoformat(around)))
    names = [period.name(ordinal) for ordinal in range(first, first + 400)]
    assert [period.ordinal(name) for name in names] == list(range(first, first + 400))
    assert names == sorted(names)
    assert len(set(names)) == 400
    assert len(set(map(len, names))) == 1
    assert all(re.fullmatch(period.pattern, name) for name in names)


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2020-12-31", "2020-W53"),
        ("2021-01-03", "2020-W53"),
        ("2021-01-04", "2021-W01"),
        ("2018-12-31", "2019-W01"),
        ("2016-01-01", "2015-W53"),
        ("2023-01-01", "2022-W52"),
        ("1969-12-29", "1970-W01"),
    ],
)
def test_a_week_is_of_the_year_that_has_its_thursday(day: str, week: str) -> None:
    period = PERIODS["week"]
    assert period.name_at(datetime.fromisoformat(day)) == week
    assert period.begins(week).isoweekday() == 1
    assert period.begins(week) <= datetime.fromisoformat(day) < period.begins(week) + timedelta(days=7)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("hour", "2024-01-31T24"),
        ("hour", "2023-02-30T12"),
        ("hour", "2024-01-31 13"),
        ("day", "2023-02-29"),
        ("day", "2100-02-29"),
        ("day", "2024-1-31"),
        ("week", "2021-W53"),
        ("week", "2024-W00"),
        ("week", "2024-05"),
        ("month", "2024-13"),
        ("month", "2024-00"),
        ("month", "2024-01\n"),
        ("month", "٢٠٢٤-01"),
        ("month", "0000-01"),
        ("quarter", "2024-Q5"),
        ("year", "24"),
        ("year", "20245"),
    ],
)
def test_what_the_calendar_does_not_have_is_no_name(kind: PeriodKind, text: str) -> None:
    assert not PERIODS[kind].is_name(text)
    with pytest.raises(ValueError, match=f"is no {kind}; a {kind} is written {PERIODS[kind].form}, such as"):
        PERIODS[kind].ordinal(text)


def test_leap_days_count() -> None:
    day, hour = PERIODS["day"], PERIODS["hour"]
    assert day.ordinal("2024-03-01") - day.ordinal("2024-02-28") == 2
    assert day.ordinal("2100-03-01") - day.ordinal("2100-02-28") == 1
    assert hour.ordinal("2024-03-01T00") - hour.ordinal("2024-02-29T00") == 24


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zone", ["UTC", BERLIN, CHICAGO, SAMOA, KOLKATA, "America/Sao_Paulo"])
@pytest.mark.parametrize("begin", ["1965-03-01", "2011-12-25", "2018-10-25", "2024-03-25", "2024-10-20"])
def test_periods_lie_end_to_end_in_every_time_zone(kind: PeriodKind, zone: str, begin: str) -> None:
    period = PERIODS[kind]
    first = period.ordinal(period.name_at(datetime.fromisoformat(begin)))
    names = [period.name(ordinal) for ordinal in range(first, first + 300)]
    for name, following in pairwise(names):
        assert period.end(name, zone) == period.start(following, zone)
        assert period.start(name, zone) <= period.end(name, zone)
        if period.start(name, zone) < period.end(name, zone):
            middle = period.start(name, zone) + (period.end(name, zone) - period.start(name, zone)) / 2
            assert period.of(middle, zone) == name
            assert period.of(period.start(name, zone), zone) == name


def test_the_hour_that_comes_twice_is_one_of_two_hours_and_the_one_left_out_lasts_none() -> None:
    hour = PERIODS["hour"]
    lasts = {name: hour.end(name, BERLIN) - hour.start(name, BERLIN) for name in ("2024-10-27T02", "2024-03-31T02")}
    assert lasts == {"2024-10-27T02": timedelta(hours=2), "2024-03-31T02": timedelta(0)}
    assert hour.of(utc("2024-10-27 00:30"), BERLIN) == hour.of(utc("2024-10-27 01:30"), BERLIN) == "2024-10-27T02"
    assert hour.of(utc("2024-03-31 01:00"), BERLIN) == "2024-03-31T03"


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-07-01", 24)])
def test_a_day_lasts_as_long_as_its_clocks_say(day: str, hours: int) -> None:
    period = PERIODS["day"]
    assert period.end(day, BERLIN) - period.start(day, BERLIN) == timedelta(hours=hours)


def test_a_day_that_a_place_skipped_lasts_no_time() -> None:
    day = PERIODS["day"]
    assert day.start("2011-12-30", SAMOA) == day.end("2011-12-30", SAMOA) == utc("2011-12-30 10:00")
    assert day.of(utc("2011-12-30 09:59"), SAMOA) == "2011-12-29"
    assert day.of(utc("2011-12-30 10:00"), SAMOA) == "2011-12-31"


def test_a_midnight_that_clocks_leave_out_begins_the_day_later() -> None:
    """On 4 November 2018 clocks in São Paulo went from 0:00 to 1:00."""
    day = PERIODS["day"]
    assert day.start("2018-11-04", "America/Sao_Paulo") == utc("2018-11-04 03:00")
    assert day.of(utc("2018-11-04 03:00"), "America/Sao_Paulo") == "2018-11-04"


def test_a_month_is_of_its_place() -> None:
    month = PERIODS["month"]
    assert month.start("2013-01", CHICAGO) == utc("2013-01-01 06:00")
    assert month.end("2013-03", CHICAGO) == utc("2013-04-01 05:00")
    assert month.of(utc("2013-01-01 05:59"), CHICAGO) == "2012-12"


def test_times_before_1970_are_times_like_others() -> None:
    assert PERIODS["quarter"].of(utc("1969-12-31 23:59:59"), "UTC") == "1969-Q4"
    assert PERIODS["week"].start("1953-W53", BERLIN) == utc("1953-12-27 23:00")


def test_local_times_and_moments_are_each_others() -> None:
    assert moment_of(datetime(2024, 10, 27, 2, 30), BERLIN) == utc("2024-10-27 00:30")
    assert moment_of(datetime(2024, 3, 31, 2, 30), BERLIN) == utc("2024-03-31 01:30")
    assert local_time(utc("2024-07-01 12:00"), KOLKATA) == datetime(2024, 7, 1, 17, 30)


def test_zones_have_the_names_of_the_tz_database() -> None:
    assert {"UTC", BERLIN, CHICAGO, SAMOA} <= known_zones()
    assert not {"Berlin", "localtime", "Factory"} & known_zones()


@pytest.mark.parametrize(
    ("name", "kind", "last"),
    [
        ("2024-02", "day", "2024-02-29"),
        ("2024", "week", "2025-W01"),
        ("2024-12-31T13", "quarter", "2024-Q4"),
        ("2024-W05", "month", "2024-02"),
        ("2024-02", "month", "2024-02"),
        ("2024-Q1", "hour", "2024-03-31T23"),
    ],
)
def test_a_period_of_one_kind_ends_in_one_of_another(name: str, kind: PeriodKind, last: str) -> None:
    assert last_period(name, kind) == last


def test_what_is_no_period_ends_in_none() -> None:
    with pytest.raises(ValueError, match="'2024-13' is no period; a week is written YYYY-Www"):
        last_period("2024-13", "week")
