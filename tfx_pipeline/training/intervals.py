"""Prediction intervals by conformal prediction: how far labels lay from the answers on rows that were held out.

Split-conformal (Lei et al. 2018), by bins of the prediction (Mondrian, Vovk et al. 2005): the larger a number, the
larger as a rule its error. Each end has a quantile of its own, so that what errs more to one side is not given room at
the other. It needs nothing of the model but its answers, so it is the same for every kind of it. Where rows have
importance weights, quantiles are weighted (Tibshirani et al. 2019): the intervals then hold the truth of what is asked
now. That paper gives the row that is asked a weight of its own, which nobody knows here; it gets that of the mean row.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import tensorflow as tf

from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.row_weights import effective_rows

MOST_BINS = 10
ROWS_A_BIN = 100


@dataclass(frozen=True)
class Intervals:
    """By bin of the prediction how far below and above it the interval's ends lie.

    `edges` (bins - 1,) are the lowest predictions of all bins but the first; `below`, `above` (bins,) are added to the
    prediction; all float32.
    """

    edges: np.ndarray
    below: np.ndarray
    above: np.ndarray

    def ends(self, predictions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The lower and the upper end for predictions, each (batch,) float32; the prediction is between them."""
        at_least = tf.cast(predictions[:, tf.newaxis] >= self.edges[np.newaxis, :], tf.int32)
        bins = tf.reduce_sum(at_least, axis=1)
        lower, upper = (predictions + tf.gather(tf.constant(values), bins) for values in (self.below, self.above))
        return tf.minimum(lower, predictions), tf.maximum(upper, predictions)


def learn_intervals(
    predictions: np.ndarray, labels: np.ndarray, level: float, weights: np.ndarray | None = None
) -> Intervals:
    """Of held-out rows (n,): intervals that hold the label of a share `level` of rows like them, at least.

    `weights` (n,): how much each row counts; none: all the same.

    Raises:
        LakeloopError: there are too few rows for so high a level.
    """
    needed = ceil(2 / (1 - level) - 1e-9) - 1
    counted = np.ones(len(labels)) if weights is None else weights
    tell = effective_rows(counted) if len(labels) else 0.0
    if tell < needed - 1e-6:
        weighed = "" if weights is None else f", which weigh as {tell:,.0f}"
        raise LakeloopError(
            f"an interval that holds {level:.0%} of the rows is learnt from {needed:,} held-out rows at least, and "
            f"there are {len(labels):,}{weighed}; deliver more rows, or lower `label.interval` in the contract"
        )
    edges = _edges(predictions, ceil(max(ROWS_A_BIN, needed) * len(labels) / tell - 1e-6))
    bins = np.searchsorted(edges, predictions, side="right")
    distances = (labels - predictions).astype(np.float64)
    ends = np.array([_ends(distances[bins == one], counted[bins == one], level) for one in range(len(edges) + 1)])
    return Intervals(edges.astype(np.float32), *ends.T.astype(np.float32))


def _ends(distances: np.ndarray, weights: np.ndarray, level: float) -> tuple[float, float]:
    """The quantiles of distances (n,) between which a new one lies with the chance `level`, at least.

    The new one weighs as much as the mean row. Where the outermost weighs more than is left for an end, it is the end.
    """
    order = np.argsort(distances, kind="stable")
    ordered, weights = distances[order], weights[order] / weights.mean()
    least = (len(weights) + 1) * (1 - level) / 2 + 1e-9
    below, above = (
        max(1, int(np.searchsorted(np.cumsum(one), least, side="right"))) for one in (weights, weights[::-1])
    )
    return float(ordered[below - 1]), float(ordered[len(ordered) - above])


def _edges(predictions: np.ndarray, fewest: int) -> np.ndarray:
    """The lowest prediction of each bin but the first; every bin has at least the `fewest` rows, but a lone one."""
    ordered = np.sort(predictions)
    wanted = max(1, min(MOST_BINS, len(ordered) // fewest))
    found: list[float] = []
    start = 0
    for cut in (len(ordered) * number // wanted for number in range(1, wanted)):
        first = int(np.searchsorted(ordered, ordered[cut], side="left"))  # where all of one value are in one bin
        if first - start >= fewest and len(ordered) - first >= fewest:
            found.append(float(ordered[first]))
            start = first
    return np.array(found)
