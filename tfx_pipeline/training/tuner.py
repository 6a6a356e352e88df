"""The Tuner's `tuner_fn`: a small random search around the contract's model settings.

It is scored on a fifth of the training rows, held back from its own trials, so the eval rows stay unseen for the gate.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from keras_tuner.engine import oracle
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from lakeloop.contract import ModelSettings, TreesSettings, read_model_settings
from lakeloop.contract.metrics import METRICS, Metric
from lakeloop.contract.model import MOST_LEAVES
from lakeloop.exceptions import LakeloopError
from lakeloop.threshold import class_ids_at
from tfx_pipeline.evaluation.answers import Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.example_files import READ_BATCH
from tfx_pipeline.training.columns import Columns, model_inputs_of
from tfx_pipeline.training.decision_threshold import choose_threshold
from tfx_pipeline.training.fitted import TrainingData
from tfx_pipeline.training.own_model import OwnNetwork, own_network
from tfx_pipeline.training.own_preprocessing import read_own_inputs
from tfx_pipeline.training.rows import Rows, category_ranges, in_memory, transformed_rows
from tfx_pipeline.training.trainer import DROP_KEY, MODEL_KEY, balanced_columns, fit, tuned

TRIALS_KEY, DECIDES_KEY = "trials", "decides"
SCORE = "score"
HELD_BACK = 5
"""One row in five evaluates the trials."""


class SettingsSearch(keras_tuner.Tuner):
    """Each trial trains one model of changed settings and gives its score on the rows held back."""

    def __init__(
        self,
        settings: ModelSettings,
        columns: Columns,
        one_hot: tuple[tuple[int, int], ...],
        decides: Metric,
        search: oracle.Oracle,
        directory: str,
        own: OwnNetwork | None,
    ) -> None:
        self._settings, self._columns, self._decides, self._own = settings, columns, decides, own
        self._one_hot = one_hot
        super().__init__(oracle=search, hypermodel=None, directory=directory, overwrite=True)

    def run_trial(self, trial: Any, train: Rows, held_back: Rows, **_: Any) -> float:
        """The trial's score by the metric that decides; KerasTuner keeps the settings of the best."""
        settings = tuned(self._settings, {"values": dict(changes(trial.hyperparameters, self._settings))})
        fitted = fit(settings, self._data(train), own=self._own)
        batches = np.array_split(held_back.features, -(-len(held_back.labels) // READ_BATCH))
        outputs = np.concatenate([fitted.predict(tf.constant(batch)) for batch in batches])
        return measure_metric(self._decides, self._answers(held_back, outputs)).value

    def _answers(self, rows: Rows, outputs: np.ndarray) -> Answers:
        """A trial's outputs (n, k) beside the labels; numbers without an interval, which is learnt of the winner."""
        if self._columns.several:
            return SetAnswers(rows.labels, outputs)
        if self._columns.classes:
            return self._decided(ModelAnswers(rows.labels, outputs))
        numbers = outputs[:, 0].astype(np.float64)
        return NumberAnswers(rows.labels.astype(np.float64), numbers, numbers, numbers, level=0.0)

    def _data(self, train: Rows) -> TrainingData:
        columns = self._columns
        width, loss, several = train.features.shape[1], columns.loss, columns.several
        return TrainingData(train, None, width, columns.classes, self._one_hot, loss, several)

    def _decided(self, answers: ModelAnswers) -> ModelAnswers:
        """By a threshold that is chosen on the same rows; a trial that reaches none answers the likeliest class."""
        wanted, of = self._columns.decision, self._columns.positive
        if wanted is None:
            return answers
        answers, has = replace(answers, costs=wanted.costs(of)), answers.labels == of
        try:
            found = choose_threshold(wanted, self._columns.class_names[of], answers.probabilities[:, of], has)
        except LakeloopError:
            return answers
        return replace(answers, class_ids=class_ids_at(found.at, of, answers.probabilities))


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """The search and the rows it is fed with.

    Raises:
        LakeloopError: the training rows do not fit in memory.
    """
    config = fn_args.custom_config
    columns = balanced_columns(config)
    settings = read_model_settings(config[MODEL_KEY])
    spec = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_feature_spec()
    own = read_own_inputs(Path(fn_args.transform_graph_path))
    inputs = model_inputs_of(columns, json.loads(config[DROP_KEY]), spec, own)
    rows = in_memory(transformed_rows(fn_args.train_files, spec, inputs.names, columns.label), inputs.width)
    if rows is None:
        raise LakeloopError("the Tuner needs all training rows in memory, and there are too many; train without it")
    train, held_back = _halves(rows, settings.seed)
    network = own_network(config, columns, inputs)
    decides = METRICS[config[DECIDES_KEY]]
    search = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective(SCORE, "max" if decides.higher_is_better else "min"),
        max_trials=int(config[TRIALS_KEY]),
        seed=settings.seed,
    )
    one_hot = tuple(category_ranges(columns, inputs))
    tuner = SettingsSearch(settings, columns, one_hot, decides, search, fn_args.working_dir, network)
    balanced = train.balanced(columns, inputs, settings.seed)
    return TunerFnResult(tuner=tuner, fit_kwargs={"train": balanced, "held_back": held_back, "verbose": 0})


def changes(space: keras_tuner.HyperParameters, settings: ModelSettings) -> dict[str, float]:
    """What a trial changes of a model of the settings' kind, around the contract's values: the first trial's."""
    if isinstance(settings, TreesSettings):
        return _changed_trees(space, settings)
    units, dropout, rate = settings.units, settings.dropout, settings.learning_rate
    drops = sorted({round(max(0.0, dropout - step), 3) for step in (0.0, 0.1, 0.2, 0.4)})
    return {
        "units": space.Choice("units", [units, units * 2, units * 4], default=units),
        "dropout": space.Choice("dropout", drops, default=round(dropout, 3)),
        "learning_rate": space.Choice("learning_rate", [rate / 2, rate, rate * 2], default=rate),
    }


def _changed_trees(space: keras_tuner.HyperParameters, settings: TreesSettings) -> dict[str, float]:
    """How much trees see of a table's detail: their learning rate, leaves, and rows a leaf."""
    rate, leaves, rows = settings.learning_rate, settings.leaves, settings.min_rows_per_leaf
    rates = [rate / 2, rate, min(1.0, rate * 2)]
    sizes = [max(2, leaves // 2), leaves, min(MOST_LEAVES, leaves * 2)]
    fewest = [max(1, rows // 2), rows, rows * 2]
    return {
        "learning_rate": space.Choice("learning_rate", sorted({*rates}), default=rate),
        "leaves": space.Choice("leaves", sorted({*sizes}), default=leaves),
        "min_rows_per_leaf": space.Choice("min_rows_per_leaf", sorted({*fewest}), default=rows),
    }


def _halves(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    """Four fifths to train on, one to evaluate on."""
    order = np.random.default_rng(seed).permutation(len(rows.labels))
    evaluation, training = order[::HELD_BACK], np.delete(order, np.s_[::HELD_BACK])
    return tuple(Rows(rows.features[part], rows.labels[part]) for part in (training, evaluation))  # type: ignore[return-value]
