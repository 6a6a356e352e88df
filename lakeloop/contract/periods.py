"""The six kinds of period that time is counted in: their names, their numbers, and where in time they lie.

A period is of a calendar and a place: names are counted on the local calendar, so a name is the same arithmetic all
year, and only its two ends depend on the time zone. Periods lie end to end: an hour that clocks are put back over
lasts two, one that they are put forward over lasts none. Names of one kind are as long as each other and sort as text
in the order of time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

PeriodKind = Literal["hour", "day", "week", "month", "quarter", "year"]
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""The years that events are taken of."""
YEARS_AHEAD = 100
"""What lies further after a use case's start is taken for a mistake."""
_YEAR, _MONTH = "[0-9]{4}", "(0[1-9]|1[0-2])"
_DATE = f"{_YEAR}-{_MONTH}-(0[1-9]|[12][0-9]|3[01])"
_UNKNOWN_TO_JAVA = {"Factory", "localtime", "GMT+0", "GMT-0", "ROC"}


@dataclass(frozen=True)
class Period:
    """One kind of period. Its ordinals count from the year 1; a use case's own numbers are relative to its start.

    `form` is how people write a name, `pattern` the regular expression of names (Python's, Java's and Delta's alike,
    without anchors; it takes a few that are not, such as 2023-02-30), `most` how many there are in a century.

    >>> WEEK = PERIODS["week"]
    >>> WEEK.name(WEEK.ordinal("2020-W53") + 1)
    '2021-W01'
    """

    kind: PeriodKind
    form: str
    example: str
    pattern: str
    most: int
    _name: Callable[[datetime], str]
    _begins: Callable[[str], datetime]
    _ordinal: Callable[[datetime], int]
    _from_ordinal: Callable[[int], datetime]

    def is_name(self, text: str) -> bool:
        """Whether a text is the name of such a period, and one that the calendar has."""
        if not re.fullmatch(self.pattern, text, re.ASCII):
            return False
        try:
            return self._name(self._begins(text)) == text
        except ValueError:
            return False

    def name(self, ordinal: int) -> str:
        """The name of a period by its ordinal; raises ValueError or OverflowError outside the years 1 to 9999."""
        return self._name(self._from_ordinal(ordinal))

    def ordinal(self, name: str) -> int:
        """The ordinal of a period by its name.

        Raises:
            ValueError: no such period is of this name.
        """
        if not self.is_name(name):
            raise ValueError(
                f"{name!r} is no {self.kind}; a {self.kind} is written {self.form}, such as {self.example}"
            )
        return self._ordinal(self._begins(name))

    def name_at(self, local: datetime) -> str:
        """The name of the period that a local time lies in."""
        return self._name(local)

    def begins(self, name: str) -> datetime:
        """The local time a period begins at; raises as `ordinal`."""
        return self._from_ordinal(self.ordinal(name))

    def ends(self, name: str) -> datetime:
        """The local time a period ends at, which is the next one's beginning; raises as `ordinal`."""
        return self._from_ordinal(self.ordinal(name) + 1)

    def start(self, name: str, zone: str) -> datetime:
        """The moment (UTC) that a period begins at in a time zone; raises as `ordinal`."""
        return _first_moment(self.begins(name), zone)

    def end(self, name: str, zone: str) -> datetime:
        """The moment (UTC) that a period ends at in a time zone, which is the next one's start; raises as `ordinal`."""
        return _first_moment(self.ends(name), zone)

    def of(self, moment: datetime, zone: str) -> str:
        """The name of the period that a moment lies in, in a time zone."""
        return self._name(local_time(moment, zone))


def moment_of(local: datetime, zone: str) -> datetime:
    """A local time as a moment (UTC). What a clock shows twice is the first; what it leaves out counts from before."""
    return local.replace(tzinfo=time_zone(zone), fold=0).astimezone(UTC)


def local_time(moment: datetime, zone: str) -> datetime:
    """What the clock of a time zone shows at a moment."""
    return moment.astimezone(time_zone(zone)).replace(tzinfo=None)


