"""The rows a model is trained on: the same rows give the same model, in whatever order Beam hands them over."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfx_pipeline.training.rows import Rows, in_memory, transformed_rows

SPEC = {"a": tf.io.FixedLenFeature([2], tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}


def write(folder: Path, features: np.ndarray, labels: np.ndarray, files: int) -> str:
    """The rows as compressed examples in so many files; the pattern that finds them."""
    folder.mkdir()
    for number in range(files):
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(str(folder / f"rows-{number:02}.gz"), options) as writer:
            for row, label in zip(features[number::files], labels[number::files], strict=True):
                feature: Any = {
                    "a": tf.train.Feature(float_list=tf.train.FloatList(value=row)),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return str(folder / "*")


@pytest.mark.parametrize("files", [1, 3])
def test_rows_come_in_one_order_whatever_order_they_were_written_in(tmp_path: Path, files: int) -> None:
    random = np.random.default_rng(7)
    features, labels = random.integers(0, 3, (60, 2)).astype(np.float32), random.integers(0, 3, 60)
    shuffled = random.permutation(60)
    written = (
        write(tmp_path / "a", features, labels, 1),
        write(tmp_path / "b", features[shuffled], labels[shuffled], files),
    )
    first, second = (in_memory(transformed_rows([pattern], SPEC, ["a"], "label"), 2) for pattern in written)
    assert first is not None and second is not None
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.labels, second.labels)
    pairs = np.column_stack([features, labels])
    np.testing.assert_array_equal(
        np.column_stack([first.features, first.labels]), pairs[np.lexsort(pairs[:, [2, 0, 1]].T)]
    )


def test_rows_drawn_once_count_as_often_as_they_were_drawn() -> None:
    """What is held back to stop by is then no other copy of what is trained on."""
    weights = np.arange(50.0)
    rows = Rows(np.arange(50, dtype=np.float32)[:, None], np.arange(50) % 2, weights)
    each, once = rows.drawn(seed=3), rows.drawn(seed=3, once=True)
    assert once.weights is not None and once.weights.sum() == len(each.labels) == 50
    assert len(np.unique(once.features)) == len(once.labels) < 50
    counts = dict(zip(*np.unique(each.features, return_counts=True), strict=True))
    assert dict(zip(once.features[:, 0], once.weights, strict=True)) == counts
