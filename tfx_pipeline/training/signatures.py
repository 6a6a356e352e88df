"""The exported model: raw columns in, class probabilities out, in the three forms TensorFlow Serving asks for.

Where categories were learnt it also says which: its own graph knows them by their hashes alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from lakeloop.contract import Feature
from tfx_pipeline.training.columns import Columns
from tfx_pipeline.training.fitted import Fitted
from tfx_pipeline.training.raw_features import DTYPES, example_spec
from tfx_pipeline.training.signature_names import CLASS_ID, CLASSIFY, EXAMPLES, LEARNT_VALUES, PROBABILITIES, SERVING

MOST_VALUES = 1_000
"""Values that a model tells of a feature: as many as a form can suggest."""
CLASSIFY_METHOD = "tensorflow/serving/classify"


class SignatureModule(tf.Module):
    """A trained model behind its Transform graph. It accepts every feature; dropped ones have no effect.

    But where the event time is dropped, ages of other features are still counted to it.
    """

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
        self._class_names = columns.class_names

    # There is no Python control flow to convert; without autograph the export traces in half the time.

    def probabilities(self, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        """Raw features, each (batch,), stand-ins for missing ones -> probabilities (batch, classes) float32."""
        transformed = self._transformed(dict(raw))
        return self._predict(tf.concat([transformed[name] for name in self._used], axis=1))

    @tf.function(autograph=False)
    def serve_columns(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One tensor (batch,) a feature."""
        return _answer(self.probabilities(raw))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialised tf.Examples (batch,)."""
        return _answer(self.probabilities(tf.io.parse_example(examples, self._examples)))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialised tf.Examples (batch,) -> class names and scores, each (batch, classes)."""
        scores = self.probabilities(tf.io.parse_example(inputs, self._examples))
        classes = tf.broadcast_to(tf.constant([self._class_names]), tf.shape(scores))
        return {"classes": classes, "scores": scores}


def save_model(
    folder: Path,
    model: Fitted,
    transform: tft.TFTransformOutput,
    columns: Columns,
    used: Sequence[str],
    vocabularies: Mapping[str, Sequence[str]],
) -> None:
    """Write the SavedModel. `used`: the transformed columns the model was trained on, in order.

    `vocabularies`: what was learnt of features and words, the commonest first.
    """
    served = SignatureModule(model, transform, columns, used)
    signatures: dict[str, Any] = {
        SERVING: served.serve_columns.get_concrete_function(**_column_specs(columns.features)),
        EXAMPLES: served.serve_examples,
        CLASSIFY: served.classify,
    }
    categories = {
        name: values[:MOST_VALUES]
        for name, values in vocabularies.items()
        if columns.features[name].role == "categorical" and values
    }
    if categories:
        signatures[LEARNT_VALUES] = _learnt_values(categories)
    tf.saved_model.save(served, str(folder), signatures=signatures)
    # `tf.saved_model.save` writes the predict method for every signature; TF Serving's classify API wants its own.
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    updater.replace_method_name(signature_key=CLASSIFY, method_name=CLASSIFY_METHOD)
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


def _answer(probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
    return {PROBABILITIES: probabilities, CLASS_ID: tf.argmax(probabilities, axis=1, output_type=tf.int64)}
