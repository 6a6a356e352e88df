"""Named metrics of numbers that were answered, with their influence (`measured`): values are scikit-learn's."""

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np

from lakeloop.contract.metrics import METRICS, POISSON, Metric
from tfx_pipeline.evaluation.answers import NumberAnswers
from tfx_pipeline.evaluation.measured import Found, Measured, WeightedRows

SMALLEST = float(np.finfo(np.float64).eps)


def measure_number(metric: Metric, answers: NumberAnswers) -> Measured:
    """A metric of a model's numbers on all of the rows."""
    return Measured(metric, *_METRICS[metric.name](_Rows(answers)))


def constant_numbers(metric: Metric, train: NumberAnswers, rows: NumberAnswers) -> NumberAnswers:
    """For each row the number that is nearest to the labels of train by the metric, and the middle of these.

    By squared distances and by the deviance of counts that is their mean, by distances their median; by distances as
    shares of the labels that of labels which weigh the less, the larger they are.
    """
    if metric.name in ("root_mean_squared_error", "r2_score", POISSON):
        best = float(np.average(train.labels, weights=train.weights))
    elif metric.name == "mean_absolute_percentage_error":
        each = np.ones(len(train.labels)) if train.weights is None else train.weights
        best = _quantile(train.labels, 0.5, each / _not_zero(train.labels))
    else:
        best = _quantile(train.labels, 0.5, train.weights)
    ends = (_quantile(train.labels, share, train.weights) for share in interval_shares(rows.level))
    predictions, lower, upper = (np.full(len(rows.labels), value) for value in (best, *ends))
    return NumberAnswers(rows.labels, predictions, lower, upper, rows.level, rows.calibrated, rows.weights)


def interval_shares(level: float) -> tuple[float, float]:
    """The shares of rows whose label is to lie below the interval's ends."""
    return (1 - level) / 2, (1 + level) / 2


def _quantile(values: np.ndarray, share: float, weights: np.ndarray | None) -> float:
    if weights is None:
        return float(np.quantile(values, share))
    return float(np.quantile(values, share, weights=weights, method="inverted_cdf"))


def _not_zero(labels: np.ndarray) -> np.ndarray:
    """What a distance is a share of, as scikit-learn has it."""
    return np.maximum(np.abs(labels), SMALLEST)


class _Rows(WeightedRows):
    """Answers, and how far each is from its label."""

    def __init__(self, answers: NumberAnswers) -> None:
        super().__init__(len(answers.labels), answers.weights)
        self.answers, self.labels, self.errors = answers, answers.labels, answers.errors


def _mean_absolute_error(rows: _Rows) -> Found:
    return rows.mean_found(np.abs(rows.errors))


def _root_mean_squared_error(rows: _Rows) -> Found:
    square, influence, _ = rows.mean_found(rows.errors**2)
    value = sqrt(square)
    return value, influence / (2 * max(value, SMALLEST)), None


def _mean_absolute_percentage_error(rows: _Rows) -> Found:
    return rows.mean_found(np.abs(rows.errors) / _not_zero(rows.labels))


def _mean_poisson_deviance(rows: _Rows) -> Found:
    """2 mean(y log(y / p) + p - y); of a label of 0 without its logarithm, and p of 0 counts as the least above it."""
    labels, answers = rows.labels, np.maximum(rows.answers.predictions, SMALLEST)
    share = np.where(labels > 0, labels, 1.0) / answers
    return rows.mean_found(2 * (np.where(labels > 0, labels * np.log(share), 0.0) + answers - labels))


def _r2_score(rows: _Rows) -> Found:
    """0, as scikit-learn has it, where all labels are the same; 1 where the answers are, too."""
    apart = (rows.labels - rows.mean(rows.labels)) ** 2
    error, spread = rows.mean(rows.errors**2), rows.mean(apart)
    if spread == 0:
        return float(error == 0), np.zeros(len(apart)), 0
    left = error / spread
    return 1 - left, -rows.weights * (rows.errors**2 - left * apart) / spread, None


def _mean_pinball_loss(rows: _Rows) -> Found:
    ends = (rows.answers.lower, rows.answers.upper)
    shares = interval_shares(rows.answers.level)
    losses = [_pinball(rows.labels - end, share) for end, share in zip(ends, shares, strict=True)]
    return rows.mean_found(np.mean(losses, axis=0))


def _pinball(above: np.ndarray, share: float) -> np.ndarray:
    return np.maximum(share * above, (share - 1) * above)


def _interval_coverage(rows: _Rows) -> Found:
    inside = (rows.labels >= rows.answers.lower) & (rows.labels <= rows.answers.upper)
    return rows.share(inside)


def _mean_interval_width(rows: _Rows) -> Found:
    return rows.mean_found(rows.answers.upper - rows.answers.lower)


_METRICS: Mapping[str, Callable[[_Rows], Found]] = {
    "mean_absolute_error": _mean_absolute_error, "root_mean_squared_error": _root_mean_squared_error,
    "mean_absolute_percentage_error": _mean_absolute_percentage_error, "r2_score": _r2_score,
    POISSON: _mean_poisson_deviance,
    "mean_pinball_loss": _mean_pinball_loss, "interval_coverage": _interval_coverage,
    "mean_interval_width": _mean_interval_width,
}  # fmt: skip
assert set(_METRICS) == {metric.name for metric in METRICS.values() if metric.task == "regression"}
