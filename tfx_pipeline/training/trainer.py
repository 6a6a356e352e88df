"""The Trainer's `run_fn`: a Keras model of the contract's model settings, trained and exported with its signatures."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from lakeloop.contract import ModelSettings
from tfx_pipeline.runs.run_record import Trained
from tfx_pipeline.training.columns import Columns, ModelInputs, columns_from, model_inputs_of
from tfx_pipeline.training.row_weights import load_row_weights
from tfx_pipeline.training.rows import (
    Rows,
    in_memory,
    streamed_batches,
    training_batches,
    transformed_rows,
    validation_batches,
    weighted_rows,
)
from tfx_pipeline.training.signatures import save_model
from tfx_pipeline.training.vocabularies import read_vocabularies

MODEL_KEY, DROP_KEY = "model", "drop"
WEIGHTS_KEY, WEIGHTING_KEY, RAW_TRAIN_KEY = "weights", "weighting", "raw_train"
HISTORY_FILE, TRAINED_FILE = "history.json", "trained.json"
MOST_STEPS_PER_CALL = 100


def run_fn(fn_args: FnArgs) -> None:
    """Train on the transformed `train` rows, validate on `eval`, export to `serving_model_dir`.

    `custom_config` holds the columns, the model settings as JSON, the dropped features and how rows are weighed; the
    Tuner's hyper-parameters, where it ran, replace the settings'. TensorBoard logs, the history (`history.json`) and
    what was trained with (`trained.json`) go to `model_run_dir`.
    """
    config = fn_args.custom_config
    columns = columns_from(config)
    settings = tuned(ModelSettings.model_validate_json(config[MODEL_KEY]), fn_args.hyperparameters)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    spec = transform.transformed_feature_spec()
    inputs = model_inputs_of(columns, json.loads(config[DROP_KEY]), spec)

    train = transformed_rows(fn_args.train_files, spec, inputs.names, columns.label)
    validation = transformed_rows(fn_args.eval_files, spec, inputs.names, columns.label)
    rows = _training_rows(config, transform, columns, inputs, train, settings.seed)
    keras.utils.set_random_seed(settings.seed)
    if rows is None:
        batches, count = streamed_batches(train, columns, settings)
        trained = Trained(settings=settings, balance=columns.balance)
    else:
        rows = rows.balanced(columns, inputs, settings.seed)
        batches, count = training_batches(rows, settings)
        by_class = tuple(rows.class_weights(columns.classes).tolist())
        trained = Trained(settings=settings, balance=columns.balance, rows=len(rows.labels), class_weights=by_class)
    model = build_model(settings, inputs.width, columns.classes, steps_per_call=min(count, MOST_STEPS_PER_CALL))
    history = model.fit(
        batches,
        validation_data=validation_batches(validation, inputs.width),
        epochs=settings.epochs,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)],
        verbose=0,
    ).history
    _save_history(Path(fn_args.model_run_dir), history)
    (Path(fn_args.model_run_dir) / TRAINED_FILE).write_text(trained.model_dump_json(), encoding="utf-8")
    vocabularies = read_vocabularies(Path(fn_args.transform_output))
    save_model(Path(fn_args.serving_model_dir), model, transform, columns, inputs.names, vocabularies)


def tuned(settings: ModelSettings, hyperparameters: Mapping[str, Mapping[str, object]] | None) -> ModelSettings:
    """The settings with the Tuner's best values in place, as KerasTuner's config gives them; None: it did not run."""
    if not hyperparameters:
        return settings
    return ModelSettings.model_validate({**settings.model_dump(), **hyperparameters["values"]})


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


def _training_rows(
    config: Mapping[str, str],
    transform: tft.TFTransformOutput,
    columns: Columns,
    inputs: ModelInputs,
    transformed: tf.data.Dataset,
    seed: int,
) -> Rows | None:
    """The training rows in memory, weighted or drawn as the run asks; None when they are too many for that."""
    if config[WEIGHTING_KEY] == "none":
        return in_memory(transformed, inputs.width)
    weights = load_row_weights(Path(config[WEIGHTS_KEY]))
    rows = weighted_rows(Path(config[RAW_TRAIN_KEY]), transform, columns, inputs, weights)
    return rows.drawn(seed) if config[WEIGHTING_KEY] == "resample" else rows


def _save_history(folder: Path, history: dict[str, list[float]]) -> None:
    text = json.dumps({name: [float(value) for value in values] for name, values in history.items()})
    (folder / HISTORY_FILE).write_text(text, encoding="utf-8")
