"""TensorFlow Transform: raw columns to model inputs, as a graph that travels with the model.

Dropped features are transformed too and left out by the Trainer: so every candidate of a run shares one Transform.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.contract import Feature
from tfx_pipeline.training.columns import Columns, columns_from, transformed_name


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """The model's inputs, scaled by what TensorFlow Transform finds in the training rows."""
    return model_inputs(inputs, columns_from(custom_config), lambda name, values: tft.scale_to_z_score(values))


def model_inputs(
    inputs: Mapping[str, tf.Tensor], columns: Columns, scaled: Callable[[str, tf.Tensor], tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Model inputs, each (batch, width) float32, and the label (batch,) int64.

    Numeric and binary features are z-scored with the training rows' mean and deviation (width 1), which `scaled` does
    by name; categorical ones are one-hot over the contract's values (an unknown value is all zeros).
    """
    outputs = {
        transformed_name(name): _one_hot(inputs[name], feature)
        if feature.role == "categorical"
        else scaled(name, as_column(inputs[name]))
        for name, feature in columns.features.items()
    }
    outputs[columns.label.name] = tf.cast(inputs[columns.label.name], tf.int64)
    return outputs


def as_column(values: tf.Tensor) -> tf.Tensor:
    """(batch,) of any number -> (batch, 1) float32."""
    return tf.reshape(tf.cast(values, tf.float32), [-1, 1])


def _one_hot(values: tf.Tensor, feature: Feature) -> tf.Tensor:
    vocabulary = tf.constant(list(feature.values or ()), dtype=values.dtype)
    return tf.cast(tf.equal(tf.reshape(values, [-1, 1]), vocabulary), tf.float32)
