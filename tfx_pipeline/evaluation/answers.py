"""A model's answers on labelled rows, with what the rows can be told apart by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

TRAIN, EVAL, NEWEST = "train", "eval", "newest"
"""Sets of rows: those trained on, those held out, and of these those of the newest period."""


@dataclass(frozen=True)
class ModelAnswers:
    """A model's answers on one set of rows: labels (n,) int, probabilities (n, classes), perhaps weights (n,).

    `columns` are columns of the same rows (n,), by which they can be sliced.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.probabilities.ndim != 2 or len(self.labels) != len(self.probabilities):
            raise ValueError(
                f"labels {self.labels.shape} and probabilities {self.probabilities.shape} must be (n,) and (n, classes)"
            )
        if len(self.labels) == 0:
            raise ValueError("there are no rows to evaluate")

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is the label."""
        return float(np.mean(self.right))

    @property
    def weighted_accuracy(self) -> float:
        """The same, each row counting by its weight; the plain accuracy where there are none."""
        return float(np.average(self.right, weights=self.weights))

    @property
    def right(self) -> np.ndarray:
        """Whether each row's most probable class is the label, (n,) bool."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels)

    def where(self, rows: np.ndarray) -> Self:
        """Those of the rows, (n,) bool, at least one of them."""
        return replace(
            self,
            labels=self.labels[rows],
            probabilities=self.probabilities[rows],
            weights=None if self.weights is None else self.weights[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
        )
