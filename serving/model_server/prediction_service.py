"""gRPC's PredictionService: Predict, Classify, Regress, MultiInference and GetModelMetadata.

Source: tensorflow/serving tensorflow_serving/servables/tensorflow/predict_util.cc, multi_inference.cc and
get_model_metadata_impl.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    input_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.model_server import inference, model_spec
from serving.model_server.examples_input import with_context
from serving.model_server.lifecycle import Lifecycle
from serving.model_server.saved_model import SavedModel
from serving.model_server.served_model import LoadedVersion
from serving.model_server.signatures import DEFAULT_SIGNATURE, Signature
from serving.model_server.status import Code, RequestError, invalid
from serving.model_server.tensor_proto import to_array, to_proto

Outcome = TypeVar("Outcome")

SIGNATURE_DEF = "signature_def"
"""The one metadata field there is."""


class PredictionService:
    """Each method answers one request message or raises RequestError."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Named tensors in, named tensors out."""
        _check_spec(request)
        asked = request.model_spec.signature_name or DEFAULT_SIGNATURE
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            signature = loaded.model.signatures.get(asked)
            if signature is None:
                raise RequestError(Code.FAILED_PRECONDITION, f'Serving signature key "{asked}" not found.')
            inputs = _inputs(request, signature, loaded.model.signature_defs[asked])
            wanted = _outputs(request.output_filter, signature)
            outputs = loaded.run("Predict", signature, inputs)
            answer = predict_pb2.PredictResponse(model_spec=model_spec.answered_by(loaded, asked))
        for name in wanted:
            answer.outputs[name].CopyFrom(to_proto(outputs[name]))
        return answer

    def classify(self, request: classification_pb2.ClassificationRequest) -> classification_pb2.ClassificationResponse:
        """Classes and scores of each example."""
        answer = classification_pb2.ClassificationResponse()
        _fill_classes(answer.result, self._infer(inference.classify, request, answer))
        return answer

    def regress(self, request: regression_pb2.RegressionRequest) -> regression_pb2.RegressionResponse:
        """One value for each example."""
        answer = regression_pb2.RegressionResponse()
        _fill_values(answer.result, self._infer(inference.regress, request, answer))
        return answer

    def _infer(
        self, infer: Callable[[LoadedVersion, str, Sequence[bytes]], Outcome], request: Any, answer: Any
    ) -> Outcome:
        """Runs the signature asked for on the request's examples and says in the answer which version it was."""
        _check_spec(request)
        asked = request.model_spec.signature_name
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            outcome = infer(loaded, asked, _examples(request.input))
            answer.model_spec.CopyFrom(model_spec.answered_by(loaded, asked))
        return outcome

    def multi_inference(self, request: inference_pb2.MultiInferenceRequest) -> inference_pb2.MultiInferenceResponse:
        """Several signatures of one model on the same examples."""
        spec = request.tasks[0].model_spec if request.tasks else inference_pb2.InferenceTask().model_spec
        answer = inference_pb2.MultiInferenceResponse()
        with model_spec.use(self._lifecycle, spec) as loaded:
            signatures = _task_signatures(request.tasks, loaded.model)
            examples = _examples(request.input)
            for task, signature in zip(request.tasks, signatures, strict=True):
                outputs = inference.run(loaded, "MultiInference", signature, examples)
                result = answer.results.add(model_spec=model_spec.answered_by(loaded, signature.name))
                if task.method_name == inference.CLASSIFY_METHOD:
                    classes = inference.classes_of(signature, outputs, len(examples))
                    _fill_classes(result.classification_result, classes)
                else:
                    _fill_values(result.regression_result, inference.values_of(outputs, len(examples)))
        self._lifecycle.metrics.examples(spec.name, len(examples))
        return answer

    def get_model_metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures as they stand in saved_model.pb."""
        _check_spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_DEF:
                raise invalid(f"Metadata field {name} is not supported")
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=loaded.model.signature_defs)
            answer = get_model_metadata_pb2.GetModelMetadataResponse(
                model_spec=model_spec.answered_by(loaded, signature_name=None)
            )
        answer.metadata[SIGNATURE_DEF].Pack(signatures)
        return answer


def _check_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def _inputs(
    request: predict_pb2.PredictRequest, signature: Signature, definition: meta_graph_pb2.SignatureDef
) -> dict[str, np.ndarray]:
    names, sent = [spec.name for spec in signature.inputs], request.inputs
    if len(sent) > len(names) or (len(sent) < len(names) and not definition.defaults):
        extra, missing = sorted(set(sent) - set(names)), sorted(set(names) - set(sent))
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(names)} len({{{','.join(sorted(sent))}}}) != "
            f"len({{{','.join(names)}}}). Sent extra: {{{','.join(extra)}}}. "
            f"Missing but required: {{{','.join(missing)}}}."
        )
    arrays: dict[str, np.ndarray] = {}
    for spec in signature.inputs:
        if spec.name in sent:
            arrays[spec.name] = to_array(sent[spec.name], spec.name)
        elif spec.name in definition.defaults:
            arrays[spec.name] = to_array(definition.defaults[spec.name], spec.name)
        else:
            raise invalid(
                f"Signature input alias: {spec.name}(feed name: {spec.tensor}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{','.join(sorted(sent))}}}, or default "
                f"input alias set: {','.join(sorted(definition.defaults))}"
            )
    used = sorted(set(sent) & set(names))
    if len(used) != len(sent):
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, "
            f"request input: {','.join(sorted(sent))}"
        )
    return arrays


def _outputs(wanted: Sequence[str], signature: Signature) -> list[str]:
    names = [output.name for output in signature.outputs]
    seen: list[str] = []
    for name in wanted:
        if name not in names:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(names)}}}."
            )
        if name in seen:
            raise invalid(f"duplicate output tensor alias: {name}")
        seen.append(name)
    return seen or names


def _task_signatures(tasks: Sequence[inference_pb2.InferenceTask], model: SavedModel) -> list[Signature]:
    """The signature of each task, all checked before the first is run."""
    found: list[Signature] = []
    for task in tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if any(signature.name == name for signature in found):
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in model.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        signature = model.signatures[name]
        if task.method_name == inference.CLASSIFY_METHOD:
            inference.check_classification(signature, model.signature_defs[name])
        elif task.method_name == inference.REGRESS_METHOD:
            inference.check_regression(signature, model.signature_defs[name])
        else:
            raise RequestError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        found.append(signature)
    return found


def _examples(given: input_pb2.Input) -> list[bytes]:
    kind = given.WhichOneof("kind")
    if kind is None:
        return []
    examples = getattr(given, kind).examples
    context = given.example_list_with_context.context.SerializeToString() if kind != "example_list" else b""
    return with_context(context, (example.SerializeToString() for example in examples))


def _fill_classes(result: classification_pb2.ClassificationResult, classes: inference.Classes) -> None:
    for row in classes.rows():
        given = result.classifications.add()
        for label, score in row:
            given.classes.add(label=label.decode("utf-8", "replace"), score=score)


def _fill_values(result: regression_pb2.RegressionResult, values: np.ndarray) -> None:
    for value in values.tolist():
        result.regressions.add(value=value)
