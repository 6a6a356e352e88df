"""The Trainer's `run_fn`: prepares the rows, has a model fitted on them, and exports it with its signatures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from lakeloop.contract import ModelSettings, TreesSettings, model_settings, read_model_settings
from lakeloop.own_files import RUN
from tfx_pipeline.runs.run_record import Trained
from tfx_pipeline.training import network, trees
from tfx_pipeline.training.columns import Columns, ModelInputs, columns_from, model_inputs_of
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.label_scale import LabelScale
from tfx_pipeline.training.own_model import RAW_EVAL_KEY, OwnNetwork, model_from, own_network, run_whole
from tfx_pipeline.training.own_preprocessing import read_own_inputs
from tfx_pipeline.training.row_weights import load_row_weights
from tfx_pipeline.training.rows import (
    Rows,
    category_ranges,
    in_memory,
    refuse_balance,
    transformed_rows,
    weighted_rows,
)
from tfx_pipeline.training.signatures import SIGNATURES, save_model
from tfx_pipeline.training.vocabularies import read_vocabularies

MODEL_KEY, DROP_KEY, BALANCE_KEY = "model", "drop", "balance"
WEIGHTS_KEY, WEIGHTING_KEY = "weights", "weighting"
RAW_TRAIN_KEY = "raw_train"
HISTORY_FILE, TRAINED_FILE = "history.json", "trained.json"


def run_fn(fn_args: FnArgs) -> None:
    """Train on the transformed `train` rows, validate on `eval`, export to `serving_model_dir`.

    `custom_config` holds the columns, the model settings as JSON, the dropped features, the balance and how rows are
    weighed; the Tuner's hyper-parameters, where it ran, replace the settings'. TensorBoard logs, the history
    (`history.json`) and what was trained with (`trained.json`) go to `model_run_dir`.
    """
    config = fn_args.custom_config
    columns = balanced_columns(config)
    settings = tuned(read_model_settings(config[MODEL_KEY]), fn_args.hyperparameters)
    whole = model_from(config)
    if whole is not None and whole.has(RUN):
        trained = Trained(settings=settings, balance="none", threshold=run_whole(whole, fn_args, columns))
        return _save_trained(Path(fn_args.model_run_dir), {}, trained)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    spec = transform.transformed_feature_spec()
    own = read_own_inputs(Path(fn_args.transform_output))
    inputs = model_inputs_of(columns, json.loads(config[DROP_KEY]), spec, own)

    train = transformed_rows(fn_args.train_files, spec, inputs.names, columns.label)
    validation = transformed_rows(fn_args.eval_files, spec, inputs.names, columns.label)
    rows = _training_rows(config, transform, columns, inputs, train, settings)
    if rows is None:
        refuse_balance(columns)
        trained = Trained(settings=settings, balance=columns.balance)
    else:
        rows = rows.balanced(columns, inputs, settings.seed)
        counted = rows.label_weights if columns.several else rows.class_weights
        by_class = tuple(counted(columns.classes).tolist()) if columns.classes else ()
        trained = Trained(settings=settings, balance=columns.balance, rows=len(rows.labels), class_weights=by_class)
    one_hot = tuple(category_ranges(columns, inputs))
    used = train if rows is None else rows
    data = TrainingData(used, validation, inputs.width, columns.classes, one_hot, columns.loss, columns.several)
    fitted = fit(settings, data, fn_args.model_run_dir, own_network(config, columns, inputs))
    vocabularies = read_vocabularies(Path(fn_args.transform_output))
    served = SIGNATURES[columns.task](fitted, transform, columns, inputs.names)
    served.learn(Path(config[RAW_EVAL_KEY]), load_row_weights(Path(known)) if (known := config[WEIGHTS_KEY]) else None)
    trained = trained.model_copy(update={"threshold": served.threshold})
    _save_trained(Path(fn_args.model_run_dir), fitted.history, trained)
    save_model(Path(fn_args.serving_model_dir), served, columns, vocabularies)


def fit(
    settings: ModelSettings, data: TrainingData, log_folder: str | None = None, own: OwnNetwork | None = None
) -> Fitted:
    """Fit a model of the settings' kind, where that is a network the use case's `own`; TensorBoard's logs go to
    `log_folder`. Of numbers it is fitted on scaled ones, and answers them as they are.

    Raises:
        LakeloopError: its kind cannot be fitted on these rows.
    """
    if not data.classes:
        scale = LabelScale.of(data.train, data.loss)
        return scale.unscaled(_fit(settings, scale.scaled(data), log_folder, own))
    return _fit(settings, data, log_folder, own)


def _fit(settings: ModelSettings, data: TrainingData, log_folder: str | None, own: OwnNetwork | None) -> Fitted:
    if isinstance(settings, TreesSettings):
        fitted = trees.fit(settings, data, log_folder)
    else:
        fitted = network.fit(settings, data, log_folder, own)
    odds = data.train.odds if isinstance(data.train, Rows) else None
    return fitted if odds is None else fitted.with_odds(odds)


def balanced_columns(config: Mapping[str, str]) -> Columns:
    """The columns, with the run's own balance where it has one."""
    columns = columns_from(config)
    return columns.model_copy(update={"balance": config[BALANCE_KEY]}) if config[BALANCE_KEY] else columns


def tuned(settings: ModelSettings, hyperparameters: Mapping[str, Mapping[str, object]] | None) -> ModelSettings:
    """The settings with the Tuner's best values in place, as KerasTuner's config gives them; None: it did not run."""
    if not hyperparameters:
        return settings
    return model_settings({**settings.model_dump(), **hyperparameters["values"]})


def _training_rows(
    config: Mapping[str, str],
    transform: tft.TFTransformOutput,
    columns: Columns,
    inputs: ModelInputs,
    transformed: tf.data.Dataset,
    settings: ModelSettings,
) -> Rows | None:
    """The training rows in memory, weighted or drawn as the run asks; None when they are too many for that."""
    if config[WEIGHTING_KEY] == "none":
        return in_memory(transformed, inputs.width)
    weights = load_row_weights(Path(config[WEIGHTS_KEY]))
    rows = weighted_rows(Path(config[RAW_TRAIN_KEY]), transform, columns, inputs, weights)
    return rows.drawn(settings.seed, settings.stop_after > 0) if config[WEIGHTING_KEY] == "resample" else rows


def _save_trained(folder: Path, history: Mapping[str, Sequence[float]], trained: Trained) -> None:
    """The history and what was trained with; a history that the use case's own code wrote stays."""
    folder.mkdir(parents=True, exist_ok=True)
    if history or not (folder / HISTORY_FILE).is_file():
        text = json.dumps({name: [float(value) for value in values] for name, values in history.items()})
        (folder / HISTORY_FILE).write_text(text, encoding="utf-8")
    (folder / TRAINED_FILE).write_text(trained.model_dump_json(), encoding="utf-8")
