"""The network: dense layers of the contract's model settings, trained by Keras."""

from contextlib import nullcontext
from functools import partial

import keras

from lakeloop.contract import NetworkSettings
from lakeloop.own_code import own_errors
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.own_model import OwnNetwork
from tfx_pipeline.training.rows import Rows, streamed_batches, training_batches, validation_batches

MOST_STEPS_PER_CALL = 100


def fit(settings: NetworkSettings, data: TrainingData, log_folder: str | None, own: OwnNetwork | None = None) -> Fitted:
    """Train a network, by default the built-in one; TensorBoard's logs go to `log_folder`."""
    keras.utils.set_random_seed(settings.seed)
    if isinstance(data.train, Rows):
        batches, count = training_batches(data.train, settings)
    else:
        batches, count = streamed_batches(data.train, settings)
    model = build_model(settings, data.width, data.classes, min(count, MOST_STEPS_PER_CALL), own)
    with nullcontext() if own is None else own_errors(own.file.path):
        history = model.fit(
            batches,
            validation_data=None if data.validation is None else validation_batches(data.validation, data.width),
            epochs=settings.epochs,
            callbacks=[keras.callbacks.TensorBoard(log_folder, write_graph=False)] if log_folder is not None else [],
            verbose=0,
        ).history
    # The TensorFlow variables themselves are handed over, not the Keras model: a tracked Keras 3 model exports every
    # variable twice, and a session restore, which is what TensorFlow Serving does, fills only the unused copies.
    return Fitted(partial(model, training=False), [variable.value for variable in model.weights], history)


def build_model(
    settings: NetworkSettings, width: int, classes: int, steps_per_call: int = 1, own: OwnNetwork | None = None
) -> keras.Model:
    """(batch, width) float32 -> class probabilities (batch, classes), or without classes a number (batch, 1).

    Compiled; an own one as it says itself.
    """
    model = _layers(settings, width, classes) if own is None else own.build(settings)
    if not model.compiled:
        model.compile(
            optimizer=keras.optimizers.Adam(settings.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy() if classes else keras.losses.MeanSquaredError(),
            metrics=["accuracy"] if classes else ["mean_absolute_error"],
            # a batch is so little work that Python between batches doubles the time
            steps_per_execution=steps_per_call,
            jit_compile=False,  # compiling costs more than it saves on models this small
        )
    return model


def _layers(settings: NetworkSettings, width: int, classes: int) -> keras.Model:
    inputs = keras.Input(shape=(width,), name="features")
    hidden = inputs
    for _ in range(settings.layers):
        hidden = keras.layers.Dense(settings.units)(hidden)
        hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    if not classes:
        return keras.Model(inputs, keras.layers.Dense(1, name="number")(hidden))
    outputs = keras.layers.Dense(classes, activation="softmax", name="probabilities")(hidden)
    return keras.Model(inputs, outputs)
