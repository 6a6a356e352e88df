"""Intervals hold the label as often as the contract asks, on rows they were not learnt from, whatever the model."""

import numpy as np
import pytest
import tensorflow as tf

from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.calibration_rows import which_calibrate
from tfx_pipeline.training.intervals import MOST_BINS, ROWS_A_BIN, learn_intervals


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels that err by a third of the number, more to above."""
    draw = np.random.default_rng(seed)
    predictions = draw.uniform(1, 100, rows).astype(np.float32)
    return predictions, predictions * draw.gamma(9, 1 / 9, rows).astype(np.float32)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_every_bin_of_new_rows_is_covered_as_asked(level: float) -> None:
    intervals = learn_intervals(*drawn(20_000, 1), level)
    predictions, labels = drawn(40_000, 2)
    lower, upper = (end.numpy() for end in intervals.ends(tf.constant(predictions)))
    assert len(intervals.edges) == MOST_BINS - 1
    bins = np.searchsorted(intervals.edges, predictions, side="right")
    covered = [np.mean((labels >= lower)[bins == b] & (labels <= upper)[bins == b]) for b in range(MOST_BINS)]
    assert covered == pytest.approx([level] * MOST_BINS, abs=0.04)
    width = upper - lower
    assert width[bins == 9].mean() > 5 * width[bins == 0].mean(), "the larger, the wider"
    assert ((lower <= predictions) & (predictions <= upper)).all()


def test_each_end_leaves_out_as_many() -> None:
    intervals = learn_intervals(*drawn(20_000, 1), 0.8)
    predictions, labels = drawn(40_000, 2)
    lower, upper = (end.numpy() for end in intervals.ends(tf.constant(predictions)))
    assert (np.mean(labels < lower), np.mean(labels > upper)) == (pytest.approx(0.1, abs=0.01),) * 2


def test_few_rows_are_one_bin_and_no_bin_has_less_than_enough() -> None:
    assert len(learn_intervals(*drawn(2 * ROWS_A_BIN - 1, 1), 0.8).edges) == 0
    assert len(learn_intervals(*drawn(2 * ROWS_A_BIN, 1), 0.8).edges) == 1
    assert len(learn_intervals(*drawn(2 * ROWS_A_BIN, 1), 0.99).edges) == 0, "an end of 199 rows needs all of them"
    few_values = np.repeat(np.float32([1, 2, 3]), [50, 900, 150])
    intervals = learn_intervals(few_values, few_values + 1, 0.8)
    bins = np.searchsorted(intervals.edges, few_values, side="right")
    assert np.bincount(bins).min() >= ROWS_A_BIN and len({*bins[50:950]}) == 1
    one = learn_intervals(np.full(1000, 500, np.float32), np.arange(1000.0), 0.8)
    assert [float(end[0]) for end in one.ends(tf.constant([500.0]))] == [99.0, 900.0]


def test_too_few_rows_for_the_level_are_refused() -> None:
    with pytest.raises(LakeloopError, match="learnt from 199 held-out rows at least, and there are 150"):
        learn_intervals(*drawn(150, 1), 0.99)


def test_about_half_of_the_held_out_rows_teach_intervals() -> None:
    keys = [f"h{number}" for number in range(2_000)]
    assert which_calibrate(keys).mean() == pytest.approx(0.5, abs=0.05)
    assert which_calibrate(keys[:10]).tolist() == which_calibrate(keys)[:10].tolist()


def test_weighted_rows_teach_intervals_of_what_is_asked_now() -> None:
    draw = np.random.default_rng(3)

    def rows(count: int, rainy: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rain = draw.uniform(size=count) < rainy
        predictions = draw.uniform(1, 100, count).astype(np.float32)
        return predictions, predictions + draw.normal(0, np.where(rain, 30, 5)).astype(np.float32), rain

    predictions, labels, rain = rows(20_000, 0.1)
    weights = np.where(rain, 0.5 / 0.1, 0.5 / 0.9)
    asked, truth, _ = rows(20_000, 0.5)
    plain, weighted = learn_intervals(predictions, labels, 0.8), learn_intervals(predictions, labels, 0.8, weights)
    covered = []
    for intervals in (plain, weighted):
        lower, upper = (end.numpy() for end in intervals.ends(tf.constant(asked)))
        covered.append(np.mean((truth >= lower) & (truth <= upper)))
    assert covered[0] < 0.7 and covered[1] == pytest.approx(0.8, abs=0.02)
    alike = learn_intervals(predictions, labels, 0.8, np.full(len(labels), 3.0))
    for name in ("edges", "below", "above"):
        assert getattr(alike, name).tolist() == getattr(plain, name).tolist()


def test_rows_that_weigh_little_are_few() -> None:
    predictions, labels = drawn(2 * ROWS_A_BIN, 1)
    weights = np.where(np.arange(2 * ROWS_A_BIN) < 20, 10.0, 0.01)
    assert len(learn_intervals(predictions, labels, 0.8, weights).edges) == 0, "they tell as much as 20 rows do"
    with pytest.raises(LakeloopError, match="39 held-out rows at least, and there are 200, which weigh as 20"):
        learn_intervals(predictions, labels, 0.95, weights)
