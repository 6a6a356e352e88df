"""One row over the model server's REST and gRPC: latency on one kept-alive connection, throughput on sixteen.

The client runs on the same cores. What else the machine does changes the seconds, hardly the CPU time the server takes
for an answer, and the load average says how much that was.
"""

import json
import os
import selectors
import socket
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.figure import Figure
from serving.model_server.process import running_server

WARM_UP, COUNTED = 500, 5_000
CONNECTIONS, ANSWERS = 16, 20_000
ROWS = 100


def measure(models: Path, name: str, row: Mapping[str, object]) -> list[Figure]:
    """Median and 99th percentile of one-row predictions against the newest model under `models`."""
    request, rows = request_of(name, [row]), request_of(name, [row] * ROWS)
    with running_server({name: models}) as server:
        grpc_milliseconds = _over_grpc(server.grpc, name, row)
        milliseconds = one_connection(server.url, request, COUNTED)
        many_milliseconds = one_connection(server.url, rows, COUNTED // 5)
        began, began_cpu = time.perf_counter(), _cpu_seconds(server.process.pid)
        _many_connections(server.url, request, ANSWERS)
        seconds, cpu_seconds = time.perf_counter() - began, _cpu_seconds(server.process.pid) - began_cpu
    return [
        Figure("a row over REST, median", statistics.median(milliseconds), "ms", 0.4),
        Figure("a row over REST, 99th percentile", milliseconds[int(0.99 * COUNTED)], "ms", None),
        Figure(f"{ROWS} rows over REST, median", statistics.median(many_milliseconds), "ms", None),
        Figure(f"a row over REST, {CONNECTIONS} connections", ANSWERS / seconds, "requests/s", 7_000, at_least=True),
        Figure("the server's CPU time for one of them", cpu_seconds / ANSWERS * 1e6, "µs", None),
        Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None),
        Figure("a row over gRPC, median", statistics.median(grpc_milliseconds), "ms", None),
        Figure("a row over gRPC, 99th percentile", grpc_milliseconds[int(0.99 * COUNTED)], "ms", None),
    ]


def request_of(name: str, rows: Sequence[object]) -> bytes:
    body = json.dumps({"instances": rows}).encode()
    return (
        f"POST /v1/models/{name}:predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def connect(url: str) -> socket.socket:
    """A connection to a server, without waiting for more to send."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def one_connection(url: str, request: bytes, count: int) -> list[float]:
    """Sorted milliseconds of so many answers."""
    with connect(url) as connection:
        for _ in range(min(WARM_UP, count)):
            ask(connection, request)
        return sorted(ask(connection, request) for _ in range(count))


def _many_connections(url: str, request: bytes, count: int) -> None:
    """Returns after so many answers; each connection asks again as soon as it has its answer.

    One thread, and answers small enough to come in one piece: a client of sixteen threads takes as much of the
    machine as the server.
    """
    with selectors.DefaultSelector() as selector:
        connections = [connect(url) for _ in range(CONNECTIONS)]
        by_file = {connection.fileno(): connection for connection in connections}
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
            connection.sendall(request)
        answered = 0
        while answered < count:
            for key, _ in selector.select():
                connection = by_file[key.fd]
                answer = connection.recv(65536)
                if not answer.endswith(b"}"):  # the header came alone
                    continue
                if b" 200 " not in answer[:20] and answer[:1] != b"{":
                    raise RuntimeError(f"the model server answered {answer[:200].decode()}")
                answered += 1
                connection.sendall(request)
        for connection in connections:
            connection.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the model server closed the connection")
        answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65536)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the model server answered {head.splitlines()[0].decode()}: {rest[:200].decode()}")
    return (time.perf_counter() - began) * 1000
