"""Cuts requests into the windows that are measured. Pure; rows carry their event time in `at`."""

from collections.abc import Iterator
from typing import Literal

import pandas as pd

from lakeloop.drift_report import Window

AT = "at"
Cut = tuple[Window, pd.DataFrame]


def window_of(
    rows: pd.DataFrame, kind: Literal["rolling", "tumbling", "month"], period: str = "", of: int = 0
) -> Window:
    """What a window of these rows is called. `of`: rows it has in all, if these are only a sample."""
    times = pd.to_datetime(rows[AT], utc=True, format="ISO8601") if len(rows) else None
    first, last = ("", "") if times is None else (times.min().isoformat(), times.max().isoformat())
    return Window(kind=kind, first=first, last=last, rows=of or len(rows), period=period)


def in_event_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by event time; those of the same moment stay as they were."""
    order = pd.to_datetime(rows[AT], utc=True, format="ISO8601").argsort(kind="stable")
    return rows.iloc[order]


def tumbling(rows: pd.DataFrame, size: int) -> Iterator[Cut]:
    """Windows of `size` rows side by side; the last may be smaller, and is empty of no rows."""
    ordered = in_event_order(rows)
    for first in range(0, max(len(ordered), 1), size):
        part = ordered.iloc[first : first + size]
        yield window_of(part, "tumbling"), part


def newest(rows: pd.DataFrame, size: int) -> Cut:
    """The rolling window as it is now."""
    part = in_event_order(rows).iloc[-size:]
    return window_of(part, "rolling"), part
