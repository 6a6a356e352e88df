"""TensorFlow Transform: raw columns to model inputs, as a graph that travels with the model.

Dropped features are transformed too and left out by the Trainer: so every candidate of a run shares one Transform.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.own_files import OwnFile
from tfx_pipeline.training.analyser import PARTS, RANK_ERROR, Analyser, z_score
from tfx_pipeline.training.columns import Columns, columns_from, transformed_name
from tfx_pipeline.training.encoding import crossed, encoded
from tfx_pipeline.training.own_preprocessing import own_outputs, preprocessing_from
from tfx_pipeline.training.raw_features import LABELS
from tfx_pipeline.training.time_parts import RowTime
from tfx_pipeline.training.vocabularies import Vocabularies, vocabularies_from


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """The model's inputs, by what TensorFlow Transform finds in the training rows."""
    own, vocabularies = preprocessing_from(custom_config), vocabularies_from(custom_config)
    return model_inputs(inputs, columns_from(custom_config), vocabularies, BeamAnalyser(), own)


def model_inputs(
    inputs: Mapping[str, tf.Tensor],
    columns: Columns,
    vocabularies: Vocabularies,
    analyser: Analyser,
    own: OwnFile | None = None,
) -> dict[str, tf.Tensor]:
    """Model inputs, each (batch, width) float32, and the label (batch,): int64, or float32 where it is a number.

    `own`: the use case's preprocessing.
    """
    row_time = row_time_of(columns, inputs)
    outputs = {
        transformed_name(name): encoded(name, feature, inputs[name], vocabularies.get(name, ()), analyser, row_time)
        for name, feature in columns.features.items()
    }
    for cross in columns.crosses:
        outputs[transformed_name(cross.name)] = crossed(cross, columns.features, inputs, analyser)
    if own is not None:
        found = own_outputs(own, columns.features, inputs, analyser)
        outputs |= {transformed_name(name): values for name, values in found.items()}
    outputs[columns.label] = tf.cast(inputs[columns.label], LABELS[columns.task])
    return outputs


def row_time_of(columns: Columns, inputs: Mapping[str, tf.Tensor]) -> RowTime:
    """By which times of these rows are told."""
    return RowTime(columns.timezone, None if columns.event_time is None else inputs[columns.event_time])


class BeamAnalyser:
    """TensorFlow Transform's analysers; NaN is left out by all of them."""

    def __init__(self) -> None:
        self._percentiles: dict[str, tf.Tensor] = {}

    def mean(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The mean of the values that are there, a scalar."""
        return tft.mean(known)

    def percentiles(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The 1st to 99th percentile of the values that are there, (99,)."""
        if name not in self._percentiles:  # several ask: the median, a clip, a cross
            self._percentiles[name] = tf.reshape(tft.quantiles(known, PARTS, RANK_ERROR), [PARTS - 1])
        return self._percentiles[name]

    def z_score(self, name: str, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """`values` scaled by mean and deviation of those that are `known`."""
        return tft.scale_to_z_score(values) if values is known else z_score(values, tft.mean(known), tft.var(known))
