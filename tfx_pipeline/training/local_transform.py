"""Transform in one process: what the graph needs of the training rows, the graph that travels, the examples.

The graph is traced and written by TensorFlow Transform. Only its analysis is done here instead of by Beam: mean and
variance in 64 bits, percentiles by the same sketch. Beam's differ from them in a 32-bit float's last digits, and from
one another with its batches.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from tfx_bsl.sketches import QuantilesSketch

from lakeloop.contract.features import OPEN
from lakeloop.own_files import OwnFile
from tfx_pipeline.example_files import batches
from tfx_pipeline.training.analyser import PARTS, RANK_ERROR, z_score
from tfx_pipeline.training.columns import Columns
from tfx_pipeline.training.encoding import encoded
from tfx_pipeline.training.own_preprocessing import own_outputs
from tfx_pipeline.training.preprocessing import model_inputs, row_time_of
from tfx_pipeline.training.vocabularies import Vocabularies

Preprocess = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]
MOST_VALUES = 2**32
"""As many as TensorFlow Transform expects of a feature; it sizes the sketch."""


@dataclass(frozen=True)
class LocalTransform:
    """What is transformed: raw features by `schema`, as the contract's `columns` say, with what was learnt of words.

    `own`: the use case's own preprocessing.
    """

    columns: Columns
    schema: schema_pb2.Schema
    vocabularies: Vocabularies = field(default_factory=dict)
    own: OwnFile | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """How raw examples are parsed."""
        return dict(schema_utils.schema_as_feature_spec(self.schema).feature_spec)

    def write_graph(self, train: Sequence[str], folder: Path) -> Preprocess:
        """Analyse the training examples and write what TFX calls a transform graph; gives the same as a function."""
        analyser = self.analysed(train)

        def preprocess(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return model_inputs(inputs, self.columns, self.vocabularies, analyser, self.own)

        types = {name: tf.TensorSpec([None, *feature.shape], feature.dtype) for name, feature in self.spec.items()}
        analyze_in_place(preprocess, False, self.spec, types, str(folder))
        raw = dataset_metadata.DatasetMetadata(self.schema)
        metadata_io.write_metadata(raw, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
        return tf.function(preprocess)

    def analysed(self, files: Sequence[str]) -> "LocalAnalyser":
        """All that the graph needs of these examples, which are read until nothing depends on what is not known yet."""
        analyser = LocalAnalyser()
        unfinished = {name for name, feature in self.columns.features.items() if feature.role not in OPEN}
        own_finished = self.own is None
        while unfinished or not own_finished:
            at = () if self.columns.event_time is None else (self.columns.event_time,)  # ages are counted to it
            read = {*unfinished, *at} if own_finished else {*self.columns.features}
            spec = {name: self.spec[name] for name in sorted(read)}
            for batch in batches(files):
                parsed = tf.io.parse_example(batch, spec)
                row_time = row_time_of(self.columns, parsed)
                for name in sorted(unfinished):
                    try:
                        encoded(name, self.columns.features[name], parsed[name], (), analyser, row_time)
                        unfinished.discard(name)
                    except _NotKnownYetError:
                        continue
                own_finished = own_finished or self._own_is_known(parsed, analyser)
                if not unfinished and own_finished:
                    break
            analyser.end_of_rows()
        return analyser

    def _own_is_known(self, parsed: Mapping[str, tf.Tensor], analyser: "LocalAnalyser") -> bool:
        """Whether the use case's own preprocessing needs no more of the rows."""
        if self.own is None:
            return True
        try:
            own_outputs(self.own, self.columns.features, parsed, analyser)
        except _NotKnownYetError:
            return False
        return True

    def write_examples(self, preprocess: Preprocess, files: Sequence[str], target: Path) -> None:
        """The examples of a split, transformed, as one gzipped TFRecord."""
        target.parent.mkdir(parents=True, exist_ok=True)
        encoder = RecordBatchToExamplesEncoder()
        with tf.io.TFRecordWriter(str(target), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for batch in batches(files):
                outputs = preprocess(tf.io.parse_example(batch, self.spec))
                arrays = {name: _lists(values.numpy()) for name, values in sorted(outputs.items())}
                for example in encoder.encode(pa.RecordBatch.from_pydict(arrays)):
                    writer.write(example)


class LocalAnalyser:
    """Reads the rows as often as one thing that is learnt depends on another: a mean of values clipped, say."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._waiting: dict[str, _Moments | _Percentiles] = {}

    def mean(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The mean of the values that are there, a scalar."""
        mean, _ = self._learnt(f"mean of {name}", _Moments, known)
        return tf.constant(mean, tf.float32)

    def percentiles(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The 1st to 99th percentile of the values that are there, (99,)."""
        return tf.constant(self._learnt(f"percentiles of {name}", _Percentiles, known), tf.float32)

    def z_score(self, name: str, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """`values` scaled by mean and deviation of those that are `known`."""
        return z_score(values, *self._learnt(f"scale of {name}", _Moments, known))

    def end_of_rows(self) -> None:
        """What waited for all rows is known from now on."""
        self._known |= {what: counted.learnt() for what, counted in self._waiting.items()}
        self._waiting.clear()

    def _learnt(self, what: str, kind: "type[_Moments | _Percentiles]", values: tf.Tensor) -> Any:
        if what not in self._known:
            self._waiting.setdefault(what, kind()).add(values.numpy().ravel())
            raise _NotKnownYetError
        return self._known[what]


class _NotKnownYetError(BaseException):
    """The rows were counted; what they say is known when all of them were.

    It is no error of anybody's, so a use case's own code does not catch it with its `except Exception`.
    """


@dataclass
class _Moments:
    """Count, mean and sum of squared deviations, batch by batch (Chan, Golub, LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        values = values[np.isfinite(values)].astype(np.float64)
        if not len(values):
            return
        count, mean = len(values), float(values.mean())
        both, apart = self.count + count, mean - self.mean
        self.squares += float(np.square(values - mean).sum()) + apart**2 * self.count * count / both
        self.mean += apart * count / both
        self.count = both

    def learnt(self) -> tuple[float, float]:
        """Mean and variance (of the population)."""
        return self.mean, self.squares / max(self.count, 1)


class _Percentiles:
    """The sketch that TensorFlow Transform counts with."""

    def __init__(self) -> None:
        self._sketch = QuantilesSketch(RANK_ERROR, MOST_VALUES, 1)

    def add(self, values: np.ndarray) -> None:
        self._sketch.AddValues(pa.array(values))

    def learnt(self) -> list[float]:
        """The 1st to 99th percentile; zeros where there was no value."""
        (found,) = self._sketch.GetQuantiles(PARTS).to_pylist() or [[0.0] * (PARTS + 1)]
        return [float(value) for value in found[1:-1]]


def _lists(values: np.ndarray) -> pa.ListArray:
    """(n,) or (n, width) as n lists."""
    rows = values.reshape(len(values), -1)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.ravel()))
