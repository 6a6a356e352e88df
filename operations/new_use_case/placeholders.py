"""Values that stand where nobody knew one: -999 among temperatures, 1900-01-01 among birthdays."""

import re
from collections.abc import Sequence
from shlex import quote

import numpy as np
import pandas as pd

from lakeloop.contract.section import some
from operations.new_use_case.columns import Column
from operations.new_use_case.times import EARLIEST, LATEST, time_of

NINES = re.compile(r"9{2,}|8{3,}|1e[23][0-9]|32768|2147483648|2147483647")
"""The digits of numbers that are put where there is none."""
DATES = (
    "0001-01-01", "1111-11-11", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1901-01-01", "1970-01-01",
    "2099-12-31", "2199-12-31", "2999-12-31", "9999-01-01", "9999-12-30", "9999-12-31",
)  # fmt: skip
MIDNIGHT = re.compile(r"(?P<day>.*?)([T ](00:00|23:59|12:00)(:00|:59)?(\.0+)?( ?[AP]M)?(Z|\+00:00)?)?")
FEWEST_TIMES = 3
"""Rows that must have it: once it may be a slip."""
MOST_ENDS = 3
"""Different ones at either end of a column's numbers."""
ENOUGH_OTHERS = 10
"""Different values beside it, without which nothing is far from them."""
APART = pd.Timedelta(days=365)


def placeholders_of(column: Column) -> tuple[str, ...]:
    """The texts of a column that look like values and are none: usual ones, often there, and far from all others."""
    if column.distinct <= ENOUGH_OTHERS:
        return ()
    if column.numbers is not None:
        return _numbers(column, column.numbers)
    return _dates(column) if column.kind == "string" else ()


def gaps_said(column: Column) -> str:
    """Which texts of a column were taken for gaps that are none elsewhere, and what to do if they are values."""
    said = []
    if column.placeholders:
        said.append(
            f"{_listed(column.placeholders)} in `{column.name}` was taken for a gap: it comes back, far from all "
            f"others. A value? Make the draft again with --keep {quote(column.name)}"
        )
    if column.unreadable:
        said.append(
            f"{_listed(column.unreadable)} in `{column.name}` is no number and was taken for a gap. A mistake? Take it "
            f"out of `read.columns.{column.name}.missing`: the lake rejects such rows then"
        )
    return ". ".join(said)


def _listed(texts: Sequence[str]) -> str:
    return some(map(repr, texts))


def _numbers(column: Column, numbers: np.ndarray) -> tuple[str, ...]:
    known = np.unique(numbers)
    ends = {*known[:MOST_ENDS], *known[-MOST_ENDS:]}
    marks = [end for end in ends if _is_usual(end) and column.counts[numbers == end].sum() >= FEWEST_TIMES]
    often = np.isin(numbers, marks)
    others = numbers[~often]
    if not often.any() or len(others) < ENOUGH_OTHERS:
        return ()
    low, high = np.quantile(np.repeat(others, column.counts[~often]), [0.01, 0.99])
    far = (numbers > others.max()) & (numbers - others.max() > high - low)
    far |= (numbers < others.min()) & (others.min() - numbers > high - low)
    far |= (numbers < 0) & bool(others.min() >= 0)
    return tuple(np.array(column.values, dtype=object)[often & far])


def _is_usual(number: float) -> bool:
    digits = f"{abs(number):.12g}".replace(".", "").replace("+", "")
    return NINES.fullmatch(digits) is not None


def _dates(column: Column) -> tuple[str, ...]:
    found = [
        text for text, times in zip(column.values, column.counts, strict=True)
        if times >= FEWEST_TIMES and _day(text) in SPELLED
    ]  # fmt: skip
    if not found:
        return ()
    others = time_of(column.without(found))
    if others is None or not others.times.notna().any():
        return ()
    first, last = others.times.min() - APART, others.times.max() + APART
    return tuple(text for text in found if not first <= SPELLED[_day(text)] <= last)


def _day(text: str) -> str:
    found = MIDNIGHT.fullmatch(text.strip())
    return found["day"] if found else text


def _moment(date: str) -> pd.Timestamp:
    """A date as pandas has it; those before and after what it has are as far as it goes."""
    return EARLIEST if date < f"{EARLIEST:%Y-%m-%d}" else LATEST if date > f"{LATEST:%Y-%m-%d}" else pd.Timestamp(date)


def _spellings(date: str) -> tuple[str, ...]:
    year, month, day = date.split("-")
    return (
        date, f"{year}/{month}/{day}", f"{year}{month}{day}", f"{year}.{month}.{day}", f"{day}.{month}.{year}",
        f"{day}/{month}/{year}", f"{month}/{day}/{year}", f"{day}-{month}-{year}",
        f"{int(day)}.{int(month)}.{year}", f"{int(month)}/{int(day)}/{year}",
    )  # fmt: skip


SPELLED = {text: _moment(date) for date in DATES for text in _spellings(date)}
