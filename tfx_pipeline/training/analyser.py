"""What is learnt of a feature from the training rows, and what the model gets where a number is missing.

An `Analyser` is TensorFlow Transform's on Beam (`preprocessing`) or one of this process (`local_transform`). To both
NaN is a value that is not there.
"""

from typing import Protocol

import tensorflow as tf

from lakeloop.contract import Feature

PARTS = 100
"""Percentiles are learnt: 99 values that cut the training rows into a hundred parts."""
RANK_ERROR = 0.001
"""How far a percentile may lie from its place, as a share of the rows."""
MEDIAN = 49


class Analyser(Protocol):
    """What is learnt, as tensors of the graph; values are (batch, 1) float32."""

    def mean(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The mean of the values that are there, a scalar."""
        ...

    def percentiles(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The 1st to 99th percentile of the values that are there, (99,)."""
        ...

    def z_score(self, name: str, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """`values` scaled by mean and deviation of those that are `known`; the same tensor where none is missing."""
        ...


class NoRows:
    """An analyser of no rows: what it gives has the right shape, and hangs on the values as what is learnt does."""

    def mean(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """A scalar."""
        return tf.reduce_mean(known)

    def percentiles(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The same (99,) times."""
        return tf.fill([PARTS - 1], tf.reduce_mean(known))

    def z_score(self, name: str, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """As many values."""
        return values - tf.reduce_mean(known)


def without(missing: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`values` with NaN where `missing`: what an analyser is given."""
    return tf.where(missing, tf.constant(float("nan"), tf.float32), values)


def instead(name: str, feature: Feature, known: tf.Tensor, analyser: Analyser) -> tf.Tensor:
    """What the model gets for a missing number, a scalar; `known`: the numbers, NaN where one is missing."""
    if feature.missing == "median":
        return analyser.percentiles(name, known)[MEDIAN]
    return analyser.mean(name, known) if feature.missing == "mean" else tf.constant(0.0, tf.float32)


def z_score(values: tf.Tensor, mean: tf.Tensor | float, variance: tf.Tensor | float) -> tf.Tensor:
    """What `tft.scale_to_z_score` does with known moments: 0 where nothing varies."""
    deviation = values - tf.convert_to_tensor(mean, tf.float32)
    scale = tf.sqrt(tf.convert_to_tensor(variance, tf.float32))
    return tf.where(tf.not_equal(scale, 0), tf.divide(deviation, scale), deviation)
