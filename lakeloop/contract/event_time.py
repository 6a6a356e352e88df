"""When an event happened: the column that says it, and the periods that time is counted in."""

import difflib
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo, field_validator, model_validator

from lakeloop.contract.periods import FIRST_YEAR, LAST_YEAR, PERIODS, Period, PeriodKind, known_zones, last_period
from lakeloop.contract.section import Name, Section, Text, mistake, unless
from lakeloop.contract.time_formats import NEEDED, PERIOD, format_problem, meaning, read_moment

EVENT_TIME = "event_time"
"""The column of an event time that no file has as it is."""
TimePart = Literal["year", "month", "day", "hour"]
WRITTEN: dict[TimePart, str] = {"year": "%Y", "month": "-%m", "day": "-%d", "hour": " %H"}
"""How an event time is written that is joined from columns: each part after those before it."""


def _period_name(value: Any) -> Any:
    """YAML reads `2013-01-05` as a date and `2013` as a number."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return f"{value:04d}" if type(value) is int else value


class EventTime(Section):
    """The column that says when an event was, and the periods that time is counted in; `start` is period 0.

    `format`: `period` where the column holds the period's own name, e.g. `YYYY-MM`; else how its times are written.
    `columns`: where no file has it in one column, those that it is joined from when rows come into bronze, by what
    each says: `{year: year, month: month}`.
    `timezone`: the one that periods are counted in, and of times that say none.
    """

    column: Name
    description: Text
    columns: dict[TimePart, Name] = unless({})
    timezone: Text = "UTC"
    period: PeriodKind = "month"
    format: Text = PERIOD
    start: Annotated[str, BeforeValidator(_period_name)]

    @model_validator(mode="before")
    @classmethod
    def _columns_say_how_it_is_written(cls, given: Any) -> Any:
        columns = given.get("columns") if isinstance(given, dict) else None
        if not columns or not isinstance(columns, dict):
            return given
        parts = list(WRITTEN)[: len(columns)]
        if unknown := [part for part in columns if part not in WRITTEN]:
            raise mistake(f"`columns` has {unknown[0]!r}; an event time is joined from {', '.join(WRITTEN)}")
        if set(columns) != set(parts):
            raise mistake(
                f"`columns` has {', '.join(columns)}, which leaves out {next(p for p in parts if p not in columns)}; "
                f"name all from the year on: {', '.join(parts)}"
            )
        if len(columns) == 1:
            raise mistake(
                f"`columns` has the year alone; write `column: {next(iter(columns.values()))}` and `format: '%Y'`"
            )
        form = "".join(WRITTEN[part] for part in parts)
        if given.get("format", form) != form:
            raise mistake(
                "says `columns` and `format`; what is joined from columns is written in one way, leave it out"
            )
        needed = NEEDED.get(kind := given.get("period", "month"), ())
        if short := [part for part in needed if part not in parts]:
            raise mistake(f"`columns` says no {short[0]}, and periods are {kind}s; name its column: `{short[0]}: …`")
        names = ", ".join(str(columns[part]) for part in parts)
        return {"column": EVENT_TIME, "description": f"Joined from {names}", "format": form, **given}

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        if zone not in known_zones():
            close = difflib.get_close_matches(zone, known_zones(), n=1, cutoff=0.4)
            raise mistake(
                f"is {zone!r}; a time zone has its name of the tz database, such as Europe/Berlin or UTC"
                + (f"; did you mean {close[0]}?" if close else "")
            )
        return zone

    @field_validator("start")
    @classmethod
    def _start_is_a_period(cls, start: str, info: ValidationInfo) -> str:
        kind = info.data.get("period")  # a mistake of its own where it is not there
        if kind is None:
            return start
        period = PERIODS[kind]
        if not period.is_name(start) or not FIRST_YEAR <= int(start[:4]) <= LAST_YEAR:
            raise mistake(
                f"is {start!r}; a {kind} is written {period.form}, such as {period.example}, and the year is "
                f"{FIRST_YEAR} or later, up to {LAST_YEAR}"
            )
        return start

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, given: str, info: ValidationInfo) -> str:
        if problem := format_problem(given, info.data.get("period", "year")):
            raise mistake(problem)
        return given

    @property
    def dated(self) -> bool:
        """Whether the column holds times, and so another one has the names of their periods."""
        return self.format != PERIOD

    @property
    def delivered(self) -> tuple[str, ...]:
        """The columns of files that say it: its own, or those that it is joined from, the year first."""
        return tuple(self.columns[part] for part in WRITTEN if part in self.columns) or (self.column,)

    @property
    def meaning(self) -> str:
        """What a delivered event time should be, in words, e.g. `YYYY-MM`, or `a date, such as 2024-01-31`."""
        if self.columns:
            return f"a {', '.join(part for part in WRITTEN if part in self.columns)} that the calendar has"
        return meaning(self.format) if self.dated else self.of_kind.form

    @property
    def about_period(self) -> str:
        """What the column with the names of periods holds, e.g. `week of started in Europe/Berlin, YYYY-Www`."""
        return f"{self.period} of {self.column}{self.in_zone}, {self.of_kind.form}"

    @property
    def in_zone(self) -> str:
        """The time zone in words, e.g. ` in Europe/Berlin`; '' for UTC."""
        return "" if self.timezone == "UTC" else f" in {self.timezone}"

    @property
    def of_kind(self) -> Period:
        """The kind of period that time is counted in."""
        return PERIODS[self.period]

    def name(self, number: int) -> str:
        """Period number -> its name; number 0 is `start`."""
        return self.of_kind.name(self.of_kind.ordinal(self.start) + number)

    def number(self, name: str) -> int:
        """Name of a period -> its number, negative before `start`; raises ValueError where it is no period's."""
        return self.of_kind.ordinal(name) - self.of_kind.ordinal(self.start)

    def number_at(self, moment: datetime) -> int:
        """The number of the period that a moment lies in, negative before `start`."""
        return self.number(self.of_kind.of(moment, self.timezone))

    def begins(self, number: int) -> datetime:
        """The moment (UTC) that the period of a number begins at."""
        return self.of_kind.start(self.name(number), self.timezone)

    @property
    def shape(self) -> list[str]:
        """What of it says how a row looks; of a contract of months in UTC, as they all were once, column and start."""
        said = [self.period, self.timezone, self.format]
        others = [] if said == ["month", "UTC", PERIOD] else said
        return [self.column, self.start, *others, *(self.delivered if self.columns else ())]

    def moment(self, text: str) -> datetime | None:
        """A time as it is delivered, as a moment (UTC); None where it cannot be read, or the column has none."""
        return read_moment(text, self.format, self.timezone) if self.dated else None

    @property
    def last(self) -> str:
        """The last period that events are taken of."""
        return self.of_kind.name_at(datetime(LAST_YEAR, 12, 31, 23))

    def why_impossible(self, name: str) -> str:
        """Why nothing of this use case can belong to a period of any kind, by its name; '' where it can."""
        ends_in = name if name < "0001" else last_period(name, self.period)
        if ends_in < self.start:
            return f"is before the use case's start, {self.start}"
        return f"is after {self.last}, the last {self.period} that events are taken of" if ends_in > self.last else ""
