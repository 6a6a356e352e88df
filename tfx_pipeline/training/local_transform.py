"""Transform in one process: the moments that scaling needs, the graph that travels with the model, the examples.

The graph is traced and written by TensorFlow Transform. Only its analysis is done here instead of by Beam: mean and
variance in 64 bits. Beam's differ from them in a 32-bit float's last digits, and from one another with its batches.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.impl_helper import analyze_in_place
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from tfx_pipeline.data_checks.small_tables import serialised
from tfx_pipeline.training.columns import Columns
from tfx_pipeline.training.preprocessing import as_column, model_inputs

Moments = Mapping[str, tuple[float, float]]
"""Mean and variance by feature."""
Preprocess = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class LocalTransform:
    """What is transformed: raw features by `schema`, as the contract's `columns` say."""

    columns: Columns
    schema: schema_pb2.Schema

    @property
    def spec(self) -> dict[str, Any]:
        """How raw examples are parsed."""
        return dict(schema_utils.schema_as_feature_spec(self.schema).feature_spec)

    def write_graph(self, train: Sequence[str], folder: Path) -> Preprocess:
        """Analyse the training examples and write what TFX calls a transform graph; gives the same as a function."""
        moments = self.moments(train)

        def preprocess(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return model_inputs(inputs, self.columns, lambda name, values: z_score(values, *moments[name]))

        types = {name: tf.TensorSpec([None, *feature.shape], feature.dtype) for name, feature in self.spec.items()}
        analyze_in_place(preprocess, False, self.spec, types, str(folder))
        raw = dataset_metadata.DatasetMetadata(self.schema)
        metadata_io.write_metadata(raw, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
        return tf.function(preprocess)

    def moments(self, files: Sequence[str]) -> Moments:
        """Mean and variance (of the population) of every feature that is scaled."""
        scaled = [name for name, feature in self.columns.features.items() if feature.role != "categorical"]
        spec = {name: self.spec[name] for name in scaled}
        found = {name: _Moments() for name in scaled}
        if scaled:
            for batch in serialised(files):
                for name, values in tf.io.parse_example(batch, spec).items():
                    found[name].add(as_column(values).numpy())
        return {name: (moments.mean, moments.squares / max(moments.count, 1)) for name, moments in found.items()}

    def write_examples(self, preprocess: Preprocess, files: Sequence[str], target: Path) -> None:
        """The examples of a split, transformed, as one gzipped TFRecord."""
        target.parent.mkdir(parents=True, exist_ok=True)
        encoder = RecordBatchToExamplesEncoder()
        with tf.io.TFRecordWriter(str(target), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for batch in serialised(files):
                outputs = preprocess(tf.io.parse_example(batch, self.spec))
                arrays = {name: _lists(values.numpy()) for name, values in sorted(outputs.items())}
                for example in encoder.encode(pa.RecordBatch.from_pydict(arrays)):
                    writer.write(example)


@dataclass
class _Moments:
    """Count, mean and sum of squared deviations, batch by batch (Chan, Golub, LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        values = values.astype(np.float64)
        count, mean = len(values), float(values.mean())
        both, apart = self.count + count, mean - self.mean
        self.squares += float(np.square(values - mean).sum()) + apart**2 * self.count * count / both
        self.mean += apart * count / both
        self.count = both


def z_score(values: tf.Tensor, mean: float, variance: float) -> tf.Tensor:
    """What `tft.scale_to_z_score` does with known moments: 0 where nothing varies."""
    deviation = values - tf.constant(mean, tf.float32)
    scale = tf.sqrt(tf.constant(variance, tf.float32))
    return tf.where(tf.not_equal(scale, 0), tf.divide(deviation, scale), deviation)


def _lists(values: np.ndarray) -> pa.ListArray:
    """(n,) or (n, width) as n lists."""
    rows = values.reshape(len(values), -1)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.ravel()))
