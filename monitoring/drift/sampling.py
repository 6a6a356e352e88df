"""Large windows are measured on a sample that is always the same; what that costs in precision is stated."""

from collections.abc import Callable
from math import sqrt
from typing import TypeVar

import numpy as np
import pandas as pd

SAMPLE_ROWS = 100_000
"""A window with more rows is sampled: every test stays under a second, and the error under a hundredth."""
GROUPS = 10
SEED = 20230101
Rows = TypeVar("Rows", pd.DataFrame, pd.Series)


def seeded_sample(rows: Rows, most: int = SAMPLE_ROWS) -> Rows:
    """At most so many rows, in a random order that depends on the number of rows alone; all of them where they fit."""
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng([SEED, len(rows)]).choice(len(rows), most, replace=False, shuffle=True)
    return rows.iloc[chosen]


def standard_error(score: Callable[[pd.Series], float], values: pd.Series, of_rows: int) -> float:
    """How far a sample's score lies from that of all `of_rows` rows: one standard deviation.

    The sample is dealt at random into 10 groups; the spread of the groups' scores divided by the square root of
    their number is the error of the whole (batch means), smaller by sqrt(1 - sampled/all) because rows are drawn
    without replacement. 0 where nothing was left out; nan where a group cannot be scored.
    """
    if len(values) >= of_rows or len(values) < GROUPS * GROUPS:
        return 0.0 if len(values) >= of_rows else float("nan")
    size = len(values) // GROUPS
    dealt = values.iloc[np.random.default_rng([SEED, len(values)]).permutation(len(values))]
    scores = [score(dealt.iloc[size * group : size * (group + 1)]) for group in range(GROUPS)]
    return float(np.std(scores, ddof=1)) / sqrt(GROUPS) * sqrt(1 - len(values) / of_rows)
