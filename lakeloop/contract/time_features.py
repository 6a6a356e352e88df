"""Dates and times as model inputs: how they are written, what can be one, and the parts of them that a model gets."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Literal

from lakeloop.contract.periods import PeriodKind, time_zone
from lakeloop.contract.time_formats import (
    DATE,
    NEEDED,
    OF_MOMENTS,
    PERIOD,
    TIMESTAMP,
    UNIX,
    pattern_problem,
    read_moment,
)

Part = Literal["hour", "weekday", "day", "month", "quarter", "year", "age_days"]
AGE: Part = "age_days"
CYCLES: Mapping[Part, tuple[int, int]] = {
    "hour": (24, 0), "weekday": (7, 0), "day": (31, 1), "month": (12, 1), "quarter": (4, 1)
}  # fmt: skip
"""Of the parts that come round again how many values they have, and the first of them; Monday is weekday 0."""
USUAL_PARTS: Mapping[str, tuple[Part, ...]] = {
    "date": ("weekday", "month"), "timestamp": ("hour", "weekday", "month")
}  # fmt: skip
"""What a model gets where the contract does not say."""
COME_ROUND_IN: Mapping[Part, tuple[PeriodKind, ...]] = {
    "hour": ("day", "week", "month", "quarter", "year"), "weekday": ("week", "month", "quarter", "year"),
    "day": ("month", "quarter", "year"), "month": ("year",), "quarter": ("year",),
}  # fmt: skip
"""The periods in which each part has all of its values."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1583, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""What a date or time can be: from the first whole year of today's calendar to the last one of four digits."""
DAY_SECONDS = 86_400
OFFSET_YEARS = (1900, 2100)
"""Between these a time zone's offsets are known to the model; before and after it has the first and the last."""


def usual_format(kind: str) -> str:
    """How a feature's values are written where the contract does not say: ISO 8601."""
    return DATE if kind == "date" else TIMESTAMP


def time_format_problem(kind: str, given: str) -> str:
    """What is wrong with how a feature's dates or times are written; '' if nothing is."""
    if given == PERIOD:
        return "is period, which is for event times; take date, timestamp, or a pattern such as '%d.%m.%Y'"
    if kind == "date" and (given in (TIMESTAMP, *UNIX) or "%z" in given):
        return f"is {given}, which says a moment; take `type: timestamp`, or a pattern such as '%d.%m.%Y'"
    if given in OF_MOMENTS:
        return ""
    return pattern_problem(given, NEEDED["day"], f"it is a {kind}")


def parts_problem(kind: str, parts: Sequence[Part], cyclic: bool) -> str:
    """What is wrong with the parts that a model gets; '' if nothing is."""
    if not parts:
        return f"`parts` has none, so a model would get nothing; take some of {', '.join((*CYCLES, 'year', AGE))}"
    if doubles := [part for place, part in enumerate(parts) if part in parts[:place]]:
        return f"`parts` names {doubles[0]} twice; keep one"
    if kind == "date" and "hour" in parts:
        return "a date has no hour; leave it out of `parts`, or take `type: timestamp`"
    if cyclic and not set(parts) & set(CYCLES):
        return f"`cyclic: true` is for parts that come round again: {', '.join(CYCLES)}; leave it out"
    return ""


def read_time(kind: str, text: str, given: str, zone: str) -> date | None:
    """A text as a date, or as a moment in UTC; None where it is none, or none that is possible."""
    moment = read_moment(text, given, "UTC" if kind == "date" else zone)
    if moment is None or not FIRST <= moment <= LAST:
        return None
    return moment.date() if kind == "date" else moment


def seconds_of(value: date) -> int:
    """A date, or a moment with its time zone, as whole seconds since 1970."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    return (moment - EPOCH) // timedelta(seconds=1)


def value_of(kind: str, seconds: int) -> date:
    """Seconds since 1970 as the date, or as the moment in UTC."""
    moment = EPOCH + timedelta(seconds=seconds)
    return moment.date() if kind == "date" else moment


def compared_parts(parts: Sequence[Part], period: PeriodKind) -> list[Part]:
    """The parts by which requests of a period can be compared with others: those that come round in it, and the age.

    A month of requests has all hours and weekdays, and one month of the year.
    """
    return [part for part in parts if part == AGE or period in COME_ROUND_IN.get(part, ())]


@cache
def zone_offsets(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """From which second since 1970 on a zone's clock is how many seconds ahead of UTC: both (n,), sorted.

    The first entry holds for all that is before, too.
    """
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in OFFSET_YEARS)
    since, ahead = [begin], [_ahead(begin, zone)]
    for second in range(begin, end, DAY_SECONDS):
        if _ahead(second + DAY_SECONDS, zone) != ahead[-1]:
            changes = bisect_right(range(second, second + DAY_SECONDS), 0, key=lambda at: _ahead(at, zone) != ahead[-1])
            since.append(second + changes)
            ahead.append(_ahead(since[-1], zone))
    return tuple(since), tuple(ahead)


def _ahead(second: int, zone: str) -> int:
    offset = (EPOCH + timedelta(seconds=second)).astimezone(time_zone(zone)).utcoffset()
    return 0 if offset is None else offset // timedelta(seconds=1)
