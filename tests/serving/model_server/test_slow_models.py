"""Models whose runs take seconds: nobody else waits for them, and they end at the deadline of who asked."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.model_server.process import RunningServer
from tests.warm_programs import running_server

SECONDS = 3.0


@pytest.fixture(scope="module")
def slow_server(saved_models: Path) -> Iterator[RunningServer]:
    """A server whose inferences over REST have a second and a half, with four threads for each protocol."""
    names = ("loop", "costly", "drivers", "half_plus_two")
    flags = ("--rest_api_timeout_in_ms=1500", "--rest_api_num_threads=4", "--grpc_max_threads=4")
    with running_server({name: saved_models / name for name in names}, flags=flags) as running:
        yield running


def seconds_of(server: RunningServer, model: str, instance: int) -> float:
    """What an inference takes: the quickest of three, since what else is done on this machine only adds to it."""

    def ask() -> float:
        began = time.perf_counter()
        body = {"instances": [instance]}
        httpx.post(f"{server.url}/v1/models/{model}:predict", json=body, timeout=60).raise_for_status()
        return time.perf_counter() - began

    return min(ask() for _ in range(3))


def long_enough(server: RunningServer, model: str, instance: int, growth: float) -> int:
    """The instance that takes about SECONDS, where time grows with that power of it; tried from this one upwards."""
    while (took := seconds_of(server, model, instance)) <= SECONDS / 4:
        instance = int(instance * 2 ** (1 / growth)) + 1
    return int(instance * (SECONDS / took) ** (1 / growth))


@pytest.fixture(scope="module")
def turns(server: RunningServer) -> int:
    """So many turns of the loop take about SECONDS on this machine, and more while it is busy."""
    return long_enough(server, "loop", 500, growth=1)


@pytest.fixture(scope="module")
def size(server: RunningServer) -> int:
    """Matrices of this size keep the model without a loop busy for about SECONDS."""
    return long_enough(server, "costly", 200, growth=2.5)


@contextmanager
def running(ask: Callable[[], Any]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=ask)
    thread.start()
    yield thread
    thread.join()


def request_of(name: str, key: str, value: Any, dtype: tf.DType) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.inputs[key].CopyFrom(tf.make_tensor_proto(value, dtype))
    return request


def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as exc:
        return exc.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("model", ["loop", "costly"])
def test_status_metrics_and_other_models_answer_while_an_inference_runs(
    server: RunningServer, turns: int, size: int, model: str
) -> None:
    """The body is as small as any, and the run before was quick: nothing tells beforehand how long it takes."""
    asked = {"instances": [turns if model == "loop" else size]}
    path = f"{server.url}/v1/models/{model}:predict"
    httpx.post(path, json={"instances": [1]}, timeout=60).raise_for_status()
    row = {"instances": [1.0]}
    slow: list[httpx.Response] = []
    began_slow = time.perf_counter()
    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        grpc.insecure_channel(server.grpc) as channel,
        running(lambda: slow.append(httpx.post(path, json=asked, timeout=60))) as thread,
    ):
        status = model_service_pb2_grpc.ModelServiceStub(channel)
        wanted = get_model_status_pb2.GetModelStatusRequest()
        wanted.model_spec.name = "drivers"
        took: dict[str, list[float]] = {"status": [], "metrics": [], "other": [], "grpc": []}
        time.sleep(0.2)
        while thread.is_alive():
            for name, ask in (
                ("status", lambda: client.get("/v1/models/drivers").raise_for_status()),
                ("metrics", lambda: client.get("/monitoring/prometheus/metrics").raise_for_status()),
                ("other", lambda: client.post("/v1/models/half_plus_two:predict", json=row).raise_for_status()),
                ("grpc", lambda: status.GetModelStatus(wanted)),
            ):
                began = time.perf_counter()
                ask()
                took[name].append(time.perf_counter() - began)
    slow_took = time.perf_counter() - began_slow  # SECONDS, and as much more as everything takes here
    assert slow[0].status_code == 200
    for name, seconds in took.items():
        assert len(seconds) > 3, "asked while the inference ran"
        assert statistics.median(seconds) < slow_took / 30, name
        assert max(seconds) < slow_took / 2, f"{name} waited for the inference"


def test_rest_gives_up_at_its_time_and_cancels_the_run(slow_server: RunningServer, turns: int) -> None:
    """TensorFlow Serving's `rest_api_timeout_in_ms`, 30 s by default."""
    with httpx.Client(base_url=slow_server.url, timeout=60) as client:
        for _ in range(3):
            began = time.perf_counter()
            answer = client.post("/v1/models/loop:predict", json={"instances": [turns * 10]})
            assert (answer.status_code, answer.json()) == (504, {"error": "Timed out waiting for notification"})
            assert time.perf_counter() - began < 5 * SECONDS, "half of what the run would have taken"


def test_rest_gives_up_on_a_run_that_cannot_be_cancelled(slow_server: RunningServer, size: int) -> None:
    began = time.perf_counter()
    answer = httpx.post(
        f"{slow_server.url}/v1/models/costly:predict", json={"instances": [int(size * 1.2)]}, timeout=60
    )
    assert answer.status_code == 504
    assert time.perf_counter() - began < SECONDS


def test_calls_past_their_deadline_keep_nobody_waiting(slow_server: RunningServer, turns: int) -> None:
    """Twice as many as there are threads: those that run are cancelled, those that wait are never begun."""
    slow = request_of("loop", "turns", [turns * 10], tf.int32)
    quick = request_of("half_plus_two", "x", [2.0], tf.float32)
    with grpc.insecure_channel(slow_server.grpc) as channel, ThreadPoolExecutor(8) as clients:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = [clients.submit(code_of, lambda: stub.Predict(slow, timeout=0.5)) for _ in range(8)]
        assert {call.result() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        began = time.perf_counter()
        assert list(stub.Predict(quick).outputs["y"].float_val) == [3.0]
        assert time.perf_counter() - began < SECONDS / 2, "the threads are free again"


def test_a_model_that_is_asked_too_much_leaves_rest_to_the_others(slow_server: RunningServer, turns: int) -> None:
    """Twice as many slow inferences as a model has threads; the threads of other models are not theirs."""

    with httpx.Client(base_url=slow_server.url, timeout=60) as client, ThreadPoolExecutor(8) as clients:

        def ask_slow() -> int:
            return client.post("/v1/models/loop:predict", json={"instances": [turns * 10]}).status_code

        asked = [clients.submit(ask_slow) for _ in range(8)]
        time.sleep(0.3)
        quick = client.post("/v1/models/half_plus_two:predict", json={"instances": [2.0]})
        assert quick.json() == {"predictions": [3.0]}
        assert not any(call.done() for call in asked)
        assert {call.result() for call in asked} == {504}


def test_a_model_that_is_asked_too_much_leaves_grpc_to_the_others(slow_server: RunningServer, turns: int) -> None:
    """Twice as many slow inferences as run at a time, for as long as the quick one may take."""
    slow = request_of("loop", "turns", [turns * 10], tf.int32)
    quick = request_of("half_plus_two", "x", [2.0], tf.float32)
    with grpc.insecure_channel(slow_server.grpc) as channel, ThreadPoolExecutor(8) as clients:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = [clients.submit(code_of, lambda: stub.Predict(slow, timeout=SECONDS)) for _ in range(8)]
        time.sleep(0.3)
        assert list(stub.Predict(quick, timeout=SECONDS).outputs["y"].float_val) == [3.0]
        assert not any(call.done() for call in calls)
        assert {call.result() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
