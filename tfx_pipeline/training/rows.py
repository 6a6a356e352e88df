"""The rows a model is trained on: read from transformed examples, or from raw ones where rows have weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.contract import NetworkSettings
from lakeloop.exceptions import LakeloopError
from lakeloop.label_sets import has_labels
from tfx_pipeline.example_files import READ_BATCH, batches, records
from tfx_pipeline.training.balance import balanced_weights, downsampled, odds_of, smote
from tfx_pipeline.training.columns import Columns, ModelInputs
from tfx_pipeline.training.encoding import category_columns
from tfx_pipeline.training.raw_features import LABELS, example_spec
from tfx_pipeline.training.row_weights import weights_of

IN_MEMORY_VALUES = 250_000_000  # float32: 1 GB; above it the rows are streamed from disk each epoch
SHUFFLE_ROWS = 100_000


@dataclass(frozen=True)
class Rows:
    """Features (n, width) float32, labels (n,) int64 (float32 where they are numbers), perhaps weights (n,).

    Several labels are the number of their set, or spread (n, labels) float32 where a network is fitted on them.

    `odds` (classes,): by what the probabilities of a model of these rows are to be multiplied, and made to sum to 1
    again, because classes were thinned out; None: by nothing.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None
    odds: np.ndarray | None = None

    def class_weights(self, classes: int) -> np.ndarray:
        """What each class counts for (classes,): its rows, or the sum of their weights."""
        return np.bincount(self.labels, self.weights, minlength=classes).astype(np.float64)

    def label_weights(self, labels: int) -> np.ndarray:
        """The same of several labels, for each the rows that have it."""
        has = has_labels(self.labels, labels)
        return np.asarray(has.sum(axis=0) if self.weights is None else self.weights @ has, np.float64)

    def only(self, numbers: np.ndarray) -> "Rows":
        """The rows of these numbers."""
        weights = None if self.weights is None else self.weights[numbers]
        return Rows(self.features[numbers], self.labels[numbers], weights, self.odds)

    def in_order(self) -> "Rows":
        """Sorted by their values: Beam hands rows over in any order, and one seed shall give one model."""
        return self.only(np.lexsort((*np.atleast_2d(self.labels.T), *self.features.T)))

    def drawn(self, seed: int, once: bool = False) -> "Rows":
        """As many rows, drawn with replacement by their weights, each then counting the same.

        `once`: a row that was drawn more often is there once, and counts so often: else some of them could be held back
        that others of the same are trained on.
        """
        if self.weights is None:
            return self
        chances = self.weights / self.weights.sum()
        chosen = np.random.default_rng(seed).choice(len(self.labels), len(self.labels), p=chances)
        if once:
            numbers, counts = np.unique(chosen, return_counts=True)
            return Rows(self.features[numbers], self.labels[numbers], counts.astype(np.float64))
        return Rows(self.features[chosen], self.labels[chosen])

    def balanced(self, columns: Columns, inputs: ModelInputs, seed: int) -> "Rows":
        """With the classes evened out as the contract says."""
        if columns.balance == "none":
            return self
        weights = np.ones(len(self.labels)) if self.weights is None else self.weights
        if columns.balance == "weights":
            return Rows(self.features, self.labels, balanced_weights(self.labels, weights, columns.classes))
        if columns.balance == "downsample":
            return self._thinned(columns.classes, seed)
        categories = category_ranges(columns, inputs)
        return Rows(*smote(self.features, self.labels, weights, categories, seed, columns.class_names))

    def _thinned(self, classes: int, seed: int) -> "Rows":
        rows = self.only(downsampled(self.labels, seed))
        return replace(rows, odds=odds_of(self.class_weights(classes), rows.class_weights(classes)))


def category_ranges(columns: Columns, inputs: ModelInputs) -> list[tuple[int, int]]:
    """The ranges (start, stop) of a model's columns that hold one category each, one-hot or two-valued.

    A cross is one category; what the use case's own preprocessing made is none.
    """
    starts = accumulate((0, *inputs.widths[:-1]))
    return [
        (start + first, start + last)
        for name, start, width in zip(inputs.used, starts, inputs.widths, strict=True)
        for first, last in ([] if name in inputs.own else _category_columns(columns, name, width))
    ]


