"""Whose clock the times of a table are of, as the offsets behind them tell: `2024-01-01T00:30:00+01:00`."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from operations.new_use_case.columns import Column

OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
UTC = "UTC"
ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Moscow", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "America/Phoenix", "America/Halifax", "America/Sao_Paulo", "Asia/Dubai",
    "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo", "Australia/Adelaide",
    "Australia/Sydney", "Pacific/Auckland", "Africa/Lagos", "Africa/Nairobi",
)  # fmt: skip
"""Those that are tried, each for many with the same offsets."""
MOST_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Zone:
    """A time zone by its name, and the offsets of the sample that it has; none where no time says one."""

    name: str = UTC
    offsets: tuple[str, ...] = ()


IN_UTC = Zone()


def zone_of(column: Column) -> Zone:
    """The zone on whose clock the times of a column in ISO 8601 were told: of all their offsets the first that has
    them at these times, UTC where none does.
    """
    every = pd.Series(column.values[:: max(1, column.distinct // MOST_LOOKED_AT)], dtype=str).str.strip()
    given = every.str.extract(f"({OFFSET})", expand=False, flags=re.IGNORECASE).dropna()
    said = given.str.upper().str.replace(":", "")
    offsets = said.where(~said.isin(("Z", "-0000")), "+0000")
    seen = tuple(f"{one[:3]}:{one[3:]}" for one in sorted(offsets.unique()))
    if not seen or seen == ("+00:00",):
        return IN_UTC
    moments = pd.to_datetime(every[offsets.index], format="ISO8601", utc=True, errors="coerce")
    minutes = offsets.map({one: _minutes(one) for one in offsets.unique()})[moments.notna()]
    moments = moments.dropna()
    for name in (UTC, *ZONES, *_fixed(seen)):
        here = moments.dt.tz_convert(name).dt.tz_localize(None) - moments.dt.tz_localize(None)
        if np.array_equal(here.dt.total_seconds() / 60, minutes):
            return Zone(name, seen)
    return Zone(UTC, seen)


def _minutes(offset: str) -> int:
    return int(f"{offset[0]}1") * (60 * int(offset[1:3]) + int(offset[3:]))


def _fixed(offsets: tuple[str, ...]) -> list[str]:
    """The zone of one offset all year, which the tz database names by the sign of those who sail west."""
    if len(offsets) > 1 or not offsets[0].endswith(":00"):
        return []
    sign, hours = offsets[0][0], int(offsets[0][1:3])
    return [f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"] if hours <= 12 else []
