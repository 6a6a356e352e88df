"""The exported model: raw columns in, what it answers out, in the three forms TensorFlow Serving asks for.

Where categories were learnt it also says which: its own graph knows them by their hashes alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from lakeloop.contract import Feature
from lakeloop.contract.metrics import Task
from lakeloop.label_sets import ANSWERED_FROM
from lakeloop.threshold import Threshold
from tfx_pipeline.example_files import batches
from tfx_pipeline.training.calibration_rows import which_calibrate
from tfx_pipeline.training.columns import Columns
from tfx_pipeline.training.decision_threshold import choose_threshold
from tfx_pipeline.training.fitted import Fitted
from tfx_pipeline.training.intervals import Intervals, learn_intervals
from tfx_pipeline.training.raw_features import DTYPES, LABELS, example_spec
from tfx_pipeline.training.row_weights import weights_of
from tfx_pipeline.training.signature_names import (
    CLASS_ID,
    CLASSIFY,
    EXAMPLES,
    LEARNT_VALUES,
    LEVEL,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    REGRESS,
    SERVING,
    SET_ID,
    THRESHOLD,
    UPPER,
)

MOST_VALUES = 1_000
"""Values that a model tells of a feature: as many as a form can suggest."""
Answer = dict[str, tf.Tensor]
"""Outputs by name, each (batch, …)."""


class SignatureModule(tf.Module, ABC):
    """A trained model behind its Transform graph. It accepts every feature; dropped ones have no effect.

    But where the event time is dropped, ages of other features are still counted to it. What a task answers, and the
    signature `own` that TensorFlow Serving has for it, is a subclass each.
    """

    own: str
    method: str
    threshold: Threshold | None = None

    def __init__(self, model: Fitted, transform: tft.TFTransformOutput, columns: Columns, used: Sequence[str]):
        super().__init__()
        self.weights = list(model.variables)
        self._predict = model.predict
        # What TensorFlow Transform's Keras layer is around; saving that layer traces it again and again, for seconds.
        loader = SavedModelLoader(transform.transform_savedmodel_dir)
        self.transform = loader._imported
        self._transformed = loader.apply_transform_model
        self._used = tuple(used)
        self._examples = example_spec(columns.features)
        self._columns = columns

    # There is no Python control flow to convert; without autograph the export traces in half the time.

    def predicted(self, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        """Raw features, each (batch,), stand-ins for missing ones -> what the model gives, (batch, k) float32."""
        transformed = self._transformed(dict(raw))
        return self._predict(tf.concat([transformed[name] for name in self._used], axis=1))

    @abstractmethod
    def answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """What `serving_default` and `serve_examples` answer to raw features."""

    @abstractmethod
    def own_answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """What the task's own signature answers."""

    @abstractmethod
    def learn(self, held_out: Path, weights: Mapping[str, float] | None = None) -> None:
        """Learn what an answer needs besides the fitted model, of raw examples of the eval rows and, by key, how much
        each counts.

        Raises:
            LakeloopError: these rows do not give it.
        """

    def half_of(
        self,
        held_out: Path,
        weights: Mapping[str, float] | None,
        ask: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """What `ask` gives of raw features, the labels, and how much each row counts, of the half of the held-out rows
        that may be learnt from; the gate measures what was learnt on the other.
        """
        label, key = self._columns.label, self._columns.key
        spec = self._examples | {
            label: tf.io.FixedLenFeature([], LABELS[self._columns.task]),
            key: tf.io.FixedLenFeature([], tf.string),
        }
        traced = tf.function(ask, autograph=False)
        labels, given, keys = [], [], []
        for batch in batches(sorted(str(path) for path in held_out.iterdir())):
            raw = tf.io.parse_example(batch, spec)
            keys += [name.decode() for name in raw.pop(key).numpy()]
            labels.append(raw.pop(label).numpy())
            given.append(traced(raw).numpy())
        theirs = which_calibrate(keys)
        counted = None if weights is None else weights_of(keys, weights)[theirs]
        return np.concatenate(given)[theirs], np.concatenate(labels)[theirs], counted

    @tf.function(autograph=False)
    def serve_columns(self, **raw: tf.Tensor) -> Answer:
        """One tensor (batch,) a feature."""
        return self.answer(raw)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> Answer:
        """Serialised tf.Examples (batch,)."""
        return self.answer(tf.io.parse_example(examples, self._examples))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def serve_own(self, inputs: tf.Tensor) -> Answer:
        """Serialised tf.Examples (batch,), as TensorFlow Serving's own method for the task asks for."""
        return self.own_answer(tf.io.parse_example(inputs, self._examples))


class ClassSignatures(SignatureModule):
    """Probabilities of classes; `classify` names them."""

    own, method = CLASSIFY, "tensorflow/serving/classify"

    def answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """Probabilities (batch, classes) and a class' id (batch,): the most probable one's, or by the threshold, which
        is answered (batch,), too.
        """
        probabilities = self.predicted(raw)
        if self.threshold is None:
            return {PROBABILITIES: probabilities, CLASS_ID: tf.argmax(probabilities, axis=1, output_type=tf.int64)}
        of = self._columns.positive
        known = probabilities[:, of]
        ids = tf.where(known >= self.threshold.at, tf.constant(of, tf.int64), tf.constant(1 - of, tf.int64))
        return {PROBABILITIES: probabilities, CLASS_ID: ids, THRESHOLD: tf.fill(tf.shape(known), self.threshold.at)}

    def learn(self, held_out: Path, weights: Mapping[str, float] | None = None) -> None:
        """Choose the threshold, where the contract wants one."""
        wanted, of = self._columns.decision, self._columns.positive
        if wanted is not None:
            known, labels, counted = self.half_of(held_out, weights, lambda raw: self.predicted(raw)[:, of])
            self.threshold = choose_threshold(wanted, self._columns.class_names[of], known, labels == of, counted)

    def own_answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """Class names and scores, each (batch, classes)."""
        scores = self.predicted(raw)
        classes = tf.broadcast_to(tf.constant([self._columns.class_names]), tf.shape(scores))
        return {"classes": classes, "scores": scores}


class SetSignatures(ClassSignatures):
    """The probability of each of several labels; `classify` names them."""

    def answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """Probabilities (batch, labels), and the number of the set of those that are answered (batch,)."""
        probabilities = self.predicted(raw)
        bits = tf.constant([2**place for place in range(self._columns.classes)], tf.int64)
        answered = tf.cast(probabilities >= ANSWERED_FROM, tf.int64)
        return {PROBABILITIES: probabilities, SET_ID: tf.reduce_sum(answered * bits, axis=1)}


class NumberSignatures(SignatureModule):
    """A number within what the contract says it can be, and an interval around it; `regress` gives the number alone."""

    own, method = REGRESS, "tensorflow/serving/regress"
    intervals: Intervals | None = None

    def answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """The number, its interval's ends and the share of rows that such intervals hold, each (batch,) float32.

        Raises:
            ValueError: the intervals were not learnt yet.
        """
        if self.intervals is None:
            raise ValueError("the intervals were not learnt")
        numbers = self.numbers(raw)
        lower, upper = self.intervals.ends(numbers)
        level = tf.fill(tf.shape(numbers), tf.constant(self._columns.interval, tf.float32))
        return {PREDICTION: numbers, LOWER: self._possible(lower), UPPER: self._possible(upper), LEVEL: level}

    def own_answer(self, raw: dict[str, tf.Tensor]) -> Answer:
        """The number (batch,)."""
        return {"outputs": self.numbers(raw)}

    def numbers(self, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        """The number of each row, (batch,) float32."""
        return self._possible(self.predicted(raw)[:, 0])

    def learn(self, held_out: Path, weights: Mapping[str, float] | None = None) -> None:
        """Learn the intervals."""
        numbers, labels, counted = self.half_of(held_out, weights, self.numbers)
        self.intervals = learn_intervals(numbers, labels, self._columns.interval, counted)

    def _possible(self, numbers: tf.Tensor) -> tf.Tensor:
        """Numbers that the contract says cannot be, moved to the nearest that can: never further from a label."""
        lowest, highest = self._columns.lowest, self._columns.highest
        if lowest is None or highest is None:
            return numbers
        return tf.clip_by_value(numbers, lowest, highest)


SIGNATURES: dict[Task, type[ClassSignatures] | type[NumberSignatures]] = {
    "classification": ClassSignatures, "regression": NumberSignatures, "multilabel": SetSignatures
}  # fmt: skip


def save_model(
    folder: Path, served: SignatureModule, columns: Columns, vocabularies: Mapping[str, Sequence[str]]
) -> None:
    """Write the SavedModel. `vocabularies`: what was learnt of features and words, the commonest first."""
    signatures: dict[str, Any] = {
        SERVING: served.serve_columns.get_concrete_function(**_column_specs(columns.features)),
        EXAMPLES: served.serve_examples,
        served.own: served.serve_own,
    }
    categories = {
        name: values[:MOST_VALUES]
        for name, values in vocabularies.items()
        if columns.features[name].role == "categorical" and values
    }
    if categories:
        signatures[LEARNT_VALUES] = _learnt_values(categories)
    tf.saved_model.save(served, str(folder), signatures=signatures)
    # `tf.saved_model.save` writes the predict method for every signature; TF Serving's APIs want their own.
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    updater.replace_method_name(signature_key=served.own, method_name=served.method)
    updater.save()


def _learnt_values(categories: Mapping[str, Sequence[str]]) -> Any:
    """A function of names of features (batch,): the values learnt of each (batch, most), filled up with ''."""
    longest = max(map(len, categories.values()))
    table = [[*values, *[""] * (longest - len(values))] for values in (*categories.values(), ())]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="features")])
    def learnt_values(features: tf.Tensor) -> dict[str, tf.Tensor]:
        named = tf.cast(tf.equal(tf.reshape(features, [-1, 1]), tf.constant(list(categories))), tf.int64)
        unknown = tf.ones_like(named[:, :1])
        return {"values": tf.gather(tf.constant(table), tf.argmax(tf.concat([named, unknown], axis=1), axis=1))}

    return learnt_values


def _column_specs(features: dict[str, Feature]) -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([None], DTYPES[feature.carried_as], name=name) for name, feature in features.items()}
