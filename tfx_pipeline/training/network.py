"""The network: dense layers of the contract's model settings, trained by Keras."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lakeloop.contract import NetworkSettings
from lakeloop.contract.label import Loss
from lakeloop.label_sets import has_labels
from lakeloop.own_code import own_errors
from tfx_pipeline.example_files import READ_BATCH
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.own_model import OwnNetwork
from tfx_pipeline.training.rows import Rows, streamed_batches, training_batches, validation_batches

MOST_STEPS_PER_CALL = 100
HELD_BACK = 10
"""One row in so many says when to stop; of rows from disk one batch in so many."""
HELD_BACK_LOSS = "held_back_loss"
LOSSES: dict[Loss, type[keras.losses.Loss]] = {
    "squared_error": keras.losses.MeanSquaredError, "poisson": keras.losses.Poisson
}  # fmt: skip


def fit(settings: NetworkSettings, data: TrainingData, log_folder: str | None, own: OwnNetwork | None = None) -> Fitted:
    """Train a network, by default the built-in one; TensorBoard's logs go to `log_folder`."""
    keras.utils.set_random_seed(settings.seed)
    if data.several:
        data = spread_labels(data)
    train, held_back = _held_back(data.train, settings.seed) if settings.stop_after else (data.train, None)
    if isinstance(train, Rows):
        batches, count = training_batches(train, settings)
    else:
        batches, count = streamed_batches(train, settings)
    callbacks: list[keras.callbacks.Callback] = []
    if held_back is not None:
        callbacks.append(StopEarly(held_back, settings.stop_after))
    if log_folder is not None:
        callbacks.append(keras.callbacks.TensorBoard(log_folder, write_graph=False))
    most = min(count, MOST_STEPS_PER_CALL)
    model = build_model(settings, data.width, data.classes, most, own, data.loss, data.several)
    with nullcontext() if own is None else own_errors(own.file.path):
        history = model.fit(
            batches,
            validation_data=None if data.validation is None else validation_batches(data.validation, data.width),
            epochs=settings.epochs,
            callbacks=callbacks,
            verbose=0,
        ).history
    # The TensorFlow variables themselves are handed over, not the Keras model: a tracked Keras 3 model exports every
    # variable twice, and a session restore, which is what TensorFlow Serving does, fills only the unused copies.
    return Fitted(partial(model, training=False), [variable.value for variable in model.weights], history)


class StopEarly(keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """Keras's own, by the loss on rows held back from training; not on the eval rows, which are the gate's."""

    def __init__(self, held_back: tf.data.Dataset, epochs: int) -> None:
        super().__init__(monitor=HELD_BACK_LOSS, mode="min", patience=epochs, restore_best_weights=True)
        self._held_back = held_back

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure, and stop where it was better before."""
        assert logs is not None
        logs[HELD_BACK_LOSS] = self.model.evaluate(self._held_back, verbose=0, return_dict=True)["loss"]
        super().on_epoch_end(epoch, logs)


def _held_back(rows: Rows | tf.data.Dataset, seed: int) -> tuple[Rows | tf.data.Dataset, tf.data.Dataset]:
    """The rows to train on, and batches of those that say when to stop."""
    if not isinstance(rows, Rows):
        numbered = rows.enumerate()
        kept, held = (numbered.filter(lambda n, _, back=back: (n % HELD_BACK == 0) == back) for back in (False, True))
        return kept.map(lambda _, batch: batch), held.map(lambda _, batch: batch)
    order = np.random.default_rng(seed).permutation(len(rows.labels))
    held = rows.only(order[::HELD_BACK])
    given = [held.features, held.labels] if held.weights is None else [held.features, held.labels, held.weights]
    return rows.only(np.sort(np.delete(order, np.s_[::HELD_BACK]))), tf.data.Dataset.from_tensor_slices(
        tuple(given)
    ).batch(READ_BATCH).cache()


def build_model(
    settings: NetworkSettings,
    width: int,
    classes: int,
    steps_per_call: int = 1,
    own: OwnNetwork | None = None,
    loss: Loss = "squared_error",
    several: bool = False,
) -> keras.Model:
    """(batch, width) float32 -> class probabilities (batch, classes), or without classes a number (batch, 1).

    `several`: of labels of which a row may have any, each probability by itself. Compiled; an own one as it says
    itself.
    """
    model = _layers(settings, width, classes, loss, several) if own is None else own.build(settings)
    if not model.compiled:
        measured, metric = _measured_by(classes, loss, several)
        model.compile(
            optimizer=keras.optimizers.Adam(settings.learning_rate),
            loss=measured,
            metrics=[metric],
            # a batch is so little work that Python between batches doubles the time
            steps_per_execution=steps_per_call,
            jit_compile=False,  # compiling costs more than it saves on models this small
        )
    return model


def _measured_by(classes: int, loss: Loss, several: bool) -> tuple[keras.losses.Loss, Any]:
    """The loss, and a metric of the history."""
    if several:
        return keras.losses.BinaryCrossentropy(), keras.metrics.BinaryAccuracy(name="accuracy")
    if classes:
        return keras.losses.SparseCategoricalCrossentropy(), "accuracy"
    return LOSSES[loss](), "mean_absolute_error"


def spread_labels(data: TrainingData) -> TrainingData:
    """The rows with their labels, numbers of sets, as 0 or 1 for each (n, labels) float32."""

    def of_batch(features: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        bits = tf.bitwise.right_shift(ids[:, None], tf.range(data.classes, dtype=ids.dtype)) % 2
        return features, tf.cast(bits, tf.float32)

    if isinstance(data.train, Rows):
        labels = has_labels(data.train.labels, data.classes).astype(np.float32)
        train: Rows | tf.data.Dataset = replace(data.train, labels=labels)
    else:
        train = data.train.map(of_batch)
    return replace(data, train=train, validation=None if data.validation is None else data.validation.map(of_batch))


def _layers(settings: NetworkSettings, width: int, classes: int, loss: Loss, several: bool) -> keras.Model:
    inputs = keras.Input(shape=(width,), name="features")
    hidden = inputs
    for _ in range(settings.layers):
        hidden = keras.layers.Dense(settings.units)(hidden)
        hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    if not classes:
        link = "exponential" if loss == "poisson" else "linear"
        return keras.Model(inputs, keras.layers.Dense(1, activation=link, name="number")(hidden))
    activation = "sigmoid" if several else "softmax"
    outputs = keras.layers.Dense(classes, activation=activation, name="probabilities")(hidden)
    return keras.Model(inputs, outputs)
