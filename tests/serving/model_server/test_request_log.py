"""The log of requests that a model config asks for: TFRecords of PredictionLog messages."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from tensorflow_serving.apis import inference_pb2, predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from serving.exceptions import RequestError
from serving.model_server.metrics import Metrics
from serving.model_server.model_config import RequestLogConfig, from_proto
from serving.model_server.process import RunningServer
from serving.model_server.request_log import MOST_WAITING, RequestLogs
from serving.model_server.status import Code
from tests.waiting import eventually
from tests.warm_programs import running_server

MODELS = """
model_config_list {{
  config {{ name: "logged" base_path: "{models}/half_plus" model_platform: "tensorflow" {logged} }}
  config {{ name: "silent" base_path: "{models}/half_plus" model_platform: "tensorflow" }}
}}
"""
LOGGED = 'logging_config { log_collector_config { filename_prefix: "logs/half" } sampling_config { sampling_rate: 1 } }'


def records(folder: Path) -> list[prediction_log_pb2.PredictionLog]:
    """What is in the files by now, the oldest first."""
    found = []
    for file in sorted(folder.glob("*.tfrecord"), key=lambda file: file.stat().st_mtime_ns):
        try:
            for record in tf.python_io.tf_record_iterator(str(file)):
                found.append(prediction_log_pb2.PredictionLog.FromString(record))
        except tf.errors.DataLossError:
            pass  # the last one is being written
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> Path:
    root = tmp_path_factory.mktemp("logging")
    (root / "models.config").write_text(MODELS.format(models=saved_models, logged=LOGGED))
    return root


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[RunningServer]:
    flags = ("--model_config_file_poll_wait_seconds=0.1",)
    with running_server(model_config=folder / "models.config", flags=flags) as server:
        yield server


def test_every_api_is_logged_with_its_answer_and_a_new_config_ends_it(
    running: RunningServer, folder: Path, saved_models: Path
) -> None:
    url = f"{running.url}/v1/models/logged"
    example = tf.train.Example(features=tf.train.Features(feature={"x": tf.train.Feature()}))
    example.features.feature["x"].float_list.value.append(4.0)
    examples = {"examples": [{"x": 4.0}]}
    predict = predict_pb2.PredictRequest(output_filter=["y"])
    predict.model_spec.name = "logged"
    predict.inputs["x"].CopyFrom(tf.make_tensor_proto([[6.0]], tf.float32))
    several = inference_pb2.MultiInferenceRequest()
    task = several.tasks.add(method_name="tensorflow/serving/regress")
    task.model_spec.name, task.model_spec.signature_name = "logged", "regress_x_to_y"
    several.input.example_list.examples.append(example)
    with httpx.Client(timeout=60) as client, grpc.insecure_channel(running.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask() -> None:
            for path, body in (
                (f"{running.url}/v1/models/silent:predict", {"instances": [1.0]}),
                (f"{url}:predict", {"instances": [[2.0], [4.0]]}),
                (f"{url}:classify", {"signature_name": "classify_x_to_y", **examples}),
                (f"{url}:regress", {"signature_name": "regress_x_to_y", **examples}),
            ):
                client.post(path, json=body).raise_for_status()
            assert client.post(f"{url}:predict", content=b"{").status_code == 400, "no answer, nothing to log"

        ask()
        answered = stub.Predict(predict)
        stub.MultiInference(several)
        logged = eventually(lambda: found if len(found := records(folder / "logs")) == 5 else None)
        (folder / "models.config").write_text(MODELS.format(models=saved_models, logged=""))

        def count() -> int:
            page = client.get(f"{running.url}/monitoring/prometheus/metrics").text
            name = ':tensorflow:serving:request_log_count{model_name="logged",status_code="OK"} '
            return next(int(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name))

        def asks_in_vain() -> bool:
            before = count()
            ask()
            time.sleep(0.2)
            return count() == before

        eventually(asks_in_vain)
        assert count() == len(records(folder / "logs"))

    kinds = [record.WhichOneof("log_type") for record in logged]
    assert kinds == ["predict_log", "classify_log", "regress_log", "predict_log", "multi_inference_log"]
    over_rest, classified, regressed, over_grpc, inferred = logged
    assert tf.make_ndarray(over_rest.predict_log.request.inputs["x"]).tolist() == [[2.0], [4.0]]
    assert tf.make_ndarray(over_rest.predict_log.response.outputs["y"]).tolist() == [[4.0], [5.0]]
    assert classified.classify_log.request.input.example_list.examples[0] == example
    assert classified.classify_log.response.result.classifications[0].classes[0].score == 5.0
    assert regressed.regress_log.response.result.regressions[0].value == 5.0
    assert (over_grpc.predict_log.request, over_grpc.predict_log.response) == (predict, answered)
    assert inferred.multi_inference_log.response.results[0].regression_result.regressions[0].value == 5.0
    for record in logged:
        metadata = record.log_metadata
        assert (metadata.model_spec.name, metadata.model_spec.version.value) == ("logged", 3)
        assert (list(metadata.saved_model_tags), metadata.sampling_config.sampling_rate) == (["serve"], 1.0)
        assert abs(metadata.timestamp_secs - time.time()) < 600


def test_a_log_file_warms_up_the_next_version(tmp_path: Path, saved_models: Path) -> None:
    """tensorflow/serving g3doc/saved_model_warmup.md: the warm-up file is a log of requests."""
    import shutil

    from serving.model_server.loaded_version import LoadedVersion
    from serving.model_server.logged_messages import predict_log
    from serving.model_server.saved_model import load
    from serving.model_server.warm_up import REQUESTS_FILE, warm_up

    version = Path(shutil.copytree(saved_models / "half_plus" / "3", tmp_path / "3"))
    loaded = LoadedVersion("m", 3, load(version), Metrics())
    logs = RequestLogs(["serve"], Metrics())
    logs.update({"m": RequestLogConfig(tmp_path / "log", 1.0)})
    x, y = np.array([[2.0]], np.float32), np.array([[4.0]], np.float32)
    for _ in range(3):
        logs.offer("m", lambda: predict_log(loaded, "", {"x": x}, {"y": y}))
    logs.close()
    (version / REQUESTS_FILE).parent.mkdir()
    next(tmp_path.glob("log-*.tfrecord")).rename(version / REQUESTS_FILE)
    assert warm_up(loaded) == 3


def counted(metrics: Metrics) -> dict[str, int]:
    page = metrics.page().decode()
    lines = [line for line in page.splitlines() if line.startswith(":tensorflow:serving:request_log_count{")]
    return {line.split('status_code="')[1].split('"')[0]: int(line.rpartition(" ")[2]) for line in lines}


def made() -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.response.model_spec.name = "m"
    return log


def test_about_the_share_that_is_asked_for_is_logged(tmp_path: Path) -> None:
    metrics = Metrics()
    logs = RequestLogs(["serve"], metrics)
    logs.update({"m": RequestLogConfig(tmp_path / "some", 0.25), "never": RequestLogConfig(tmp_path / "none", 0.0)})
    for number in range(2_000):
        logs.offer("m", made)
        logs.offer("never", made)
        if number % 100 == 0:
            eventually(lambda: logs._waiting.empty())
    logs.close()
    assert 380 < len(records(tmp_path)) < 620
    assert not list(tmp_path.glob("none*"))


def test_what_cannot_be_written_is_counted_and_told_and_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").touch()
    metrics = Metrics()
    logs = RequestLogs(["serve"], metrics)
    logs.update({"m": RequestLogConfig(tmp_path / "a file" / "log", 1.0)})
    for _ in range(3):
        logs.offer("m", made)
    eventually(lambda: sum(counted(metrics).values()) == 3)
    (tmp_path / "a file").unlink()
    logs.offer("m", made)
    logs.close()
    assert counted(metrics) == {"INTERNAL": 3, "OK": 1}
    assert len(records(tmp_path / "a file")) == 1
    told = [record.getMessage() for record in caplog.records if "event=request_not_logged" in record.getMessage()]
    assert len(told) == 1 and "a file" in told[0], "once, not for every request"


def test_requests_do_not_pile_up_behind_a_slow_disk(tmp_path: Path) -> None:
    metrics = Metrics()
    logs = RequestLogs(["serve"], metrics)
    logs.update({"m": RequestLogConfig(tmp_path / "log", 1.0)})
    gone_on = []

    def slow() -> prediction_log_pb2.PredictionLog:
        eventually(lambda: gone_on)
        return made()

    for _ in range(MOST_WAITING + 50):
        logs.offer("m", slow)
    left_out = counted(metrics)["RESOURCE_EXHAUSTED"]
    gone_on.append(True)
    logs.close()
    assert left_out in (49, 50)
    assert counted(metrics)["OK"] == MOST_WAITING + 50 - left_out


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('log_collector_config { type: "kafka" filename_prefix: "/l" }', Code.NOT_FOUND,
         "Cannot find LogCollector::Factory for type: kafka (logging_config of model m); this server has tfrecord"),
        ("sampling_config { sampling_rate: 0.5 }", Code.INVALID_ARGUMENT, "must be an absolute path"),
        ('log_collector_config { filename_prefix: "l" }', Code.INVALID_ARGUMENT, "must be an absolute path"),
        ('log_collector_config { filename_prefix: "/l" } sampling_config { sampling_rate: 10 }', Code.INVALID_ARGUMENT,
         "sampling_config.sampling_rate must be from 0 to 1, not 10"),
        ('log_collector_config { filename_prefix: "/l" } sampling_config { sampling_rate: nan }',
         Code.INVALID_ARGUMENT, "must be from 0 to 1, not nan"),
        ('log_collector_config { filename_prefix: "/l" } sampling_config { attributes: 1 }', Code.INVALID_ARGUMENT,
         "mean nothing to this server"),
    ],
)  # fmt: skip
def test_a_log_that_cannot_be_kept_is_refused_not_forgotten(text: str, code: Code, message: str) -> None:
    config = model_server_config_pb2.ModelServerConfig()
    model = f'name: "m" base_path: "/m" model_platform: "tensorflow" logging_config {{ {text} }}'
    text_format.Parse(f"model_config_list {{ config {{ {model} }} }}", config)
    with pytest.raises(RequestError) as caught:
        from_proto(config)
    assert caught.value.code is code
    assert message in caught.value.message
