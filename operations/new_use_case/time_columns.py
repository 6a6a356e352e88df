"""Times that stand in several columns, a year beside its month, day and hour: one time joined from them."""

import re
from collections.abc import Mapping

import numpy as np

from lakeloop.contract.event_time import TimePart
from lakeloop.event_times import MONTHS
from operations.new_use_case.columns import Column

NAMES: dict[TimePart, re.Pattern[str]] = {
    "year": re.compile(r"year|jahr|^yr"),
    "month": re.compile(r"month|monat|mnth|^mo$"),
    "day": re.compile(r"day_?of_?(the_)?month|day|^tag|_tag|^dd?$"),
    "hour": re.compile(r"hour|stunde|^hh?$|^hr$|_hr$"),
}
OTHER_DAYS = re.compile(r"week|wday|holi|work|days|of_?(the_)?year|tage")
WITHIN: dict[TimePart, tuple[int, int]] = {"month": (1, 12), "day": (1, 31), "hour": (0, 23)}
LEAST: dict[TimePart, int] = {"month": 2, "day": 28, "hour": 13}
"""What the highest number must be at the least: days up to 7 are those of a week, hours up to 12 half a day's."""


def columns_beside(columns: Mapping[str, Column], year: str) -> dict[TimePart, str]:
    """The columns that say a time together with a year, the year among them; each only where those before it are."""
    found: dict[TimePart, str] = {"year": year}
    stem = NAMES["year"].sub("", year.lower())
    for part in WITHIN:
        able = [name for name in columns if name not in found.values() and _says(columns[name], part)]
        alike = [name for name in able if NAMES[part].sub("", name.lower()) == stem]
        if len(alike or able) != 1:
            break
        found[part] = (alike or able)[0]
    return found


def _says(column: Column, part: TimePart) -> bool:
    """Whether a column is a month, a day of the month or an hour, by its name and all its values."""
    name = column.name.lower()
    if not NAMES[part].search(name) or (part == "day" and OTHER_DAYS.search(name)) or not column.distinct:
        return False
    numbers = [_number(text) for text in column.values]
    low, high = WITHIN[part]
    known = [number for number in numbers if number is not None]
    return len(known) == len(numbers) and min(known) >= low and LEAST[part] <= max(known) <= high


def _number(text: str) -> int | None:
    bare = re.sub(r"\.0*$", "", text.strip())
    bare = MONTHS.get(bare.lower(), bare)
    return int(bare) if bare.isdecimal() else None


def joined_column(columns: Mapping[str, Column], parts: Mapping[TimePart, str]) -> Column:
    """One column of the texts `2024-7-31` that the others say together, called by the names of all."""
    rows = np.column_stack([columns[name].codes for name in parts.values()])
    there = (rows >= 0).all(axis=1)
    different, place, counts = np.unique(rows[there], axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place_of = np.empty(len(order), int)
    place_of[order] = np.arange(len(order))
    codes = np.full(len(rows), -1)
    codes[there] = place_of[place.reshape(-1)]
    numbers = [[str(_number(text)) for text in columns[name].values] for name in parts.values()]
    before = ("", "-", "-", " ")
    texts = tuple(
        "".join(mark + known[code] for mark, known, code in zip(before, numbers, row, strict=False))
        for row in different[order].tolist()
    )
    missing = int((~there).sum())
    return Column(", ".join(parts.values()), "string", len(rows), missing, texts, counts[order], codes)
