"""The Trainer's `run_fn`: a Keras model of the contract's model settings, trained and exported with its signatures."""

import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from lakeloop.contract import ModelSettings
from tfx_pipeline.columns import columns_from, transformed_name
from tfx_pipeline.signatures import save_model

MODEL_KEY, DROP_KEY = "model", "drop"
HISTORY_FILE = "history.json"
READ_BATCH = 10_000
IN_MEMORY_VALUES = 250_000_000  # float32: 1 GB; above it the rows are streamed from disk each epoch
SHUFFLE_ROWS = 100_000
MOST_STEPS_PER_CALL = 100


def run_fn(fn_args: FnArgs) -> None:
    """Train on the transformed `train` rows, validate on `eval`, export to `serving_model_dir`.

    `custom_config` holds the columns, the model settings as JSON and the dropped features. TensorBoard logs and the
    history (`history.json`) go to `model_run_dir`.
    """
    config = fn_args.custom_config
    columns = columns_from(config)
    settings = ModelSettings.model_validate_json(config[MODEL_KEY])
    dropped = set(json.loads(config[DROP_KEY]))
    names = [transformed_name(name) for name in columns.features if name not in dropped]
    transform = tft.TFTransformOutput(fn_args.transform_output)
    spec = transform.transformed_feature_spec()

    width = sum(int(np.prod(spec[name].shape)) for name in names)
    train = _rows(fn_args.train_files, spec, names, columns.label.name)
    validation = _rows(fn_args.eval_files, spec, names, columns.label.name)

    keras.utils.set_random_seed(settings.seed)
    batches, count = _training_batches(train, width, settings)
    model = build_model(settings, width, columns.classes, steps_per_call=min(count, MOST_STEPS_PER_CALL))
    history = model.fit(
        batches,
        validation_data=_validation_batches(validation, width),
        epochs=settings.epochs,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)],
        verbose=0,
    ).history
    _save_history(Path(fn_args.model_run_dir), history)
    save_model(Path(fn_args.serving_model_dir), model, transform, columns, names)


def build_model(settings: ModelSettings, width: int, classes: int, steps_per_call: int = 1) -> keras.Model:
    """(batch, width) float32 -> class probabilities (batch, classes); compiled."""
    inputs = keras.Input(shape=(width,), name="features")
    hidden = inputs
    for _ in range(settings.layers):
        hidden = keras.layers.Dense(settings.units)(hidden)
        hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    outputs = keras.layers.Dense(classes, activation="softmax", name="probabilities")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        steps_per_execution=steps_per_call,  # a batch is so little work that Python between batches doubles the time
        jit_compile=False,  # compiling costs more than it saves on models this small
    )
    return model


def _rows(patterns: list[str], spec: dict[str, Any], names: list[str], label: str) -> tf.data.Dataset:
    """Batches of (features (n, width) float32, labels (n,) int64), read once from the transformed examples."""
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    wanted = {name: spec[name] for name in [*names, label]}

    def split(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(serialised, wanted)
        return tf.concat([parsed[name] for name in names], axis=1), parsed[label]

    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.batch(READ_BATCH).map(split, num_parallel_calls=2)


def _training_batches(rows: tf.data.Dataset, width: int, settings: ModelSettings) -> tuple[tf.data.Dataset, int]:
    """Shuffled batches, and how many of them make an epoch (1 if unknown: the rows did not fit in memory)."""
    arrays = _in_memory(rows, width)
    if arrays is None:
        return rows.unbatch().shuffle(SHUFFLE_ROWS, seed=settings.seed).batch(settings.batch).prefetch(2), 1
    return _shuffled(*arrays, settings.batch, settings.seed), ceil(len(arrays[1]) / settings.batch)


def _validation_batches(rows: tf.data.Dataset, width: int) -> tf.data.Dataset:
    arrays = _in_memory(rows, width)
    return rows if arrays is None else tf.data.Dataset.from_tensor_slices(arrays).batch(READ_BATCH).cache()


def _in_memory(batches: tf.data.Dataset, width: int) -> tuple[np.ndarray, np.ndarray] | None:
    """All rows as arrays, or None when they are too many for memory."""
    features, labels, values = [], [], 0
    for x, y in _arrays(batches):
        features.append(x)
        labels.append(y)
        values += len(x) * width
        if values > IN_MEMORY_VALUES:
            return None
    return np.concatenate(features), np.concatenate(labels)


def _arrays(batches: tf.data.Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield from batches.as_numpy_iterator()


def _shuffled(features: np.ndarray, labels: np.ndarray, batch: int, seed: int) -> tf.data.Dataset:
    """Batches in a new order every epoch: only row numbers are shuffled, rows are gathered a batch at a time."""
    x, y = tf.constant(features), tf.constant(labels)
    order = tf.data.Dataset.range(len(features)).shuffle(len(features), seed=seed, reshuffle_each_iteration=True)
    return order.batch(batch).map(lambda rows: (tf.gather(x, rows), tf.gather(y, rows))).prefetch(2)


def _save_history(folder: Path, history: dict[str, list[float]]) -> None:
    text = json.dumps({name: [float(value) for value in values] for name, values in history.items()})
    (folder / HISTORY_FILE).write_text(text, encoding="utf-8")
