"""Raw features as tensors: their types, how they stand in tf.Examples, and what stands for a missing value."""

from collections.abc import Mapping

import tensorflow as tf

from lakeloop.contract import Feature
from lakeloop.contract.metrics import Task

DTYPES = {"float": tf.float32, "int": tf.int64, "string": tf.string}
LABELS: dict[Task, tf.DType] = {"classification": tf.int64, "regression": tf.float32, "multilabel": tf.int64}
"""How labels stand in tf.Examples; several as the number of their set."""


def example_spec(features: Mapping[str, Feature]) -> dict[str, tf.io.FixedLenFeature]:
    """How features are parsed from tf.Examples, each (batch,); an optional one that is not there is its stand-in."""
    return {
        name: tf.io.FixedLenFeature(
            [], DTYPES[feature.carried_as], default_value=feature.stand_in if feature.optional else None
        )
        for name, feature in features.items()
    }


def is_missing(values: tf.Tensor, feature: Feature) -> tf.Tensor:
    """Which values are the feature's stand-in for a missing one; bool, shaped as `values`."""
    return tf.math.is_nan(values) if feature.carried_as == "float" else tf.equal(values, feature.stand_in)


def as_column(values: tf.Tensor) -> tf.Tensor:
    """(batch,) of any number -> (batch, 1) float32."""
    return tf.reshape(tf.cast(values, tf.float32), [-1, 1])
