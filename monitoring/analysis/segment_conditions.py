"""What segments are made of: bins of numbers and categories, each as a condition that a segment can be written with."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, Segment

BINS, MOST_CATEGORIES = 5, 20


@dataclass(frozen=True)
class Condition:
    """A bin of numbers, from `low` to below `high`, or one category; the text is as a segment is written."""

    feature: str
    text: str
    low: float = -np.inf
    high: float = np.inf
    category: object = None

    def holds(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether each row (n,) meets it; a missing value does not."""
        values = frame[self.feature]
        if self.category is not None:
            return (values == self.category).fillna(False).to_numpy(bool)
        numbers = values.to_numpy(float)
        return np.asarray((numbers >= self.low) & (numbers < self.high))


def conditions(contract: Contract, reference: pd.DataFrame) -> list[Condition]:
    """The bins and categories of every feature but texts and times, which have no values that come again."""
    found: list[Condition] = []
    for name, feature in contract.features.items():
        values = reference[name].dropna()
        if feature.role == "numeric" and len(values):
            found += _bins(name, values.to_numpy(float))
        elif feature.role in ("binary", "categorical"):
            common = values.value_counts().index[:MOST_CATEGORIES].tolist()
            text = feature.carried_as == "string"
            found += [
                Condition(name, f"{name} == {_quoted(value) if text else f'{value:g}'}", category=value)
                for value in common
            ]
    return [condition for condition in found if _can_be_written(condition)]


def _bins(name: str, values: np.ndarray) -> list[Condition]:
    quantiles = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    edges = sorted({float(f"{edge:.3g}") for edge in quantiles.tolist()})
    if not edges:
        return []
    inner = [Condition(name, f"{name} >= {low:g} and {name} < {high:g}", low, high) for low, high in pairwise(edges)]
    first, last = edges[0], edges[-1]
    return [Condition(name, f"{name} < {first:g}", high=first), *inner,
            Condition(name, f"{name} >= {last:g}", low=last)]  # fmt: skip


def _quoted(value: object) -> str:
    return f"'{value}'"


def _can_be_written(condition: Condition) -> bool:
    """A category may have quotes, or ` and `, in which no segment can be written."""
    if condition.category is None:
        return True
    try:
        return [value for _, _, value in Segment(text=condition.text).conditions] == [condition.category]
    except ValueError:
        return False
