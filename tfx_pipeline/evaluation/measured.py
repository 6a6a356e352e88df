"""One metric on some rows, with what each row does to it: so its interval is known, and how far two models are apart.

Every metric is measured together with its influence function: how much each row pulls at it (Hampel 1974; of the area
under the ROC curve that is DeLong 1988). Its spread gives the interval of one metric, and of a difference on the same
rows, in one pass, where a bootstrap of a million rows takes a thousand. Shares of counted rows have Wilson's interval,
which is right at 0 and 1 too.
"""

from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np

from lakeloop.contract.metrics import Metric
from lakeloop.interval import Z_95, wilson_interval

Found = tuple[float, np.ndarray, int | None]
"""A value, the rows' influence on it (n,), and of a share the rows it is of; 0: the rows say nothing of it."""


@dataclass(frozen=True)
class Measured:
    """A metric on some rows. `influence` (n,): how much each pulls at it, mean 0; `counted`: rows that a share is of.

    Where `counted` is 0 there is nothing to measure, such as the recall of a class that no row has; then the value is
    what scikit-learn makes of it.
    `reached` is False where no threshold gives what `at` fixes; then the value is the metric's worst.
    """

    metric: Metric
    value: float
    influence: np.ndarray
    counted: int | None = None
    reached: bool = True

    @property
    def is_defined(self) -> bool:
        """Whether the rows say anything of it."""
        return self.counted != 0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the value."""
        if not self.is_defined:
            return self.metric.lowest, self.metric.highest
        if self.counted is not None:
            return wilson_interval(min(1.0, self.value), self.counted)
        half = Z_95 * _standard_error(self.influence)
        return max(self.metric.lowest, self.value - half), min(self.metric.highest, self.value + half)

    def better_by(self, other: "Measured") -> tuple[float, tuple[float, float]]:
        """How much better this is than another model on the same rows, and the 95 % interval of that (paired)."""
        gain = self.metric.gain(self.value, other.value)
        half = Z_95 * _standard_error(self.influence - other.influence)
        return gain, (gain - half, gain + half)

    def apart(self, other: "Measured") -> tuple[float, float]:
        """The 95 % interval of how far this lies above the same metric on other rows."""
        distance = self.value - other.value
        half = Z_95 * hypot(_standard_error(self.influence), _standard_error(other.influence))
        return distance - half, distance + half


def _standard_error(influence: np.ndarray) -> float:
    return sqrt(float(np.mean(influence**2)) / len(influence))


class WeightedRows:
    """How much each of some rows weighs: 1 on average; `weights` None: all the same."""

    def __init__(self, rows: int, weights: np.ndarray | None) -> None:
        self.weights = np.ones(rows) if weights is None else weights / weights.mean()
        self.all_alike = weights is None

    def mean(self, values: np.ndarray) -> float:
        """The weighted mean of values (n,)."""
        return float(np.mean(self.weights * values))

    def mean_found(self, values: np.ndarray) -> Found:
        """The same as a metric."""
        value = self.mean(values)
        return value, self.weights * (values - value), None

    def share(self, of: np.ndarray) -> Found:
        """The share of rows that are of something, (n,) bool."""
        return self.ratio(of, np.ones(len(of)))

    def ratio(self, counted: np.ndarray, among: np.ndarray) -> Found:
        """Mean of `counted` over mean of `among`; 0 where there is nothing to count among."""
        whole = self.mean(among)
        if whole == 0:
            return 0.0, np.zeros(len(self.weights)), 0
        value = self.mean(counted) / whole
        return value, self.weights * (counted - value * among) / whole, int(among.sum()) if self.all_alike else None
