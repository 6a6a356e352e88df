"""Which column says when a row happened, how it is written, and by which periods the rows are best counted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lakeloop.contract.event_time import WRITTEN, TimePart
from lakeloop.contract.periods import PERIODS, PeriodKind
from lakeloop.contract.time_formats import format_problem
from operations.new_use_case.columns import Column
from operations.new_use_case.time_columns import columns_beside, joined_column
from operations.new_use_case.time_zones import IN_UTC, OFFSET, UTC, Zone

PANDAS_CODES: dict[PeriodKind, str] = {
    "hour": "h",
    "day": "D",
    "week": "W-SUN",
    "month": "M",
    "quarter": "Q",
    "year": "Y",
}
"""Each by what pandas calls it; finest first."""
FEWEST, MOST = 6, 60
"""Periods that a history had best."""
ENOUGH_ROWS = 500
"""Rows a period that a drift test can say something about."""
PATTERNS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y%m%d",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%Y.%m.%d", "%d.%m.%y",
    "%m/%d/%y", "%m/%d/%y %H:%M", "%Y%m%d%H%M%S", "%m/%Y", "%m.%Y", "%b %Y", "%b-%y",
)  # fmt: skip
ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?")
NAMES = re.compile(
    r"time|date|datum|zeit|day|tag|month|monat|year|jahr|created|start|begin|when|period|timestamp|_at$|^dt|^ts$"
)
FIRST, LAST = pd.Timestamp("1970-01-01"), pd.Timestamp("2199-12-31 23:59:59")
EARLIEST, LATEST = pd.Timestamp("1700-01-01"), pd.Timestamp("2261-12-31 23:59:59")
"""What pandas has of times: those of columns that say something else than when a row happened."""
GOOD_SHARE = 0.98
UNIX = {"unix_seconds": 1, "unix_milliseconds": 1000}
EARLIEST_UNIX, LATEST_UNIX = 473_385_600, 2_208_988_800
"""1985 to 2040: numbers in between are likely seconds."""


@dataclass(frozen=True)
class TimeColumn:
    """A column that can be read as time. `format` is the contract's word or pattern; `times` is every row's on the
    clock of `zone`, NaT where it cannot be read. `either`: another pattern that fits as well. `parts`: the delivered
    columns that it was joined from, by what each says; none where it is delivered as it is."""

    column: Column
    format: str
    times: pd.Series
    either: str = ""
    zone: Zone = IN_UTC
    parts: Mapping[TimePart, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As delivered; of several columns their names."""
        return self.column.name

    @property
    def delivered(self) -> tuple[str, ...]:
        """The columns that say it."""
        return tuple(self.parts.values()) or (self.name,)

    @property
    def unreadable(self) -> np.ndarray:
        """The rows without a time."""
        return np.flatnonzero(self.times.isna().to_numpy())


def time_of(column: Column) -> TimeColumn | None:
    """The column as time; None where it cannot be read as one."""
    if not column.distinct:
        return None
    found = _by_number(column) if column.numbers is not None else None
    return found or _by_text(column)


def date_of(column: Column) -> TimeColumn | None:
    """A column of texts as dates or times of any year, such as birthdays; None where it has none."""
    if column.kind != "string" or column.distinct < 2:
        return None
    if not any(mark in column.values[0] for mark in "-./: ,"):  # eight digits may be anything
        return None
    return _by_text(column, EARLIEST, LATEST)


def on_clock(time: TimeColumn, zone: Zone) -> TimeColumn:
    """The same times on the clock of a zone, where they say which moments they are; others are of that clock anyway."""
    if zone.name == UTC or time.format not in ("timestamp", *UNIX):
        return replace(time, zone=zone)
    told = moments(time.column, time.format, EARLIEST, LATEST, zone.name)
    return replace(time, times=told.where(time.times.notna()), zone=zone)


def moments(
    column: Column, word: str, first: pd.Timestamp = FIRST, last: pd.Timestamp = LAST, zone: str = UTC
) -> pd.Series:
    """The time of every row of a column whose format is known, on the clock of a zone; NaT where it cannot be read or
    lies outside."""
    if not column.distinct:
        return pd.Series(np.full(column.rows, np.datetime64("NaT")), dtype="datetime64[ns]")
    texts = pd.Series(column.values, dtype=str).str.strip()
    if column.numbers is not None:
        whole = np.all(column.numbers == np.floor(column.numbers))
        texts = pd.Series(column.numbers.astype(np.int64).astype(str)) if whole else texts
    if word in UNIX:
        numbers = pd.to_numeric(texts, errors="coerce") / UNIX[word]
        parsed = _local(pd.to_datetime(numbers.where(numbers.between(0, LAST.timestamp())), unit="s", utc=True), zone)
    elif word == "timestamp":
        read = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
        parsed = read.dt.tz_localize(None)
        if zone != UTC:
            parsed = _local(read, zone).where(texts.str.contains(OFFSET, case=False), parsed)
    else:
        pattern = {"period": "%Y-%m", "date": "%Y-%m-%d"}.get(word, word)
        parsed = pd.to_datetime(texts, format=pattern, errors="coerce")
    parsed = parsed.where(parsed.between(first, last)).astype("datetime64[ns]")
    return pd.Series(np.append(parsed.to_numpy(), np.datetime64("NaT"))[column.codes])


def _local(moments: pd.Series, zone: str) -> pd.Series:
    return moments.dt.tz_convert(zone).dt.tz_localize(None)


