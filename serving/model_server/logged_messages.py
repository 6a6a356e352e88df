"""Requests over REST and their answers as the messages that gRPC would have carried, for the log of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import input_pb2, predict_pb2, prediction_log_pb2

from serving.model_server.inference import Classes
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.messages import answered_by, fill_classes, fill_values
from serving.model_server.tensor_proto import fill_proto


def predict_log(
    loaded: LoadedVersion, signature_name: str, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> prediction_log_pb2.PredictionLog:
    """A Predict request with its tensors, and its answer."""
    log = prediction_log_pb2.PredictionLog()
    pair = log.predict_log
    spec = answered_by(loaded, signature_name)
    pair.request.CopyFrom(predict_pb2.PredictRequest(model_spec=spec))
    pair.response.CopyFrom(predict_pb2.PredictResponse(model_spec=spec))
    for name, array in inputs.items():
        fill_proto(pair.request.inputs[name], array)
    for name, array in outputs.items():
        fill_proto(pair.response.outputs[name], array)
    return log


def classify_log(
    loaded: LoadedVersion, signature_name: str, examples: Sequence[bytes], classes: Classes
) -> prediction_log_pb2.PredictionLog:
    """A Classify request with its serialised tf.Examples, and its answer."""
    log = prediction_log_pb2.PredictionLog()
    pair = log.classify_log
    _fill_request(pair.request, loaded, signature_name, examples)
    pair.response.model_spec.CopyFrom(pair.request.model_spec)
    fill_classes(pair.response.result, classes)
    return log


def regress_log(
    loaded: LoadedVersion, signature_name: str, examples: Sequence[bytes], values: np.ndarray
) -> prediction_log_pb2.PredictionLog:
    """As `classify_log`, of a Regress request."""
    log = prediction_log_pb2.PredictionLog()
    pair = log.regress_log
    _fill_request(pair.request, loaded, signature_name, examples)
    pair.response.model_spec.CopyFrom(pair.request.model_spec)
    fill_values(pair.response.result, values)
    return log


def _fill_request(request: object, loaded: LoadedVersion, signature_name: str, examples: Sequence[bytes]) -> None:
    request.model_spec.CopyFrom(answered_by(loaded, signature_name))  # type: ignore[attr-defined]
    listed = input_pb2.ExampleList(examples=[example_pb2.Example.FromString(example) for example in examples])
    request.input.example_list.CopyFrom(listed)  # type: ignore[attr-defined]
