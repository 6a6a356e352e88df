"""Event times as they are delivered, and the contract's words on them."""

import re
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from lakeloop.contract import Contract, EventTime
from lakeloop.contract.time_formats import read_moment
from tests.event_times import READ, UNREADABLE


def event_time(**given: object) -> EventTime:
    return EventTime.model_validate({"column": "at", "description": "when", "start": "2023-01"} | given)


@pytest.mark.parametrize(("given", "zone", "text", "moment"), READ)
def test_a_time_is_read_as_its_format_says(given: str, zone: str, text: str, moment: str) -> None:
    assert read_moment(text, given, zone) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(("given", "text"), UNREADABLE)
def test_what_is_no_time_of_the_format_is_not_guessed(given: str, text: str) -> None:
    assert read_moment(text, given, "Europe/Berlin") is None


@pytest.mark.parametrize(
    ("kind", "start", "third", "begins"),
    [
        ("hour", "2013-01-01T22", "2013-01-02T01", "2013-01-02T07:00"),
        ("day", "2013-02-27", "2013-03-02", "2013-03-02T06:00"),
        ("week", "2012-W51", "2013-W02", "2013-01-07T06:00"),
        ("month", "2012-12", "2013-03", "2013-03-01T06:00"),
        ("quarter", "2012-Q4", "2013-Q3", "2013-07-01T05:00"),
        ("year", "2012", "2015", "2015-01-01T06:00"),
    ],
)
def test_periods_are_counted_from_the_start_in_the_time_zone(kind: str, start: str, third: str, begins: str) -> None:
    counted = event_time(period=kind, start=start, timezone="America/Chicago")
    assert counted.name(0) == start and counted.name(3) == third and counted.number(third) == 3
    assert counted.begins(3) == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert counted.number(counted.name(-5)) == -5


def test_yaml_may_read_a_start_as_a_date_or_a_number() -> None:
    assert event_time(period="day", start=datetime(2013, 1, 5).date()).start == "2013-01-05"
    assert event_time(period="year", start=2013).start == "2013"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"period": "week", "start": "2023-01"}, "is '2023-01'; a week is written YYYY-Www, such as 2024-W05"),
        ({"period": "week", "start": "2021-W53"}, "is '2021-W53'; a week is written"),
        ({"start": "1969-12"}, "the year is 1970 or later"),
        ({"period": "fortnight"}, "fortnight"),
        ({"timezone": "Berlin"}, "did you mean Europe/Berlin"),
        ({"timezone": "+02:00"}, "a time zone has its name of the tz database"),
        ({"format": "iso"}, "allowed: period, date, timestamp, unix_seconds, unix_milliseconds, or a pattern such as"),
        ({"format": "%Y-%d"}, "which says no month, and periods are months; it needs %m or %b or %B"),
        ({"format": "%Q.%m.%Y"}, "has %Q; a pattern may have %Y"),
        ({"format": "%d.%m.%Y %d"}, "has %d twice"),
        ({"format": "%d.%m.%Y %I:%M"}, "has one of %I and %p"),
        ({"period": "hour", "start": "2023-01-01T00", "format": "date"}, "says no hour, and periods are hours"),
    ],
)
def test_a_wrong_word_is_told_with_what_is_allowed(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        event_time(**given)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("2012-W52", "is before the use case's start, 2013-W01"),
        ("2300-W01", "is after 2200-W01, the last week that events are taken of"),
        ("2013-W01", ""),
        ("2012-11", "is before the use case's start, 2013-W01"),
        ("2013-01", ""),
    ],
)
def test_what_no_event_can_be_of_is_said(name: str, why: str) -> None:
    assert event_time(period="week", start="2013-W01").why_impossible(name) == why


def test_where_events_have_times_a_column_of_its_own_has_the_periods(contract: Contract) -> None:
    dated = contract.model_copy(
        update={"event_time": event_time(column="month", format="date", period="week", start="2023-W01")}
    )
    assert (contract.period_column, dated.period_column) == ("month", "period")
    assert list(dated.silver_columns("policies")) == [*contract.sources["policies"].columns, "period"]
    assert dated.silver_columns("claims") == contract.silver_columns("claims")
    assert dated.columns_of("policies")["month"].type == "timestamp"
    assert dated.schema_sha256 != contract.schema_sha256


def joined(**given: object) -> EventTime:
    return EventTime.model_validate({"columns": {"year": "y", "month": "m"}, "start": "2023-01"} | given)


def test_a_time_that_stands_in_several_columns_says_itself_how_it_is_written() -> None:
    months = joined()
    assert (months.column, months.description, months.format) == ("event_time", "Joined from y, m", "%Y-%m")
    assert months.dated and months.delivered == ("y", "m") and months.meaning == "a year, month that the calendar has"
    assert months.moment("2024-7") == datetime(2024, 7, 1, tzinfo=UTC)
    hours = joined(columns={"day": "d", "hour": "h", "year": "y", "month": "m"}, period="hour", start="2023-01-01T00")
    assert hours.delivered == ("y", "m", "d", "h")
    assert hours.moment("2024-7-31 9") == datetime(2024, 7, 31, 9, tzinfo=UTC)
    assert EventTime.model_validate(months.model_dump(mode="json")) == months
    assert "columns" not in event_time().model_dump(), "records of older contracts stay as they were"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": {"month": "m", "day": "d"}}, "leaves out year; name all from the year on: year, month"),
        ({"columns": {"year": "y", "day": "d"}}, "leaves out month"),
        ({"columns": {"year": "y", "week": "w"}}, "has 'week'; an event time is joined from year, month, day, hour"),
        ({"columns": {"year": "y"}}, "write `column: y` and `format: '%Y'`"),
        ({"format": "%Y%m"}, "says `columns` and `format`"),
        ({"period": "week", "start": "2023-W01"}, "says no day, and periods are weeks; name its column: `day: …`"),
    ],
)
def test_columns_that_make_no_time_are_a_mistake(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        joined(**given)
