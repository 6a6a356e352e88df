"""One row over the model server's REST and gRPC: latency on one kept-alive connection, client on the same cores."""

import json
import socket
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench.figure import Figure
from serving.model_server.process import running_server

WARM_UP, COUNTED = 500, 5_000


def measure(models: Path, name: str, row: Mapping[str, object]) -> list[Figure]:
    """Median and 99th percentile of one-row predictions against the newest model under `models`."""
    body = json.dumps({"instances": [row]}).encode()
    request = (
        f"POST /v1/models/{name}:predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with running_server({name: models}) as server:
        grpc_milliseconds = _over_grpc(server.grpc, name, row)
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(WARM_UP):
                ask(connection, request)
            milliseconds = sorted(ask(connection, request) for _ in range(COUNTED))
    return [
        Figure("a row over REST, median", statistics.median(milliseconds), "ms", 1.0),
        Figure("a row over REST, 99th percentile", milliseconds[int(0.99 * COUNTED)], "ms", None),
        Figure("a row over gRPC, median", statistics.median(grpc_milliseconds), "ms", None),
        Figure("a row over gRPC, 99th percentile", grpc_milliseconds[int(0.99 * COUNTED)], "ms", None),
    ]


def _over_grpc(address: str, name: str, row: Mapping[str, object]) -> list[float]:
    """Sorted milliseconds of one-row predictions with the stock stub; making the message is not counted."""
    import grpc
    import tensorflow as tf
    from google.protobuf.json_format import ParseDict
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        asked = {"model_spec": {"name": name}, "metadata_field": ["signature_def"]}
        metadata = stub.GetModelMetadata(ParseDict(asked, get_model_metadata_pb2.GetModelMetadataRequest()))
        signatures = get_model_metadata_pb2.SignatureDefMap()
        metadata.metadata["signature_def"].Unpack(signatures)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        for key, tensor in signatures.signature_def["serving_default"].inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto([row[key]], tensor.dtype))
        times = []
        for _ in range(WARM_UP + COUNTED):
            began = time.perf_counter()
            stub.Predict(request)
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times[WARM_UP:])


def ask(connection: socket.socket, request: bytes) -> float:
    """Milliseconds until the whole answer is read."""
    began = time.perf_counter()
    connection.sendall(request)
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65536)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the model server answered {head.splitlines()[0].decode()}: {rest[:200].decode()}")
    return (time.perf_counter() - began) * 1000