def _by_number(column: Column) -> TimeColumn | None:
    assert column.numbers is not None
    numbers = column.numbers
    for word, factor in UNIX.items():
        if np.mean((numbers >= EARLIEST_UNIX * factor) & (numbers <= LATEST_UNIX * factor)) >= GOOD_SHARE:
            return TimeColumn(column, word, moments(column, word))
    if (
        column.kind == "int"
        and np.all((numbers >= 1900) & (numbers <= 2100))
        and re.search(r"year|jahr|^yr|^column_[0-9]+$", _low(column))
    ):
        return TimeColumn(column, "%Y", moments(column, "%Y"))
    return None


def _by_text(column: Column, first: pd.Timestamp = FIRST, last: pd.Timestamp = LAST) -> TimeColumn | None:
    texts = pd.Series(column.values, dtype=str).str.strip()
    if column.numbers is not None and column.kind == "int":
        texts = pd.Series(column.numbers.astype(np.int64).astype(str))
    probe = texts.iloc[:: max(1, len(texts) // 500)]
    if probe.str.fullmatch(r"\d{4}-\d{2}").mean() >= GOOD_SHARE:
        return TimeColumn(column, "period", moments(column, "period"))
    if probe.str.fullmatch(ISO).mean() >= GOOD_SHARE:
        return TimeColumn(column, "timestamp", moments(column, "timestamp", first, last))
    if not probe.str.fullmatch(r"[\w .,:/+-]{6,30}").mean() >= GOOD_SHARE:
        return None
    marks = set(probe.map(_marks))
    read = {
        pattern: pd.to_datetime(probe, format=pattern, errors="coerce").between(first, last).mean()
        for pattern, own in MARKS.items()
        if own in marks  # what a number is that no date looks like is not tried by thirty patterns
    }
    enough = GOOD_SHARE * column.present
    good = {
        p: found
        for p in read
        if read[p] >= GOOD_SHARE and (found := moments(column, p, first, last)).notna().sum() >= enough
    }
    if not good:
        return None
    best = max(good, key=lambda pattern: good[pattern].notna().sum())
    equals = [p for p in good if p != best and good[p].notna().sum() == good[best].notna().sum()]
    return TimeColumn(column, "date" if best == "%Y-%m-%d" else best, good[best], equals[0] if equals else "")


def _marks(text: str) -> str:
    """What stands between the letters and digits of a time."""
    return re.sub(r"\s+", " ", re.sub(r"%?[A-Za-z0-9]+", "", text))


MARKS = {pattern: _marks(pattern) for pattern in PATTERNS}


def _low(column: Column) -> str:
    return column.name.lower()


def best_time(columns: dict[str, Column], wanted: str) -> tuple[TimeColumn | None, list[TimeColumn]]:
    """The column that says when a row happened, the finest where several can, and all that can, the best first."""
    candidates = [
        _with_what_is_beside(columns, found)
        for column in columns.values()
        if _may_be_time(column) and (found := time_of(column)) is not None
    ]
    candidates.sort(
        key=lambda one: (one.column.gaps < 0.02, bool(NAMES.search(_low(one.column))), one.column.distinct),
        reverse=True,
    )
    if wanted:
        found = next((one for one in candidates if wanted in one.delivered), None) or time_of(columns[wanted])
        return found, [found, *(one for one in candidates if wanted not in one.delivered)] if found else candidates
    return (candidates[0] if candidates else None), candidates


def _with_what_is_beside(columns: dict[str, Column], time: TimeColumn) -> TimeColumn:
    """A year with the month, the day and the hour of other columns, as far as they say times together."""
    if time.format != "%Y":
        return time
    parts = columns_beside(columns, time.name)
    while len(parts) > 1:
        column, form = joined_column(columns, parts), "".join(WRITTEN[part] for part in parts)
        read = moments(column, form)
        if column.distinct and read.notna().sum() >= GOOD_SHARE * column.present:
            return TimeColumn(column, form, read, parts=parts)
        parts.popitem()
    return time


def _may_be_time(column: Column) -> bool:
    """Whole numbers that are no seconds since 1970 are times only where their name says so: 20240105 may be an id."""
    return (
        column.gaps < 0.5
        and column.distinct > 1
        and (
            column.kind in ("string", "float")
            or bool(NAMES.search(_low(column)))
            or column.name.startswith("column_")
            or _looks_unix(column)
        )
    )


def _looks_unix(column: Column) -> bool:
    return column.numbers is not None and float(np.min(column.numbers)) > EARLIEST_UNIX and column.distinct > 50


def period_counts(times: pd.Series, period: PeriodKind) -> pd.Series:
    """Rows of each period that has any, in order; the index are pandas' periods."""
    return times.dropna().dt.to_period(PANDAS_CODES[period]).value_counts().sort_index()


def best_period(times: pd.Series, format_word: str, rows: int, whole: bool) -> PeriodKind:
    """The finest period of which the history has 6 to 60 with 500 rows each, else the coarsest with 6 to 60.

    `rows`: of all files; `whole`: the times are those of all of them. A time that names its period keeps it.
    """
    if format_word == "period":
        return "month"
    if format_word == "%Y":
        return "year"
    coarsest: PeriodKind = "hour"
    fits = []
    for period in PANDAS_CODES:
        if format_problem(format_word, period):  # it says no hour, or no day
            continue
        counts = period_counts(times, period)
        number, usual = len(counts), float(counts.median())
        if not whole:  # start, middle and end alone: between them are periods that nobody has looked at
            number = (counts.index[-1] - counts.index[0]).n + 1
            usual = rows / number
        if FEWEST <= number <= MOST:
            fits.append(period)
            if usual >= ENOUGH_ROWS:
                return period
        if number >= 2:
            coarsest = period
    return fits[-1] if fits else coarsest


def period_name(value: pd.Period, period: PeriodKind) -> str:
    """A period's own name, as in the contract's `start`: 2013-01-05T13, 2013-01-05, 2013-W01, 2013-01, 2013-Q1."""
    return PERIODS[period].name_at(value.start_time.to_pydatetime())
