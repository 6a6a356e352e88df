"""The gRPC port, asked by a stock client: the stubs of tensorflow-serving-api and nothing of ours.

Where TensorFlow Serving's own tests say what the answer is, the test names them; all are @ 9d981c5.
"""

import concurrent.futures
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from lakeloop.settings import PROJECT
from serving.model_server.process import RunningServer

MODEL = "half_plus_two"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=options) as opened:
        yield opened


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(
    model: str = MODEL, signature: str = "", version: int | None = None, **inputs: Any
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        made = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(made)
    return request


def on_examples(
    request: Any, *values: float, model: str = MODEL, signature: str = "", context: float | None = None
) -> Any:
    request.model_spec.name, request.model_spec.signature_name = model, signature
    fill(request.input, *values, context=context)
    return request


def fill(given: Any, *values: float, context: float | None = None) -> None:
    if context is None:
        given.example_list.SetInParent()
        examples = given.example_list.examples
    else:
        given.example_list_with_context.context.features.feature["x"].float_list.value.append(context)
        examples = given.example_list_with_context.examples
    for value in values:
        example = examples.add()
        if not np.isnan(value):
            example.features.feature["x"].float_list.value.append(value)


def refused(call: Callable[[Any], Any], request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code(), caught.value.details()


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_predict_answers_in_typed_fields(stub: Any) -> None:
    """predict_util_test.cc (PredictionSuccess)."""
    answer = stub.Predict(predict_request(x=floats([2.0])))
    assert answer.model_spec.name == MODEL
    assert answer.model_spec.version.value == 123
    assert answer.model_spec.signature_name == "serving_default"
    assert dict(answer.outputs) == {"y": tf.make_tensor_proto(floats([3.0]))}
    assert list(answer.outputs["y"].float_val) == [3.0]


def test_predict_with_regression_and_classification_signatures(stub: Any) -> None:
    """predict_util_test.cc (PredictionWithNamedRegressionSignature, PredictionWithNamedClassificationSignature)."""
    answer = stub.Predict(predict_request(signature="regress_x2_to_y3", inputs=floats([20.0])))
    assert list(answer.outputs["outputs"].float_val) == [13.0]
    assert answer.model_spec.signature_name == "regress_x2_to_y3"
    answer = stub.Predict(predict_request(signature="classify_x2_to_y3", inputs=floats([10.0])))
    assert list(answer.outputs["scores"].float_val) == [8.0]


def test_every_type_comes_back_as_it_was_sent(stub: Any) -> None:
    sent = {
        "int32": np.array([[1, -2]], np.int32), "int64": np.array([2**62], np.int64), "int8": np.array([-128], np.int8),
        "uint8": np.array([255], np.uint8), "uint32": np.array([2**32 - 1], np.uint32),
        "uint64": np.array([2**64 - 1], np.uint64), "float": floats(1.5, np.nan, np.inf),
        "double": np.array(1e300), "bool": np.array([True, False]), "half": np.array([0.5, 65504], np.float16),
        "string": np.array([b"\xff\x00", "ü".encode()], object),
    }  # fmt: skip
    for name, array in sent.items():
        answer = stub.Predict(predict_request(f"echo_{name}", default=array))
        back = tf.make_ndarray(answer.outputs["default"])
        np.testing.assert_array_equal(back, array)
        assert back.shape == array.shape and back.dtype == array.dtype, name


def test_tensors_may_come_as_content_or_as_one_value_for_all(stub: Any) -> None:
    content = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=floats(2.0, 4.0).tobytes())
    content.tensor_shape.dim.add(size=2)
    assert list(stub.Predict(predict_request(x=content)).outputs["y"].float_val) == [3.0, 4.0]
    one = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[2.0])
    one.tensor_shape.dim.add(size=3)
    assert list(stub.Predict(predict_request(x=one)).outputs["y"].float_val) == [3.0, 3.0, 3.0]
    none = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
    none.tensor_shape.dim.add(size=1)
    assert list(stub.Predict(predict_request(x=none)).outputs["y"].float_val) == [2.0]


