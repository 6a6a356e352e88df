"""A model's answers on labelled rows, by classes or numbers, with what the rows can be told apart by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from lakeloop.contract.decision_threshold import Costs
from lakeloop.label_sets import set_ids

TRAIN, EVAL, NEWEST = "train", "eval", "newest"
"""Sets of rows: those trained on, those held out, and of these those of the newest period."""


@dataclass(frozen=True)
class SomeRows:
    """Arrays whose first axis is the rows, or such by their names; what is no array is about all of them."""

    def where(self, rows: np.ndarray) -> Self:
        """Those of the rows, (n,) bool or numbers of rows, at least one of them."""
        return replace(self, **{name: _at(rows, value) for name, value in vars(self).items()})

    def without(self, rows: np.ndarray | None) -> Self:
        """All but those of the rows, (n,) bool; all where it is None, or there are no others."""
        return self if rows is None or rows.all() else self.where(~rows)


def _at(rows: np.ndarray, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: values[rows] for name, values in value.items()}
    return value[rows] if isinstance(value, np.ndarray) else value


@dataclass(frozen=True)
class ModelAnswers(SomeRows):
    """A model's answers on one set of rows: labels (n,) int, probabilities (n, classes), perhaps weights (n,).

    `columns` are columns of the same rows (n,), by which they can be sliced. `class_ids` (n,) are what it answered,
    None: the most probable ones. `calibrated` (n,) bool are the rows that its threshold was chosen on, which say little
    about it. `costs`: what an answer costs by the label's id, then the answer's.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    class_ids: np.ndarray | None = None
    calibrated: np.ndarray | None = None
    costs: Costs | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.probabilities.ndim != 2 or len(self.labels) != len(self.probabilities):
            raise ValueError(
                f"labels {self.labels.shape} and probabilities {self.probabilities.shape} must be (n,) and (n, classes)"
            )
        if len(self.labels) == 0:
            raise ValueError("there are no rows to evaluate")

    @property
    def accuracy(self) -> float:
        """Share of rows that were answered with their label, of those that tell."""
        return float(np.mean(self.telling.right))

    @property
    def weighted_accuracy(self) -> float:
        """The same, each row counting by its weight; the plain accuracy where there are none."""
        telling = self.telling
        return float(np.average(telling.right, weights=telling.weights))

    @property
    def answered(self) -> np.ndarray:
        """The class id that each row was answered with, (n,)."""
        return self.probabilities.argmax(axis=1) if self.class_ids is None else self.class_ids

    @property
    def right(self) -> np.ndarray:
        """Whether each row was answered with its label, (n,) bool."""
        return np.asarray(self.answered == self.labels)

    @property
    def telling(self) -> Self:
        """The rows that tell how good what was answered is: all but those a threshold was chosen on."""
        return self.without(self.calibrated)


class SetAnswers(ModelAnswers):
    """A model's answers of several labels: labels (n,) are numbers of sets, probabilities (n, labels) of each label,
    `class_ids` (n,) the sets that were answered, None: those of the labels that are likely.
    """

    @property
    def answered(self) -> np.ndarray:
        """The number of the set that each row was answered with, (n,)."""
        return set_ids(self.probabilities) if self.class_ids is None else self.class_ids


@dataclass(frozen=True)
class NumberAnswers(SomeRows):
    """A model's numbers on one set of rows: labels, predictions and the interval's ends, each (n,) float64.

    The interval holds the label of a share `level` of the rows; `calibrated` (n,) bool are those it was learnt from,
    which say nothing about it. `weights` and `columns` as of `ModelAnswers`.
    """

    labels: np.ndarray
    predictions: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float
    calibrated: np.ndarray | None = None
    weights: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {values.shape for values in (self.labels, self.predictions, self.lower, self.upper)}
        if len(shapes) != 1 or self.labels.ndim != 1:
            raise ValueError(f"labels, predictions and the interval's ends must all be (n,); they are {shapes}")
        if len(self.labels) == 0:
            raise ValueError("there are no rows to evaluate")

    @property
    def errors(self) -> np.ndarray:
        """Answer less label, (n,)."""
        return self.predictions - self.labels

    @property
    def telling(self) -> Self:
        """The rows that tell how good the interval is: all but those it was learnt from."""
        return self.without(self.calibrated)


Answers = ModelAnswers | NumberAnswers
