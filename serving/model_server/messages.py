"""Request messages answered by one loaded version, for the gRPC service and for warm-ups.

Source: tensorflow/serving tensorflow_serving/servables/tensorflow/predict_util.cc, multi_inference.cc.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.exceptions import RequestError
from serving.model_server import inference
from serving.model_server.examples_input import with_context
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.saved_model import SavedModel
from serving.model_server.signatures import DEFAULT_SIGNATURE, Signature
from serving.model_server.status import Code, invalid
from serving.model_server.tensor_proto import fill_proto, to_array


def predict(
    loaded: LoadedVersion, request: predict_pb2.PredictRequest, deadline: float | None, tensor_content: bool = False
) -> predict_pb2.PredictResponse:
    """The answer of a version in use, whatever the request says of model and version; tensors in the fields of their
    types or as packed bytes. Raises RequestError.
    """
    signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = loaded.model.signatures.get(signature_name)
    if signature is None:
        raise RequestError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.')
    inputs = _inputs(request, signature, loaded.model.signature_defs[signature_name])
    wanted = _outputs(request.output_filter, signature)
    outputs = loaded.run("Predict", signature, inputs, wanted, deadline)
    answer = predict_pb2.PredictResponse(model_spec=answered_by(loaded, signature_name))
    for name in wanted:
        fill_proto(answer.outputs[name], outputs[name], tensor_content)
    return answer


def classify(
    loaded: LoadedVersion, request: classification_pb2.ClassificationRequest, deadline: float | None
) -> classification_pb2.ClassificationResponse:
    """As `predict`."""
    signature_name = request.model_spec.signature_name
    classes = inference.classify(loaded, signature_name, _examples(request.input), deadline)
    answer = classification_pb2.ClassificationResponse(model_spec=answered_by(loaded, signature_name))
    fill_classes(answer.result, classes)
    return answer


def regress(
    loaded: LoadedVersion, request: regression_pb2.RegressionRequest, deadline: float | None
) -> regression_pb2.RegressionResponse:
    """As `predict`."""
    signature_name = request.model_spec.signature_name
    values = inference.regress(loaded, signature_name, _examples(request.input), deadline)
    answer = regression_pb2.RegressionResponse(model_spec=answered_by(loaded, signature_name))
    fill_values(answer.result, values)
    return answer


def multi_inference(
    loaded: LoadedVersion, request: inference_pb2.MultiInferenceRequest, deadline: float | None
) -> tuple[inference_pb2.MultiInferenceResponse, int]:
    """As `predict`, and how many examples there were."""
    answer = inference_pb2.MultiInferenceResponse()
    signatures = _task_signatures(request.tasks, loaded.model)
    examples = _examples(request.input)
    for task, signature in zip(request.tasks, signatures, strict=True):
        outputs = inference.run(loaded, "MultiInference", signature, examples, deadline)
        result = answer.results.add(model_spec=answered_by(loaded, signature.name))
        if task.method_name == inference.CLASSIFY_METHOD:
            fill_classes(result.classification_result, inference.classes_of(signature, outputs, len(examples)))
        else:
            fill_values(result.regression_result, inference.values_of(outputs, len(examples)))
    return answer, len(examples)


def answered_by(loaded: LoadedVersion, signature_name: str | None) -> model_pb2.ModelSpec:
    """The spec of an answer: name, version and, unless None, the signature that gave it."""
    spec = model_pb2.ModelSpec(name=loaded.name, signature_name=_signature(signature_name))
    spec.version.value = loaded.version
    return spec


def _signature(name: str | None) -> str:
    return "" if name is None else name or DEFAULT_SIGNATURE


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


def fill_classes(result: classification_pb2.ClassificationResult, classes: inference.Classes) -> None:
    """Writes each example's classes and scores."""
    for row in classes.rows():
        given = result.classifications.add()
        for label, score in row:
            given.classes.add(label=label.decode("utf-8", "replace"), score=score)


def fill_values(result: regression_pb2.RegressionResult, values: np.ndarray) -> None:
    """Writes each example's value."""
    for value in values.tolist():
        result.regressions.add(value=value)
