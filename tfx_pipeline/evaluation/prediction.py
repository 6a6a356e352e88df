"""Asks a SavedModel in batches: serialised tf.Examples or columns in, its answers out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lakeloop.contract import Contract
from lakeloop.contract.decision_threshold import Costs
from lakeloop.contract.label import LEVEL
from lakeloop.contract.metrics import Task
from lakeloop.exceptions import LakeloopError, first_line
from tfx_pipeline.evaluation.answers import Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.example_files import READ_BATCH, batches
from tfx_pipeline.training.calibration_rows import which_calibrate
from tfx_pipeline.training.raw_features import LABELS
from tfx_pipeline.training.row_weights import weights_of
from tfx_pipeline.training.signature_names import (
    ANSWER,
    CLASS_ID,
    EXAMPLES,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    SERVING,
    SET_ID,
    UPPER,
)

Outputs = Mapping[str, np.ndarray]
"""What a model's signature answered, by the outputs' names; each (n, …)."""


@dataclass(frozen=True)
class Question:
    """What of a contract answers are evaluated by: the label's column, the task, how many rows an interval holds.

    `decided`: a threshold was chosen on some of the held-out rows. `costs` are what its errors cost.
    """

    label: str
    task: Task
    level: float = LEVEL
    decided: bool = False
    costs: Costs | None = None

    @staticmethod
    def of(contract: Contract) -> "Question":
        """That of a contract."""
        label = contract.label
        return Question(label.name, label.task, label.interval, label.decision is not None, label.costs)

    @property
    def learns_of_held_out(self) -> bool:
        """Whether an answer needs something that is learnt of held-out rows."""
        return self.decided or self.task == "regression"

    def learnt_from(self, keys: Iterable[str]) -> np.ndarray | None:
        """Which of the held-out rows with these keys that was learnt from, (n,) bool; None where nothing was."""
        return which_calibrate(keys) if self.learns_of_held_out else None

    def answers(
        self,
        labels: np.ndarray,
        outputs: Outputs,
        weights: np.ndarray | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
        calibrated: np.ndarray | None = None,
    ) -> Answers:
        """A model's outputs beside the labels of the same rows."""
        by = columns or {}
        if self.task != "regression":
            several = self.task == "multilabel"
            answered, kind = outputs.get(SET_ID if several else CLASS_ID), SetAnswers if several else ModelAnswers
            return kind(labels, outputs[PROBABILITIES], weights, by, answered, calibrated, self.costs)
        number, lower, upper = (outputs[name].astype(np.float64) for name in (PREDICTION, LOWER, UPPER))
        return NumberAnswers(labels.astype(np.float64), number, lower, upper, self.level, calibrated, weights, by)


def load_saved_model(folder: Path | str) -> Any:
    """The model in a folder.

    Raises:
        LakeloopError: it is not a readable SavedModel or lacks a signature.
    """
    try:
        model = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises OSError, ValueError, DataLoss, protobuf's DecodeError, ...
        raise LakeloopError(f"the model in {folder} cannot be loaded: {first_line(error)}; push it again") from error
    missing = {SERVING, EXAMPLES} - set(model.signatures)
    if missing:
        raise LakeloopError(f"the model in {folder} has no signature {', '.join(sorted(missing))}; push it again")
    return model


def ask_columns(model: Any, columns: Mapping[str, np.ndarray]) -> Outputs:
    """The model's outputs for columns, each (n,)."""
    rows = len(next(iter(columns.values())))
    serve = model.signatures[SERVING]
    parts = []
    for start in range(0, rows, READ_BATCH):
        batch = {name: tf.constant(values[start : start + READ_BATCH]) for name, values in columns.items()}
        parts.append(_arrays(serve(**batch)))
    return _joined(parts)


def ask_examples(model: Any, serialised: Sequence[bytes]) -> Outputs:
    """The model's outputs for serialised tf.Examples."""
    serve = model.signatures[EXAMPLES]
    starts = range(0, len(serialised), READ_BATCH)
    parts = (tf.constant(serialised[start : start + READ_BATCH]) for start in starts)
    return _joined([_arrays(serve(examples=part)) for part in parts])


def answers_on(
    models: Sequence[Any],
    files: Sequence[str],
    question: Question,
    key: str,
    weights: Mapping[str, float] | None = None,
    columns: Mapping[str, tf.io.FixedLenFeature] | None = None,
    held_out: bool = False,
) -> list[Answers]:
    """Each model's answers on the same examples (gzipped TFRecords).

    `weights` are the rows' by their `key`; none: all count the same. `columns` are read too, to slice the rows by.
    `held_out`: some of the rows may be those that intervals, or a threshold, were learnt from.
    """
    truths: list[np.ndarray] = []
    keys: list[str] = []
    answers: list[list[Outputs]] = [[] for _ in models]
    spec = {question.label: tf.io.FixedLenFeature([], LABELS[question.task]), **(columns or {})}
    values: dict[str, list[np.ndarray]] = {name: [] for name in columns or {}}
    with_keys = weights is not None or (held_out and question.learns_of_held_out)
    if with_keys:
        spec[key] = tf.io.FixedLenFeature([], tf.string)
    for batch in batches(files):
        parsed = tf.io.parse_example(batch, spec)
        truths.append(parsed[question.label].numpy())
        for name, found in values.items():
            found.append(parsed[name].numpy())
        if with_keys:
            keys += [value.decode() for value in parsed[key].numpy()]
        for answer, model in zip(answers, models, strict=True):
            answer.append(_arrays(model.signatures[EXAMPLES](examples=batch), ANSWER[question.task]))
    labels = np.concatenate(truths)
    counted = weights_of(keys, weights) if weights is not None else None
    by = {name: np.concatenate(found) for name, found in values.items()}
    used = question.learnt_from(keys) if held_out else None
    return [question.answers(labels, _joined(answer), counted, by, used) for answer in answers]


def _arrays(outputs: Mapping[str, tf.Tensor], wanted: str = "") -> Outputs:
    """The outputs as arrays; but of one that has no `wanted` output.

    Raises:
        LakeloopError: the model answers something else.
    """
    if wanted and wanted not in outputs:
        raise LakeloopError(f"the model answers {', '.join(sorted(outputs))}, and `{wanted}` is asked for: it was "
                            "trained for another label; train again")  # fmt: skip
    return {name: values.numpy() for name, values in outputs.items()}


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
