"""How fast each feature moves away from the reference: its shift, its trend over the periods, when it crossed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, Feature
from lakeloop.contract.features import OPEN
from monitoring.drift.compared_values import OTHERS, category_texts, compared, words

Speed = Literal["fast", "slow", "still"]
SURE = 3.0
"""A move counts when it is this many standard errors: by chance 1 in 370."""
FAST = 0.5
"""Fast: at least this share of the fastest feature's pace."""
ENOUGH_PERIODS = 4


@dataclass(frozen=True)
class Pace:
    """One feature's way. `before`, `now`: mean, or of a category the share of the value that changed most (`value`).

    `shift` is now - before in standard deviations of the reference (categories: of that value's share), `a_period` its
    slope. `first`, `lasting`: period numbers in which the contract's threshold was first crossed, and since when for
    good; None: never.
    """

    feature: str
    value: str
    before: float
    now: float
    shift: float
    a_period: float
    speed: Speed
    first: int | None
    lasting: int | None


def paces(
    contract: Contract,
    reference: pd.DataFrame,
    by_period: Mapping[int, pd.DataFrame],
    period: int,
    drifted: Mapping[int, frozenset[str]],
) -> tuple[Pace, ...]:
    """Every feature's pace up to `period`, from the periods' rows; `drifted` names the drifted features a period.

    A date or time has none: that it moves on says nothing.
    """
    until = {number: rows for number, rows in sorted(by_period.items()) if number <= period}
    moving = {name: feature for name, feature in contract.features.items() if feature.role != "time"}
    found = [_pace(name, feature, reference, until, drifted) for name, feature in moving.items()]
    fastest = max((abs(pace.a_period) for pace, moves in found if moves), default=0.0)
    return tuple(
        pace if not moves else _with_speed(pace, "fast" if abs(pace.a_period) >= FAST * fastest else "slow")
        for pace, moves in found
    )


def _pace(
    name: str,
    feature: Feature,
    reference: pd.DataFrame,
    by_period: Mapping[int, pd.DataFrame],
    drifted: Mapping[int, frozenset[str]],
) -> tuple[Pace, bool]:
    """The pace, still without its speed, and whether the feature moves at all."""
    periods = list(by_period)
    value, before_values = _as_numbers(feature, reference[name], by_period[periods[-1]][name])
    before, spread = float(before_values.mean()), float(before_values.std()) or 1.0
    each = [_numbers(feature, rows[name], value) for rows in by_period.values()]
    shifts = np.array([(float(values.mean()) - before) / spread for values in each])
    chance = np.array([np.sqrt(1 / max(len(v), 1) + 1 / max(len(before_values), 1)) for v in each])
    a_period, sure = _trend(np.array(periods, dtype=float), shifts, chance)
    moves = sure or name in drifted.get(periods[-1], frozenset())
    crossed = [number for number in periods if name in drifted.get(number, frozenset())]
    lasting = next((n for n in periods if all(name in drifted.get(k, ()) for k in periods if k >= n)), None)
    pace = Pace(
        name, value, before, float(each[-1].mean()), float(shifts[-1]), a_period, "still",
        crossed[0] if crossed else None, lasting,
    )  # fmt: skip
    return pace, moves


def _trend(periods: np.ndarray, shifts: np.ndarray, chance: np.ndarray) -> tuple[float, bool]:
    """Slope a period of a line through the periods, and whether it is beyond chance.

    The line's height is free, for the reference's own chance moves all shifts alike. With few periods there is no line
    to draw: then the last shift alone decides.
    """
    later = periods > 0
    if later.sum() < ENOUGH_PERIODS:
        span = periods[-1] or 1.0
        return float(shifts[-1] / span), bool(abs(shifts[-1]) > SURE * chance[-1])
    x, y = periods[later] - periods[later].mean(), shifts[later] - shifts[later].mean()
    slope = float((x * y).sum() / (x * x).sum())
    residual = float(np.sqrt(((y - slope * x) ** 2).sum() / (len(x) - 2)))
    error = max(residual, float(chance[later].mean()) / np.sqrt(2)) / float(np.sqrt((x * x).sum()))
    return slope, abs(slope) > SURE * error


def _as_numbers(feature: Feature, reference: pd.Series, current: pd.Series) -> tuple[str, np.ndarray]:
    """'' and the numbers themselves; of a category or word the one whose share changed most, and 0/1 for it."""
    value = ""
    if feature.role == "binary":
        value = "1"
    elif feature.role in OPEN:
        both = compared(feature, reference, current)
        before, now = (category_texts(v).value_counts(normalize=True) for v in both)
        names = {*before.index, *now.index} - ({OTHERS} if feature.learnt else set())
        value = max(names or {""}, key=lambda name: (abs(before.get(name, 0) - now.get(name, 0)), name))
    return value, _numbers(feature, reference, value)


def _numbers(feature: Feature, values: pd.Series, value: str) -> np.ndarray:
    there = values.dropna()
    if feature.role == "numeric":
        return there.to_numpy(float)
    if feature.role == "text":
        return np.asarray([value in words(text) for text in there], dtype=float)
    same = there.astype(float).eq(1) if feature.role == "binary" else category_texts(values).eq(value)
    return np.asarray(same, dtype=float)


def _with_speed(pace: Pace, speed: Speed) -> Pace:
    return replace(pace, speed=speed)
