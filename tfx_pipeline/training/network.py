"""The network: dense layers of the contract's model settings, trained by Keras."""

from functools import partial

import keras

from lakeloop.contract import ModelSettings
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.rows import Rows, streamed_batches, training_batches, validation_batches

MOST_STEPS_PER_CALL = 100


def fit(settings: ModelSettings, data: TrainingData, log_folder: str) -> Fitted:
    """Train a network; TensorBoard's logs go to `log_folder`."""
    keras.utils.set_random_seed(settings.seed)
    if isinstance(data.train, Rows):
        batches, count = training_batches(data.train, settings)
    else:
        batches, count = streamed_batches(data.train, settings)
    model = build_model(settings, data.width, data.classes, steps_per_call=min(count, MOST_STEPS_PER_CALL))
    history = model.fit(
        batches,
        validation_data=validation_batches(data.validation, data.width),
        epochs=settings.epochs,
        callbacks=[keras.callbacks.TensorBoard(log_folder, write_graph=False)],
        verbose=0,
    ).history
    # The TensorFlow variables themselves are handed over, not the Keras model: a tracked Keras 3 model exports every
    # variable twice, and a session restore, which is what TensorFlow Serving does, fills only the unused copies.
    return Fitted(partial(model, training=False), [variable.value for variable in model.weights], history)


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
