"""Loading a version runs nothing but the requests its own folder brings along."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.model_server.process import RunningServer
from tests.waiting import eventually
from tests.warm_programs import running_server

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")


@pytest.fixture(scope="module")
def base_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warmed") / "with_side_effects"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def running(base_path: Path) -> Iterator[RunningServer]:
    flags = ("--num_request_iterations_for_warmup=2",)
    with running_server({"model": base_path}, poll_seconds=0.1, wait_for=False, flags=flags) as started:
        yield started


@pytest.fixture
def client(running: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as opened:
        yield opened


def log_of(signature: str, **inputs: Any) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log.SerializeToString()


def push_with(source: Path, folder: Path, version: int, records: list[bytes] | None, damaged: bool = False) -> None:
    """Pushes a version with a warm-up file of these records, visible at once."""
    hidden = folder.parent / f"incoming-{version}"
    shutil.copytree(source, hidden)
    if records is not None:
        (hidden / WARM_UP).parent.mkdir()
        with tf.io.TFRecordWriter(str(hidden / WARM_UP)) as writer:
            for record in records:
                writer.write(record)
    if damaged:
        (hidden / WARM_UP).write_bytes(b"no TFRecord file")
    hidden.rename(folder / str(version))


def state_of(client: httpx.Client, version: int) -> tuple[str, str, str]:
    answer = client.get(f"/v1/models/model/versions/{version}")
    if answer.status_code == 404:
        return "", "", ""
    (status,) = answer.json()["model_version_status"]
    return status["state"], status["status"]["error_code"], status["status"]["error_message"]


def ask(client: httpx.Client, signature: str, **inputs: Any) -> Any:
    body = {"signature_name": signature, "inputs": inputs}
    return client.post("/v1/models/model:predict", json=body).raise_for_status().json()["outputs"]


def test_loading_runs_no_signature(client: httpx.Client, base_path: Path, saved_models: Path, tmp_path: Path) -> None:
    """A signature that writes or counts, one that reads a file its input names: a made-up row would do it or fail."""
    push_with(saved_models / "with_side_effects" / "1", base_path, 1, None)
    eventually(lambda: state_of(client, 1)[0] == "AVAILABLE")
    assert ask(client, "counted", step=0) == 0
    note = tmp_path / "note"
    assert ask(client, "write", path=str(note), text="hello") == "hello"
    assert ask(client, "serving_default", path=str(note)) == "hello"
    assert ask(client, "count", step=3) == 3


def test_the_requests_of_the_version_s_own_file_are_asked(
    client: httpx.Client, base_path: Path, saved_models: Path
) -> None:
    records = [log_of("count", step=5), log_of("count", step=1)]
    push_with(saved_models / "with_side_effects" / "1", base_path, 2, records)
    eventually(lambda: state_of(client, 2)[0] == "AVAILABLE")
    assert ask(client, "counted", step=0) == 12, "each of them as often as the server was told to"


@pytest.mark.parametrize(
    ("version", "records", "damaged", "code", "text"),
    [
        (10, [log_of("nowhere", step=1)], False, "FAILED_PRECONDITION", "warm-up request 1 of "),
        (11, [b"\xff\xff"], False, "INVALID_ARGUMENT", "Failed to parse warmup record"),
        (12, [], True, "DATA_LOSS", "Please verify your warmup data is in TFRecord format"),
        (13, [log_of("counted", step=0)] * 1001, False, "INVALID_ARGUMENT", "exceeds the maximum (1000)"),
    ],
    ids=["fails", "no_message", "no_records", "too_many"],
)
def test_a_version_with_a_bad_warm_up_file_is_not_served(
    client: httpx.Client,
    base_path: Path,
    saved_models: Path,
    version: int,
    records: list[bytes],
    damaged: bool,
    code: str,
    text: str,
) -> None:
    push_with(saved_models / "with_side_effects" / "1", base_path, version, records, damaged)
    eventually(lambda: state_of(client, version)[0] == "END")
    _, seen, message = state_of(client, version)
    assert seen == code
    assert text in message


def test_a_warm_up_can_be_left_out(base_path: Path, saved_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    push_with(saved_models / "with_side_effects" / "1", folder, 1, [log_of("count", step=5)])
    with (
        running_server({"model": folder}, flags=("--enable_model_warmup=false",)) as started,
        httpx.Client(base_url=started.url, timeout=60) as client,
    ):
        assert ask(client, "counted", step=0) == 0