def test_output_filter_chooses_outputs(stub: Any) -> None:
    """predict_util_test.cc (OutputFiltersDontMatchModelSpecOutputs)."""
    request = predict_request("many_out", x=floats(1.0, 2.0))
    assert len(stub.Predict(request).outputs) == 5
    request.output_filter.append("float_tensor")
    assert list(stub.Predict(request).outputs) == ["float_tensor"]
    request.output_filter.append("float_tensor")
    assert refused(stub.Predict, request) == (Code.INVALID_ARGUMENT, "duplicate output tensor alias: float_tensor")
    request.output_filter[:] = ["output_filter"]
    code, text = refused(stub.Predict, request)
    assert code is Code.INVALID_ARGUMENT
    assert text.startswith("output tensor alias not found in signature: output_filter Outputs expected to be in")


WRONG_PREDICTS: dict[str, tuple[predict_pb2.PredictRequest, grpc.StatusCode, str]] = {
    # predict_impl_test.cc (MissingOrEmptyModelSpec)
    "no model spec": (predict_pb2.PredictRequest(), Code.INVALID_ARGUMENT, "Missing ModelSpec"),
    "no model name": (predict_request(""), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
    "unknown model": (predict_request("foo"), Code.NOT_FOUND, "Servable not found for request: Latest(foo)"),
    "unknown version": (
        predict_request(version=9, x=floats(1.0)), Code.NOT_FOUND,
        "Servable not found for request: Specific(half_plus_two, 9)",
    ),
    "unknown signature": (
        predict_request(signature="nosuch"), Code.FAILED_PRECONDITION, 'Serving signature key "nosuch" not found.',
    ),
    "no input": (
        predict_request(), Code.INVALID_ARGUMENT,
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
    ),
    # predict_util_test.cc (InputTensorsDontMatchModelSpecInputs)
    "other inputs": (
        predict_request(unknown_key1="any_value", unknown_key2="any_value"), Code.INVALID_ARGUMENT,
        "Sent extra: {unknown_key1,unknown_key2}. Missing but required: {x}.",
    ),
    "wrong input name": (predict_request(y=floats(1.0)), Code.INVALID_ARGUMENT, "Signature input alias: x"),
    # predict_util_test.cc (InputTensorsHaveWrongType, PredictionInvalidTensor)
    "text for float": (
        predict_request(x="any_value"), Code.INVALID_ARGUMENT, "Expects arg[0] to be float but string is provided",
    ),
    "bool for float": (
        predict_request(x=True), Code.INVALID_ARGUMENT, "Expects arg[0] to be float but bool is provided",
    ),
    "double for float": (predict_request(x=np.array([1.0])), Code.INVALID_ARGUMENT, "to be float but double is"),
    "empty tensor": (
        predict_request(x=tensor_pb2.TensorProto()), Code.INVALID_ARGUMENT, "tensor parsing error: x",
    ),
    "shape the graph refuses": (
        predict_request("drivers", **{
            name: floats(*[1.0] * (2 if name == "age" else 1))
            for name in ("training", "age", "emergency_braking", "braking_distance", "power", "miles")
        }),
        Code.INVALID_ARGUMENT, "Shapes of all inputs must match",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_PREDICTS)
def test_wrong_predicts_get_the_right_status(stub: Any, case: str) -> None:
    request, code, text = WRONG_PREDICTS[case]
    got, details = refused(stub.Predict, request)
    assert got is code
    assert text in details


def hostile(dtype: int, sizes: list[int], **fields: Any) -> predict_pb2.PredictRequest:
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return predict_request(x=proto)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (hostile(types_pb2.DT_FLOAT, [-1], float_val=[1.0]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_FLOAT, [2**40], float_val=[1.0]), Code.RESOURCE_EXHAUSTED),
        (hostile(types_pb2.DT_FLOAT, [2**40, 2**40], float_val=[1.0]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_FLOAT, [0, 2**62, 2**62]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_STRING, [0, 2**62, 2**62]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_STRING, [2**40], string_val=[b"x"]), Code.RESOURCE_EXHAUSTED),
        (hostile(types_pb2.DT_FLOAT, [3], tensor_content=b"12345"), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_STRING, [1], tensor_content=b"12345"), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_FLOAT, [1] * 300, float_val=[1.0]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_RESOURCE, [1]), Code.INVALID_ARGUMENT),
        (hostile(types_pb2.DT_VARIANT, [1]), Code.INVALID_ARGUMENT),
        (hostile(9999, [1]), Code.INVALID_ARGUMENT),
        (predict_request("m" * 5000), Code.NOT_FOUND),
        (predict_request(version=-1), Code.NOT_FOUND),
    ],
)
def test_hostile_predicts_are_refused_and_the_server_lives(stub: Any, request_: Any, code: grpc.StatusCode) -> None:
    got, details = refused(stub.Predict, request_)
    assert got is code
    assert "Traceback" not in details and len(details) <= 1024 + len("...TRUNCATED")
    assert list(stub.Predict(predict_request(x=floats(2.0))).outputs["y"].float_val) == [3.0]