def _first_moment(local: datetime, zone: str) -> datetime:
    """The moment (UTC) from which on the clock of a time zone shows a time or a later one."""
    moment = moment_of(local, zone)
    if local_time(moment, zone) == local:
        return moment
    before = local.replace(tzinfo=time_zone(zone), fold=1).astimezone(UTC)  # clocks went forward in between
    while moment - before > timedelta(seconds=1):
        middle = before + (moment - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        before, moment = (before, middle) if local_time(middle, zone) >= local else (middle, moment)
    return moment


@cache
def time_zone(zone: str) -> ZoneInfo:
    """A time zone by its name; raises ZoneInfoNotFoundError or ValueError where there is none."""
    return ZoneInfo(zone)


@cache
def known_zones() -> frozenset[str]:
    """The names of time zones that Python and Spark both know."""
    return frozenset(available_timezones() - _UNKNOWN_TO_JAVA)


def _day_of(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), datetime.min.time())


def _hour_of(ordinal: int) -> datetime:
    return _day_of(ordinal // 24) + timedelta(hours=ordinal % 24)


def _week_name(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year:04d}-W{week:02d}"


def _month_of(months: int) -> datetime:
    return datetime(months // 12, months % 12 + 1, 1)


PERIODS: dict[PeriodKind, Period] = {
    "hour": Period(
        "hour", "YYYY-MM-DDTHH", "2024-01-31T13", f"{_DATE}T([01][0-9]|2[0-3])", 24 * (365 * YEARS_AHEAD + 25),
        lambda local: f"{local.year:04d}-{local.month:02d}-{local.day:02d}T{local.hour:02d}",
        lambda text: datetime.fromisoformat(f"{text}:00"),
        lambda local: local.toordinal() * 24 + local.hour,
        _hour_of,
    ),
    "day": Period(
        "day", "YYYY-MM-DD", "2024-01-31", _DATE, 365 * YEARS_AHEAD + 25,
        lambda local: f"{local.year:04d}-{local.month:02d}-{local.day:02d}",
        datetime.fromisoformat,
        lambda local: local.toordinal(),
        _day_of,
    ),
    "week": Period(
        "week", "YYYY-Www", "2024-W05", f"{_YEAR}-W(0[1-9]|[1-4][0-9]|5[0-3])", 5218,
        _week_name,
        lambda text: datetime.fromisocalendar(int(text[:4]), int(text[6:]), 1),
        lambda local: (local.toordinal() - 1) // 7,
        lambda ordinal: _day_of(ordinal * 7 + 1),
    ),
    "month": Period(
        "month", "YYYY-MM", "2024-01", f"{_YEAR}-{_MONTH}", 12 * YEARS_AHEAD,
        lambda local: f"{local.year:04d}-{local.month:02d}",
        lambda text: datetime.fromisoformat(f"{text}-01"),
        lambda local: local.year * 12 + local.month - 1,
        _month_of,
    ),
    "quarter": Period(
        "quarter", "YYYY-Qq", "2024-Q1", f"{_YEAR}-Q[1-4]", 4 * YEARS_AHEAD,
        lambda local: f"{local.year:04d}-Q{(local.month + 2) // 3}",
        lambda text: datetime(int(text[:4]), int(text[6]) * 3 - 2, 1),
        lambda local: local.year * 4 + (local.month - 1) // 3,
        lambda ordinal: _month_of(ordinal * 3),
    ),
    "year": Period(
        "year", "YYYY", "2024", _YEAR, YEARS_AHEAD,
        lambda local: f"{local.year:04d}",
        lambda text: datetime(int(text), 1, 1),
        lambda local: local.year,
        lambda ordinal: datetime(ordinal, 1, 1),
    ),
}  # fmt: skip
"""Every kind of period by its word in the contract."""


def kind_of(name: str) -> Period | None:
    """The kind of period that a name is of; None where it is no period's."""
    return next((period for period in PERIODS.values() if period.is_name(name)), None)


def last_period(name: str, kind: PeriodKind) -> str:
    """The name of the period of a kind in which a period of any kind ends: of 2024-02, the day is 2024-02-29.

    Raises:
        ValueError: no period is of this name.
    """
    own = kind_of(name)
    if own is None:
        raise ValueError(f"{name!r} is no period; a {kind} is written {PERIODS[kind].form}")
    if own.kind == kind:
        return name
    return PERIODS[kind].name_at(own.ends(name) - timedelta(microseconds=1))
