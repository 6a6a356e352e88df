"""One server, two models: what many clients of a slow one cost a quick one.

A run of the slow model loops for some 200 ms. Requests of the quick one are timed by turns with the other model asked
and not, so that what else the machine does falls on both.
"""

import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.figure import Figure
from bench.model_server_bench import ask, connect, request_of
from serving.model_server.process import RunningServer, running_server

FEATURES = 6
SECONDS = 0.2
CLIENTS = 40
"""Clients of the slow model over each protocol: more than a server has threads for."""
ROUNDS, ANSWERS = 6, 400
BOUND = 1.5


def measure(home: Path) -> list[Figure]:
    """The quick model's 99th percentile beside the slow one, over that alone, over REST and gRPC."""
    models = home / "isolation"
    for name, write in (("quick", write_quick), ("slow", write_slow)):
        write(models / name / "1")
    found = []
    with running_server({name: models / name for name in ("quick", "slow")}) as server:
        turns = turns_of(server, SECONDS)
        for protocol, quick in (("REST", quick_rest(server)), ("gRPC", quick_grpc(server))):
            alone, beside = compared(server, quick, turns)
            found += [
                Figure(f"a row over {protocol} alone, median", statistics.median(alone), "ms", None),
                Figure("… 99th percentile", percentile(alone), "ms", None),
                Figure(f"… beside {2 * CLIENTS} clients of a slow one, median", statistics.median(beside), "ms", None),
                Figure("… 99th percentile", percentile(beside), "ms", None),
                Figure("… over that alone", percentile(beside) / percentile(alone), "", BOUND),
            ]
    return [*found, Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None)]


def compared(server: RunningServer, quick: Callable[[], float], turns: int) -> tuple[list[float], list[float]]:
    """Milliseconds of the quick model's answers, alone and beside the slow one, by turns."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(50):
        quick()
    for _ in range(ROUNDS):
        alone += [quick() for _ in range(ANSWERS)]
        with asking_slow(server, turns):
            time.sleep(2 * SECONDS)
            beside += [quick() for _ in range(ANSWERS)]
        time.sleep(3 * SECONDS)
    return alone, beside


def percentile(milliseconds: list[float]) -> float:
    """The 99th."""
    return sorted(milliseconds)[int(0.99 * len(milliseconds))]


def write_quick(folder: Path) -> None:
    """A small network of six features."""
    import tensorflow as tf

    model = tf.Module()
    model.weights = [tf.Variable(tf.ones(shape) / 100) for shape in ([FEATURES, 100], [100, 100], [100, 3])]

    @tf.function(input_signature=[tf.TensorSpec([None, FEATURES], name="row")])
    def call(row: tf.Tensor) -> dict[str, tf.Tensor]:
        for weights in model.weights:
            row = tf.nn.relu(row @ weights)
        return {"probabilities": tf.nn.softmax(row)}

    model.call = call
    tf.saved_model.save(model, str(folder), signatures=call)


def write_slow(folder: Path) -> None:
    """A loop of as many turns as the input says."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="turns")])
    def call(turns: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.reduce_max(turns)
        _, value = tf.while_loop(
            lambda turn, _: turn < count,
            lambda turn, value: (turn + 1, tf.tanh(value @ value)),
            [0, tf.ones([60, 60])],
        )
        return {"value": tf.fill(tf.shape(turns), tf.reduce_sum(value))}

    model = tf.Module()
    model.call = call
    tf.saved_model.save(model, str(folder), signatures=call)


def turns_of(server: RunningServer, seconds: float) -> int:
    """So many turns of the slow model take about so long when nobody else asks it."""
    turns = 1_000
    with connect(server.url) as connection:
        while True:
            took = min(ask(connection, request_of("slow", [turns])) for _ in range(3)) / 1000
            if took > seconds / 2:
                return round(turns * seconds / took)
            turns *= 2


def quick_rest(server: RunningServer) -> Callable[[], float]:
    """One request of the quick model over a kept connection; gives its milliseconds."""
    connection, request = connect(server.url), request_of("quick", [[1.0] * FEATURES])
    return lambda: ask(connection, request)


def quick_grpc(server: RunningServer) -> Callable[[], float]:
    """As `quick_rest`, over gRPC."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "quick"
    request.inputs["row"].CopyFrom(tf.make_tensor_proto([[1.0] * FEATURES], tf.float32))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server.grpc))

    def once() -> float:
        began = time.perf_counter()
        stub.Predict(request, timeout=60)
        return (time.perf_counter() - began) * 1000

    return once


@contextmanager
def asking_slow(server: RunningServer, turns: int) -> Iterator[None]:
    """While the block runs, clients ask the slow model again and again over both protocols."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    ended = threading.Event()
    asked: list[socket.socket] = []
    body = request_of("slow", [turns])
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "slow"
    request.inputs["turns"].CopyFrom(tf.make_tensor_proto([turns], tf.int32))

    def over_rest() -> None:
        with connect(server.url) as connection:
            asked.append(connection)
            with suppress(OSError, ValueError, StopIteration):  # shut down while an answer was awaited
                while not ended.is_set():
                    ask(connection, body)

    def over_grpc(stub: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
        while not ended.is_set():
            call = stub.Predict.future(request, timeout=60)
            while not call.done() and not ended.wait(0.02):
                pass
            if call.done():
                call.result()
            call.cancel()

    with ThreadPoolExecutor(2 * CLIENTS) as clients, grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        asking = [clients.submit(over_rest) for _ in range(CLIENTS)]
        asking += [clients.submit(over_grpc, stub) for _ in range(CLIENTS)]
        try:
            yield
            for client in asking:  # one that was refused is no load
                if client.done():
                    client.result()
        finally:
            ended.set()
            for connection in asked:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
