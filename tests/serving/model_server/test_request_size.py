"""Large requests, compressed requests, and both at once."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.model_server.process import RunningServer
from tests.warm_programs import running_server

STRINGS = "/v1/models/echo_string:predict"
FLOATS = "/v1/models/echo_float:predict"
MEGABYTE = 1024 * 1024
ROW = json.dumps({"instances": [1.5]}).encode()


@pytest.fixture(scope="module")
def narrow(saved_models: Path) -> Iterator[RunningServer]:
    """A server that takes two megabytes."""
    models = {name: saved_models / name for name in ("echo_string", "echo_float")}
    with running_server(models, flags=("--max_request_megabytes=2",)) as running:
        yield running


def strings(size: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "echo_string"
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"x" * size])
    tensor.tensor_shape.dim.add(size=1)
    request.inputs["default"].CopyFrom(tensor)
    return request


def ask_grpc(address: str, request: predict_pb2.PredictRequest) -> grpc.StatusCode:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
        except grpc.RpcError as exc:
            return exc.code()
    return grpc.StatusCode.OK


def test_eighty_megabytes_are_answered_over_both_apis(server: RunningServer, client: httpx.Client) -> None:
    assert ask_grpc(server.grpc, strings(80 * MEGABYTE)) is grpc.StatusCode.OK
    body = b'{"instances":["' + b"x" * 80 * MEGABYTE + b'"]}'
    answer = client.post(STRINGS, content=body)
    assert answer.status_code == 200
    assert len(answer.content) > 80 * MEGABYTE


def test_what_a_server_takes_can_be_set(narrow: RunningServer) -> None:
    assert ask_grpc(narrow.grpc, strings(MEGABYTE)) is grpc.StatusCode.OK
    assert ask_grpc(narrow.grpc, strings(3 * MEGABYTE)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    with httpx.Client(base_url=narrow.url, timeout=60) as client:
        assert client.post(STRINGS, content=b'{"instances":["' + b"x" * MEGABYTE + b'"]}').status_code == 200
        answer = client.post(STRINGS, content=b" " * 3 * MEGABYTE)
        assert answer.status_code == 413
        assert answer.json() == {"error": "The request body has 3145728 bytes; at most 2097152 are allowed."}


def test_chunked_body_that_grows_too_large_is_refused(narrow: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * MEGABYTE

    closed_while_we_send = contextlib.suppress(httpx.TransportError)  # then the answer may be lost
    with httpx.Client(base_url=narrow.url, timeout=60) as client, closed_while_we_send:
        assert client.post(FLOATS, content=chunks()).status_code == 413
    with httpx.Client(base_url=narrow.url, timeout=60) as client:
        assert client.post(FLOATS, content=ROW).json() == {"predictions": [1.5]}


@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip"])
def test_compressed_body_is_inflated(client: httpx.Client, name: str) -> None:
    answer = client.post(FLOATS, content=gzip.compress(ROW), headers={"Content-Encoding": name})
    assert (answer.status_code, answer.json()) == (200, {"predictions": [1.5]})


def test_compressed_body_may_have_several_members(client: httpx.Client) -> None:
    """RFC 1952: a gzip file is a series of members, one after the other."""
    body = gzip.compress(ROW[:5]) + gzip.compress(ROW[5:])
    answer = client.post(FLOATS, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json() == {"predictions": [1.5]}


@pytest.mark.parametrize("path", [FLOATS, "/v1/models/echo_value:regress", "/v1/models/echo_classes:classify"])
@pytest.mark.parametrize(
    ("encoding", "body", "status", "text"),
    [
        ("gzip", b"\x00" * 100, 400, "not in the gzip format"),
        ("gzip", gzip.compress(ROW)[:-9], 400, "ends in the middle"),
        ("gzip", zlib.compress(ROW), 400, "not in the gzip format"),
        ("br", ROW, 415, "Content-Encoding br is not understood; gzip is."),
    ],
    ids=["no_gzip", "cut", "zlib", "brotli"],
)
def test_compressed_body_that_cannot_be_inflated_is_refused(
    client: httpx.Client, path: str, encoding: str, body: bytes, status: int, text: str
) -> None:
    answer = client.post(path, content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status
    assert text in answer.json()["error"]


def test_a_small_body_that_inflates_to_much_is_refused(client: httpx.Client) -> None:
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b" " * MEGABYTE) for _ in range(101)) + packer.flush()
    assert len(bomb) < 2 * MEGABYTE
    answer = client.post(FLOATS, content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert "more than the 104857600 bytes allowed when inflated" in answer.json()["error"]