def _category_columns(columns: Columns, name: str, width: int) -> list[tuple[int, int]]:
    return category_columns(columns.features[name], width) if name in columns.features else [(0, width)]


def transformed_rows(
    patterns: Sequence[str], spec: dict[str, Any], names: Sequence[str], label: str
) -> tf.data.Dataset:
    """Batches of (features (n, width) float32, labels (n,)), read once from the transformed examples."""
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    wanted = {name: spec[name] for name in [*names, label]}

    def split(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(serialised, wanted)
        return tf.concat([parsed[name] for name in names], axis=1), parsed[label]

    return records(files).batch(READ_BATCH).map(split, num_parallel_calls=2)


def weighted_rows(
    folder: Path, transform: tft.TFTransformOutput, columns: Columns, inputs: ModelInputs, weights: dict[str, float]
) -> Rows:
    """All rows of raw examples with their weights; raw, because only there a row has its key.

    Raises:
        LakeloopError: a row has no weight.
    """
    spec = example_spec(columns.features) | {
        columns.label: tf.io.FixedLenFeature([], LABELS[columns.task]),
        columns.key: tf.io.FixedLenFeature([], tf.string),
    }
    layer = transform.transform_features_layer()
    features, labels, keys = [], [], []
    files = sorted(str(path) for path in folder.iterdir())
    for batch in batches(files):
        raw = tf.io.parse_example(batch, spec)
        keys += [key.decode() for key in raw.pop(columns.key).numpy()]
        labels.append(raw.pop(columns.label).numpy())
        transformed = layer(raw)
        features.append(tf.concat([transformed[name] for name in inputs.names], axis=1).numpy())
    return Rows(np.concatenate(features), np.concatenate(labels), weights_of(keys, weights)).in_order()


def in_memory(rows: tf.data.Dataset, width: int) -> Rows | None:
    """All rows as arrays in an order of their own, or None when they are too many for memory."""
    features, labels, values = [], [], 0
    for x, y in rows.as_numpy_iterator():
        features.append(x)
        labels.append(y)
        values += len(x) * width
        if values > IN_MEMORY_VALUES:
            return None
    return Rows(np.concatenate(features), np.concatenate(labels)).in_order()


def training_batches(rows: Rows, settings: NetworkSettings) -> tuple[tf.data.Dataset, int]:
    """Batches in a new order every epoch, and how many of them make one.

    Only row numbers are shuffled; rows are gathered a batch at a time.
    """
    given = [rows.features, rows.labels] if rows.weights is None else [rows.features, rows.labels, rows.weights]
    tensors = [tf.constant(array) for array in given]
    count = len(rows.labels)
    order = tf.data.Dataset.range(count).shuffle(count, seed=settings.seed, reshuffle_each_iteration=True)
    shuffled = order.batch(settings.batch).map(lambda numbers: tuple(tf.gather(t, numbers) for t in tensors))
    return shuffled.prefetch(2), ceil(count / settings.batch)


def streamed_batches(rows: tf.data.Dataset, settings: NetworkSettings) -> tuple[tf.data.Dataset, int]:
    """The same from disk, for more rows than memory holds; how many batches make an epoch is not known: 1."""
    return rows.unbatch().shuffle(SHUFFLE_ROWS, seed=settings.seed).batch(settings.batch).prefetch(2), 1


def refuse_balance(columns: Columns) -> None:
    """What rows from disk cannot have.

    Raises:
        LakeloopError: the classes shall be evened out, which needs all rows at once.
    """
    if columns.balance != "none":
        raise LakeloopError(
            f"`training.balance: {columns.balance}` needs all training rows in memory, and there are more than "
            f"{IN_MEMORY_VALUES:,} values; train on fewer periods, or set it to none"
        )


def validation_batches(rows: tf.data.Dataset, width: int) -> tf.data.Dataset:
    """The eval rows, in memory if they fit."""
    found = in_memory(rows, width)
    if found is None:
        return rows
    return tf.data.Dataset.from_tensor_slices((found.features, found.labels)).batch(READ_BATCH).cache()
