"""What trees see of the transformed columns: a category is one column again, all others are as they are."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

FEWEST_VALUES = 3
"""Two columns are as quickly two numbers; and some are sine and cosine, which are no category."""
MOST_VALUES = 255
"""Scikit-learn's own bound."""


@dataclass(frozen=True)
class TreeInputs:
    """Of `width` transformed columns the ranges (start, stop) of `categories`, one-hot each; the others are numbers."""

    width: int
    categories: tuple[tuple[int, int], ...] = ()

    @staticmethod
    def of(width: int, one_hot: Iterable[tuple[int, int]]) -> "TreeInputs":
        """Those of transformed rows: of ranges of one category each, the ones that trees can take as one column."""
        found = ((start, stop) for start, stop in one_hot if FEWEST_VALUES <= stop - start <= MOST_VALUES)
        return TreeInputs(width, tuple(found))

    @property
    def numbers(self) -> np.ndarray:
        """The columns (numbers,) that are no category's."""
        inside = {column for start, stop in self.categories for column in range(start, stop)}
        return np.array([column for column in range(self.width) if column not in inside], np.int32)

    @property
    def values(self) -> list[int]:
        """How many values each category has."""
        return [stop - start for start, stop in self.categories]

    def seen(self, features: np.ndarray) -> np.ndarray:
        """(n, width) float32 -> (n, categories + numbers): a value's place, NaN for none of them; then the numbers."""
        if not self.categories:
            return features
        places = [features[:, a:b] @ np.arange(1, b - a + 1, dtype=np.float32) - 1 for a, b in self.categories]
        known = (np.where(place < 0, np.float32(np.nan), place) for place in places)
        return np.column_stack([*known, features[:, self.numbers]]).astype(np.float32)

    def places(self, features: tf.Tensor) -> tf.Tensor:
        """(batch, width) -> (categories, batch) int32: 0 for none of the values, else one more than a value's place."""
        columns = [column for start, stop in self.categories for column in range(start, stop)]
        weights = np.zeros((len(columns), len(self.categories)), np.float32)
        first = 0
        for number, count in enumerate(self.values):
            weights[first : first + count, number] = np.arange(1, count + 1)
            first += count
        found = tf.matmul(weights, tf.gather(features, columns, axis=1), transpose_a=True, transpose_b=True)
        return tf.cast(found, tf.int32)
