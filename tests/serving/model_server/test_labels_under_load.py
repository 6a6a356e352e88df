"""A model config file that is rewritten while clients ask by label: releases without a restart or a failed request."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc

from serving.model_server.process import RunningServer
from serving.model_server.warm_up import REQUESTS_FILE
from tests.waiting import eventually
from tests.warm_programs import running_server

IN_FORCE_SECONDS = 2.0
"""So soon a label that was moved in the file names its new version."""


def model(name: str, versions: list[int], labels: dict[str, int]) -> str:
    specific = " ".join(f"versions: {version}" for version in versions)
    named = " ".join(f'version_labels {{ key: "{label}" value: {version} }}' for label, version in labels.items())
    return (
        f'config {{ name: "{name}" base_path: "{name}" model_platform: "tensorflow" '
        f"model_version_policy {{ specific {{ {specific} }} }} {named} }}"
    )


def write(file: Path, *models: str) -> None:
    """Replaces the file at once: nobody reads half of it."""
    hidden = file.with_suffix(".new")
    hidden.write_text(f"model_config_list {{ {' '.join(models)} }}")
    hidden.rename(file)


def slow_to_load(saved_models: Path, base_path: Path) -> None:
    """A version whose warm-up takes seconds."""
    version = Path(shutil.copytree(saved_models / "loop" / "1", base_path / "1"))
    request = prediction_log_pb2.PredictionLog()
    request.predict_log.request.inputs["turns"].CopyFrom(tf.make_tensor_proto([60_000], tf.int32))
    (version / REQUESTS_FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(version / REQUESTS_FILE)) as writer:
        writer.write(request.SerializeToString())


@contextmanager
def load_on_champion(running: RunningServer) -> Iterator[tuple[list[float], list[str]]]:
    """Clients over REST and gRPC; what they are answered, and what went wrong."""
    ended = threading.Event()
    answers: list[float] = []
    wrong: list[str] = []

    def over_rest() -> None:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            while not ended.is_set():
                answer = client.post("/v1/models/room/labels/champion:predict", json={"instances": [0.0]})
                if answer.status_code == 200:
                    answers.append(answer.json()["predictions"][0])
                else:
                    wrong.append(answer.text)

    def over_grpc() -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.version_label = "room", "champion"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([0.0], tf.float32))
        with grpc.insecure_channel(running.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not ended.is_set():
                try:
                    answers.append(stub.Predict(request, timeout=60).outputs["y"].float_val[0])
                except grpc.RpcError as exc:
                    wrong.append(str(exc))

    threads = [threading.Thread(target=target) for target in (over_rest, over_rest, over_grpc)]
    for thread in threads:
        thread.start()
    try:
        yield answers, wrong
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.long
def test_labels_and_versions_follow_the_file_without_a_failed_request(saved_models: Path, tmp_path: Path) -> None:
    shutil.copytree(saved_models / "half_plus", tmp_path / "room")
    slow_to_load(saved_models, tmp_path / "slow")
    file, log = tmp_path / "models.config", tmp_path / "log"
    write(file, model("room", [1], {"champion": 1}))
    flags = (f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=0.5")
    with (
        log.open("w") as stream,
        running_server(flags=flags, poll_seconds=0.2, log_to=stream) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):

        def state(name: str, version: int) -> str:
            answer = client.get(f"/v1/models/{name}/versions/{version}")
            return str(answer.json()["model_version_status"][0]["state"]) if answer.status_code == 200 else ""

        def answered(label: str) -> float | None:
            answer = client.post(f"/v1/models/room/labels/{label}:predict", json={"instances": [0.0]})
            return float(answer.json()["predictions"][0]) if answer.status_code == 200 else None

        def moved(label: str, version: int) -> float:
            began = time.monotonic()
            eventually(lambda: answered(label) == version)
            return time.monotonic() - began

        with load_on_champion(running) as (answers, wrong):
            eventually(lambda: len(answers) > 20)
            write(file, model("room", [1, 3], {"champion": 3}))  # not loaded: neither label nor policy holds
            eventually(lambda: "Request to assign label to version 3 of model room" in log.read_text())
            file.write_text("model_config_list {")
            eventually(lambda: "Error parsing text-format tensorflow.serving.ModelServerConfig" in log.read_text())
            assert (answered("champion"), state("room", 3)) == (1.0, "")

            write(file, model("room", [1, 2], {"champion": 1}))
            eventually(lambda: state("room", 2) == "AVAILABLE")
            seconds = []
            write(file, model("room", [1, 2], {"champion": 1, "challenger": 2}), model("slow", [1], {}))
            seconds.append(moved("challenger", 2))
            eventually(lambda: state("slow", 1) == "LOADING")
            write(file, model("room", [1, 2], {"champion": 2, "previous": 1}), model("slow", [1], {}))
            seconds.append(moved("champion", 2))
            assert state("slow", 1) == "LOADING", "a label waits for no load of another model"
            assert (answered("previous"), answered("challenger")) == (1.0, None)
            eventually(lambda: state("slow", 1) == "AVAILABLE")

            write(file, model("room", [2], {"champion": 2}))
            eventually(lambda: state("room", 1) == "END")
            write(file, model("room", [1, 2], {"champion": 2}))
            eventually(lambda: state("room", 1) == "AVAILABLE")
            write(file, model("room", [1], {"champion": 1}))
            seconds.append(moved("champion", 1))
            eventually(lambda: state("room", 2) == "END")
            asked = len(answers)
            eventually(lambda: len(answers) > asked + 20)
    assert wrong == []
    assert max(seconds) < IN_FORCE_SECONDS, seconds
    assert set(answers) == {1.0, 2.0}
