"""Classify, regress and several of both at once on serialised tf.Examples, for REST and gRPC alike.

A signature serves an API if its inputs and outputs have that API's names; its method name is not looked at,
as in TensorFlow Serving unless it is started with `--enable_signature_method_name_check`.
Source: tensorflow/serving tensorflow_serving/servables/tensorflow/classifier.cc, regressor.cc and util.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.saved_model import SavedModel
from serving.model_server.signatures import DEFAULT_SIGNATURE, Signature
from serving.model_server.status import invalid

CLASSIFY_METHOD, REGRESS_METHOD = "tensorflow/serving/classify", "tensorflow/serving/regress"
INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"


@dataclass(frozen=True)
class Classes:
    """For each example its classes: labels (examples, classes) of bytes, scores (examples, classes) float32.

    At least one of the two is there; a missing label is '', a missing score 0.
    """

    labels: np.ndarray | None
    scores: np.ndarray | None

    def rows(self) -> list[list[tuple[bytes, float]]]:
        """The classes of each example as (label, score)."""
        known = self.scores if self.labels is None else self.labels
        assert known is not None
        labels = np.full(known.shape, b"", dtype=object) if self.labels is None else self.labels
        scores = np.zeros(known.shape, np.float32) if self.scores is None else self.scores
        return [list(zip(*row, strict=True)) for row in zip(labels, scores, strict=True)]


def classify(
    loaded: LoadedVersion, signature_name: str, examples: Sequence[bytes], deadline: float | None = None
) -> Classes:
    """Classes and scores by the signature of that name ('' is the default). Raises RequestError."""
    signature = _found(loaded.model, signature_name)
    check_classification(signature, loaded.model.signature_defs[signature.name])
    return classes_of(signature, run(loaded, "Classify", signature, examples, deadline), len(examples))


def regress(
    loaded: LoadedVersion, signature_name: str, examples: Sequence[bytes], deadline: float | None = None
) -> np.ndarray:
    """One float32 an example by the signature of that name ('' is the default). Raises RequestError."""
    signature = _found(loaded.model, signature_name)
    check_regression(signature, loaded.model.signature_defs[signature.name])
    return values_of(run(loaded, "Regress", signature, examples, deadline), len(examples))


def run(
    loaded: LoadedVersion, api: str, signature: Signature, examples: Sequence[bytes], deadline: float | None = None
) -> dict[str, np.ndarray]:
    """The outputs these APIs know, each (examples, …), of a signature whose one input takes serialised tf.Examples.

    Raises:
        RequestError: there are no examples, or the model cannot answer them.
    """
    if not examples:
        raise invalid("Input is empty.")
    serialised = np.empty(len(examples), dtype=object)
    serialised[:] = examples
    known = [output.name for output in signature.outputs if output.name in (CLASSES, SCORES, OUTPUTS)]
    return loaded.run(api, signature, {INPUTS: serialised}, known, deadline)


def check_classification(signature: Signature, definition: meta_graph_pb2.SignatureDef) -> None:
    """Raises RequestError for a signature without `inputs` or without `classes` and `scores`."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if signature.inputs[0].name != INPUTS:
        raise invalid(f"No classification inputs found in SignatureDef: {_text(definition)}")
    if not {CLASSES, SCORES} & {output.name for output in signature.outputs}:
        raise invalid(
            f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}". '
            f"Signature was: {_text(definition)}"
        )


def check_regression(signature: Signature, definition: meta_graph_pb2.SignatureDef) -> None:
    """Raises RequestError for a signature that is not one input `inputs` and one output `outputs`."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if signature.inputs[0].name != INPUTS:
        raise invalid(f"No regression inputs found in SignatureDef: {_text(definition)}")
    if signature.outputs[0].name != OUTPUTS:
        raise invalid(f"No regression outputs found in SignatureDef: {_text(definition)}")


def classes_of(signature: Signature, outputs: dict[str, np.ndarray], count: int) -> Classes:
    """The outputs of a classification signature for `count` examples. Raises RequestError."""
    names = {output.name for output in signature.outputs}
    labels = outputs[CLASSES] if CLASSES in names else None
    scores = outputs[SCORES] if SCORES in names else None
    for array, name, wanted in ((labels, CLASSES, "DT_STRING"), (scores, SCORES, "DT_FLOAT")):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if _dtype(array) != wanted:
            raise invalid(f"Expected {name} Tensor of {wanted}. Got: {_dtype(array)}")
        if len(array) != count:
            raise invalid(f"Expected {name} output batch size of {count}. Got: {len(array)}")
    if labels is not None and scores is not None and labels.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    return Classes(labels, scores)


def values_of(outputs: dict[str, np.ndarray], count: int) -> np.ndarray:
    """The output of a regression signature for `count` examples, (count,). Raises RequestError."""
    array = outputs[OUTPUTS]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}"
        )
    if len(array) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(array)}")
    if _dtype(array) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_dtype(array)}")
    return array.reshape(-1)


def _found(model: SavedModel, name: str) -> Signature:
    wanted = name or DEFAULT_SIGNATURE
    if wanted not in model.signatures:
        raise invalid(f"No signature was found with the name: {wanted}")
    return model.signatures[wanted]


def _text(definition: meta_graph_pb2.SignatureDef) -> str:
    return text_format.MessageToString(definition)


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _dtype(array: np.ndarray) -> str:
    if array.dtype == object:
        return "DT_STRING"
    return types_pb2.DataType.Name(tf.dtypes.as_dtype(array.dtype).as_datatype_enum)
