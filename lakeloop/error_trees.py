"""Trees that say how far a model's numbers are to be expected from the truth, row by row, before that is known.

They are learnt by the monitor's package (`monitoring.expected_error`) and asked there, for live windows, and on Spark,
for periods; so they are kept as plain numbers that NumPy alone can go through.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.frozen_model import FrozenModel

PREDICTION = "prediction"
MISSING = -1e30
"""What a missing number is to the trees: less than any that is there."""
LEAF = -1


class ErrorColumn(FrozenModel):
    """A column that the trees look at; of texts the `values` they know, by the error that goes with each."""

    name: str
    values: tuple[str, ...] | None = None

    def encoded(self, given: pd.Series) -> np.ndarray:
        """Values as numbers, (n,) float32: a text is the place of its value, -1 where it is none of them."""
        if self.values is not None:
            places = {value: place for place, value in enumerate(self.values)}
            return given.map(places).astype("float64").fillna(-1.0).to_numpy(np.float32)
        numbers = pd.to_numeric(given, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return np.where(np.isfinite(numbers), numbers, MISSING).astype(np.float32)


class ErrorTree(FrozenModel):
    """One tree by its nodes, the first of which is the root: a row whose `column` is at most `threshold` goes left.

    The column of a leaf is -1; `value` counts there.
    """

    column: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def answers(self, rows: np.ndarray) -> np.ndarray:
        """The leaf's value of each row; (n, columns) float32 -> (n,)."""
        column, left, right = (np.array(part) for part in (self.column, self.left, self.right))
        threshold, every, node = np.array(self.threshold), np.arange(len(rows)), np.zeros(len(rows), int)
        while (inner := column[node] != LEAF).any():
            goes_left = rows[every, column[node]] <= threshold[node]
            node = np.where(inner, np.where(goes_left, left[node], right[node]), node)
        return np.asarray(np.array(self.value)[node])


class ErrorTrees(FrozenModel):
    """What the trees start from and add to it; together the loss to expect of a row, never below 0."""

    start: float
    columns: tuple[ErrorColumn, ...] = ()
    trees: tuple[ErrorTree, ...] = ()

    def expected(self, rows: pd.DataFrame) -> np.ndarray:
        """The loss to expect of each answer, (n,); `rows` has the features as they are carried, and `prediction`."""
        found = np.full(len(rows), self.start)
        if self.trees and len(rows):
            encoded = np.column_stack([column.encoded(rows[column.name]) for column in self.columns])
            for tree in self.trees:
                found += tree.answers(encoded)
        return np.maximum(found, 0.0)


def looked_at(contract: Contract) -> Sequence[str]:
    """The columns that an expected error depends on: every feature but free texts, and the number answered."""
    return [*(name for name, feature in contract.features.items() if feature.role != "text"), PREDICTION]
