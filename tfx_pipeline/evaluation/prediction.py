"""Asks a SavedModel in batches: serialised tf.Examples or columns in, probabilities out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lakeloop.exceptions import LakeloopError, first_line
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.example_files import READ_BATCH, batches
from tfx_pipeline.training.row_weights import weights_of
from tfx_pipeline.training.signature_names import EXAMPLES, PROBABILITIES, SERVING


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


def predict_columns(model: Any, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities (n, classes) for columns, each (n,)."""
    rows = len(next(iter(columns.values())))
    serve = model.signatures[SERVING]
    parts = []
    for start in range(0, rows, READ_BATCH):
        batch = {name: tf.constant(values[start : start + READ_BATCH]) for name, values in columns.items()}
        parts.append(serve(**batch)[PROBABILITIES].numpy())
    return np.concatenate(parts)


def predict_examples(model: Any, serialised: Sequence[bytes]) -> np.ndarray:
    """Probabilities (n, classes) for serialised tf.Examples."""
    serve = model.signatures[EXAMPLES]
    starts = range(0, len(serialised), READ_BATCH)
    parts = (tf.constant(serialised[start : start + READ_BATCH]) for start in starts)
    return np.concatenate([serve(examples=part)[PROBABILITIES].numpy() for part in parts])


def answers_on(
    models: Sequence[Any],
    files: Sequence[str],
    label: str,
    key: str = "",
    weights: Mapping[str, float] | None = None,
    columns: Mapping[str, tf.io.FixedLenFeature] | None = None,
) -> list[ModelAnswers]:
    """Each model's answers on the same examples (gzipped TFRecords with an int64 `label`).

    `weights` are the rows' by their `key`; none: all count the same. `columns` are read too, to slice the rows by.
    """
    truths: list[np.ndarray] = []
    keys: list[str] = []
    answers: list[list[np.ndarray]] = [[] for _ in models]
    spec = {label: tf.io.FixedLenFeature([], tf.int64), **(columns or {})}
    values: dict[str, list[np.ndarray]] = {name: [] for name in columns or {}}
    if weights is not None:
        spec[key] = tf.io.FixedLenFeature([], tf.string)
    for batch in batches(files):
        parsed = tf.io.parse_example(batch, spec)
        truths.append(parsed[label].numpy())
        for name, found in values.items():
            found.append(parsed[name].numpy())
        if weights is not None:
            keys += [value.decode() for value in parsed[key].numpy()]
        for answer, model in zip(answers, models, strict=True):
            answer.append(model.signatures[EXAMPLES](examples=batch)[PROBABILITIES].numpy())
    labels = np.concatenate(truths)
    counted = weights_of(keys, weights) if weights is not None else None
    by = {name: np.concatenate(found) for name, found in values.items()}
    return [ModelAnswers(labels, np.concatenate(answer), counted, by) for answer in answers]