def test_an_output_that_is_not_asked_for_is_not_computed(stub: Any) -> None:
    """tensorflow/serving tensorflow_serving/servables/tensorflow/predict_util.cc (PreProcessPrediction) @ 9d981c5."""
    request = predict_request("cheap_or_refused", x=floats(-1.0))
    code, text = refused(stub.Predict, request)
    assert code is Code.INVALID_ARGUMENT and "Condition x > 0 did not hold" in text
    request.output_filter.append("cheap")
    answer = stub.Predict(request)
    assert list(answer.outputs) == ["cheap"]
    assert list(answer.outputs["cheap"].float_val) == [0.0]


@pytest.mark.parametrize(
    ("dtype", "field", "numpy_type"),
    [
        (tf.float32, "float_val", np.float32), (tf.float64, "double_val", np.float64),
        (tf.float32, "tensor_content", np.float32),
    ],
)  # fmt: skip
def test_many_values_come_back_as_they_were_sent(stub: Any, dtype: tf.DType, field: str, numpy_type: type) -> None:
    values = np.linspace(-1, 1, 100_000).astype(numpy_type)
    values[5] = np.nan
    sent = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    sent.tensor_shape.dim.add(size=len(values))
    if field == "tensor_content":
        sent.tensor_content = values.tobytes()
    else:
        getattr(sent, field).extend(values.tolist())
    answer = stub.Predict(predict_request("echo_float" if dtype is tf.float32 else "echo_double", default=sent))
    (got,) = answer.outputs.values()
    assert not got.tensor_content, "TensorFlow Serving answers in the field of the type"
    np.testing.assert_array_equal(tf.make_ndarray(got), values)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("int8", "int_val"), ("uint8", "int_val"), ("int32", "int_val"), ("int64", "int64_val"),
        ("uint32", "uint32_val"), ("uint64", "uint64_val"), ("bool", "bool_val"), ("half", "half_val"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("most", [1, 127, 128, None])
def test_many_whole_numbers_come_back_as_they_were_sent(stub: Any, name: str, field: str, most: int | None) -> None:
    """Up to 127 in one byte each; then with all that the type can be, below zero too."""
    dtype = tf.half if name == "half" else tf.as_dtype(name)
    if name == "half":
        values = np.linspace(0, most or -60_000, 1000).astype(np.float16)
    else:
        lowest, highest = (0, 1) if name == "bool" else (int(dtype.min), int(dtype.max))
        low, top = (lowest, highest) if most is None else (0, min(highest, most))
        values = np.array([low + (top - low) * step // 999 for step in range(1000)], dtype.as_numpy_dtype)
    sent = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in (10, 100):
        sent.tensor_shape.dim.add(size=size)
    getattr(sent, field).extend(values.view(np.uint16).tolist() if name == "half" else values.tolist())
    (got,) = stub.Predict(predict_request(f"echo_{name}", default=sent)).outputs.values()
    assert len(getattr(got, field)) == 1000, "TensorFlow Serving answers in the field of the type"
    np.testing.assert_array_equal(tf.make_ndarray(got), values.reshape(10, 100))


def test_typed_fields_cost_the_server_about_as_much_as_packed_bytes(server: RunningServer, stub: Any) -> None:
    """Ten times more when each value becomes a Python object. CPU time, of which other work takes nothing away."""
    process = psutil.Process(server.process.pid)
    values = np.linspace(-1, 1, 1_000_000).astype(np.float32)
    packed = tf.make_tensor_proto(values)
    typed = tensor_pb2.TensorProto(dtype=packed.dtype, tensor_shape=packed.tensor_shape, float_val=values.tolist())

    def cost(sent: tensor_pb2.TensorProto) -> float:
        request = predict_request("echo_float", default=sent)
        before = sum(process.cpu_times()[:2])
        for _ in range(20):
            stub.Predict(request)
        return sum(process.cpu_times()[:2]) - before

    cost(packed)  # what is done once
    assert cost(typed) < 3 * cost(packed)


def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel, stub: Any) -> None:
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    code, _ = refused(call, b"\xff\xff\xff\xff")
    assert code in (Code.INTERNAL, Code.INVALID_ARGUMENT)
    code, _ = refused(channel.unary_unary("/tensorflow.serving.PredictionService/Nothing"), b"")
    assert code is Code.UNIMPLEMENTED
    assert list(stub.Predict(predict_request(x=floats(2.0))).outputs["y"].float_val) == [3.0]


def test_classify_gives_scores_and_labels(stub: Any) -> None:
    """classifier_test.cc (ScoresOnly) and tensorflow_model_server_test.py (testClassify)."""
    request = on_examples(classification_pb2.ClassificationRequest(), 2.0, 20.0, signature="classify_x_to_y")
    answer = stub.Classify(request)
    assert [[(c.label, c.score) for c in row.classes] for row in answer.result.classifications] == [
        [("", 3.0)],
        [("", 12.0)],
    ]
    assert (answer.model_spec.name, answer.model_spec.version.value) == (MODEL, 123)
    assert answer.model_spec.signature_name == "classify_x_to_y"
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "echo_classes"
    example = request.input.example_list.examples.add()
    example.features.feature["scores"].float_list.value.extend([0.25, 0.5, 0.25])
    example.features.feature["labels"].bytes_list.value.extend([b"car", b"bike", b"bus"])
    row = stub.Classify(request).result.classifications[0]
    assert [(c.label, c.score) for c in row.classes] == [("car", 0.25), ("bike", 0.5), ("bus", 0.25)]


def test_regress_merges_the_context_into_each_example(stub: Any) -> None:
    """regressor_test.cc (ExampleListWithContext, ExampleListWithContext_DuplicateFeatures)."""
    request = regression_pb2.RegressionRequest()
    answer = stub.Regress(on_examples(request, 80.0, np.nan, signature="regress_x_to_y", context=4.0))
    assert [item.value for item in answer.result.regressions] == [42.0, 4.0]
    assert answer.model_spec.signature_name == "regress_x_to_y"


def test_classify_and_regress_refuse_as_over_rest(stub: Any) -> None:
    """classifier_test.cc and regressor_test.cc (EmptyInput, EmptyExampleList, InvalidNamedSignature)."""
    for call, make, signature in (
        (stub.Classify, classification_pb2.ClassificationRequest, "classify_x_to_y"),
        (stub.Regress, regression_pb2.RegressionRequest, "regress_x_to_y"),
    ):
        assert refused(call, make()) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")
        request = make()
        request.model_spec.name, request.model_spec.signature_name = MODEL, signature
        assert refused(call, request) == (Code.INVALID_ARGUMENT, "Input is empty.")
        assert refused(call, on_examples(make(), signature=signature)) == (Code.INVALID_ARGUMENT, "Input is empty.")
        empty = on_examples(make(), signature=signature, context=1.0)
        assert refused(call, empty) == (Code.INVALID_ARGUMENT, "Input is empty.")
        assert refused(call, on_examples(make(), 1.0, signature="nosuch")) == (
            Code.INVALID_ARGUMENT,
            "No signature was found with the name: nosuch",
        )
        code, text = refused(call, on_examples(make(), 1.0))
        assert code is Code.INVALID_ARGUMENT and "inputs found in SignatureDef" in text
        code, text = refused(call, on_examples(make(), np.nan, signature=signature))
        assert code is Code.INVALID_ARGUMENT and "Feature: x (data type: float) is required" in text
        assert refused(call, on_examples(make(), 1.0, model="foo"))[0] is Code.NOT_FOUND


def multi_request(*tasks: tuple[str, str, str], values: tuple[float, ...] = (2.0,)) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    if values:
        fill(request.input, *values)
    return request


def test_multi_inference_asks_several_signatures_at_once(stub: Any) -> None:
    """multi_inference_test.cc (RegressAndClassifySignaturesTest)."""
    tasks = [(MODEL, "regress_x_to_y", REGRESS), (MODEL, "classify_x_to_y", CLASSIFY)]
    results = stub.MultiInference(multi_request(*tasks)).results
    assert [result.model_spec.signature_name for result in results] == ["regress_x_to_y", "classify_x_to_y"]
    assert results[0].regression_result.regressions[0].value == 3.0
    assert results[1].classification_result.classifications[0].classes[0].score == 3.0
    assert results[1].model_spec.version.value == 123


def test_multi_inference_refuses_what_tensorflow_serving_refuses(stub: Any) -> None:
    """multi_inference_test.cc, one case each."""
    good = (MODEL, "regress_x_to_y", REGRESS)
    for request, code, text in (
        (inference_pb2.MultiInferenceRequest(), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (multi_request(good, values=()), Code.INVALID_ARGUMENT, "Input is empty."),
        (
            multi_request((MODEL, "ThisSignatureDoesNotExist", REGRESS)), Code.INVALID_ARGUMENT,
            "Requested signature not found in model graph: ThisSignatureDoesNotExist",
        ),
        (
            multi_request(good, ("ModelDoesNotExist", "regress_x_to_y2", REGRESS)), Code.INVALID_ARGUMENT,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (multi_request(good, ("", "x", REGRESS)), Code.INVALID_ARGUMENT, "Found ModelSpec with an empty model name."),
        (multi_request(good, good), Code.INVALID_ARGUMENT, "Duplicate evaluation of signature: regress_x_to_y"),
        (
            multi_request((MODEL, "", "tensorflow/serving/predict")), Code.UNIMPLEMENTED,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        (
            multi_request(("nosuch", "regress_x_to_y", REGRESS)), Code.NOT_FOUND,
            "Servable not found for request: Latest(nosuch)",
        ),
    ):  # fmt: skip
        assert refused(stub.MultiInference, request) == (code, text)


def metadata_request(*fields: str, model: str = MODEL) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_metadata_gives_the_signatures(stub: Any, saved_models: Path) -> None:
    """get_model_metadata_impl_test.cc (ReturnsSignaturesForValidModel)."""
    answer = stub.GetModelMetadata(metadata_request("signature_def"))
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["regress_x_to_y"].method_name == REGRESS
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == types_pb2.DT_FLOAT
    assert (answer.model_spec.name, answer.model_spec.version.value) == (MODEL, 123)
    assert refused(stub.GetModelMetadata, metadata_request()) == (
        Code.INVALID_ARGUMENT,
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    assert refused(stub.GetModelMetadata, metadata_request("some_stuff")) == (
        Code.INVALID_ARGUMENT,
        "Metadata field some_stuff is not supported",
    )
    assert refused(stub.GetModelMetadata, metadata_request("signature_def", model="foo"))[0] is Code.NOT_FOUND
    missing = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    assert refused(stub.GetModelMetadata, missing) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")


def test_status_tells_the_state_of_versions(models: Any) -> None:
    """get_model_status_impl_test.cc and tensorflow_model_server_test.py (testGetModelStatus)."""
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refused(models.GetModelStatus, request) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")
    request.model_spec.name = MODEL
    for _ in range(2):
        (status,) = models.GetModelStatus(request).model_version_status
        assert (status.version, status.state) == (123, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
        assert (status.status.error_code, status.status.error_message) == (0, "")
        request.model_spec.version.value = 123
    request.model_spec.version.value = 9
    expected = f"Could not find version 9 of model {MODEL}"
    assert refused(models.GetModelStatus, request) == (Code.NOT_FOUND, expected)


def test_many_clients_at_once_get_their_own_answers(stub: Any) -> None:
    def ask(number: int) -> float:
        return float(stub.Predict(predict_request(x=floats(number))).outputs["y"].float_val[0])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(400))) == [number / 2 + 2 for number in range(400)]


def test_taken_grpc_port_is_one_sentence_and_code_1(server: RunningServer, tmp_path: Path) -> None:
    port = server.grpc.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "serving.model_server", "--model", f"m={tmp_path}", "--port", "0", "--grpc-port", port],
        capture_output=True, text=True, cwd=PROJECT, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"port {port} on 127.0.0.1 is taken by another process; stop it or give the model server another port "
        "(0 takes any free one)\n"
    )
