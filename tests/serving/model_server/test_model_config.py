"""Several models from a config: version policies, labels, and a new config while the server runs."""

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from lakeloop.settings import PROJECT
from serving.model_server.process import RunningServer
from tests.waiting import eventually
from tests.warm_programs import running_server

CONFIG = """
# several models, each with another policy
model_config_list {{
  config {{ name: "newest" base_path: "{models}/newest" model_platform: "tensorflow"
            model_version_policy {{ latest {{ num_versions: 2 }} }}
            version_labels {{ key: "stable" value: 2 }} version_labels {{ key: "canary" value: 3 }} }}
  config {{ name: "all" base_path: "{models}/all" model_platform: "tensorflow"
            model_version_policy {{ all {{ }} }} }}
  config {{ name: "some" base_path: "models/some" model_platform: "tensorflow"
            model_version_policy {{ specific {{ versions: 1 versions: 3 }} }} }}
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> Path:
    """Three models, each with versions 1, 2 and 3; version n answers x / 2 + n."""
    root = tmp_path_factory.mktemp("configured")
    for name in ("newest", "all", "some"):
        shutil.copytree(saved_models / "half_plus", root / "models" / name)
    (root / "models.config").write_text(CONFIG.format(models=root / "models"))
    return root


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[RunningServer]:
    with running_server(model_config=folder / "models.config", poll_seconds=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def client(running: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as session:
        eventually(
            lambda: [available(session, name) for name in ("newest", "all", "some")] == [{2, 3}, {1, 2, 3}, {1, 3}]
        )
        yield session


def states(client: httpx.Client, name: str) -> dict[int, str]:
    answer = client.get(f"/v1/models/{name}")
    return {int(i["version"]): i["state"] for i in answer.json().get("model_version_status", [])}


def available(client: httpx.Client, name: str) -> set[int]:
    return {version for version, state in states(client, name).items() if state == "AVAILABLE"}


def ask(client: httpx.Client, path: str) -> tuple[int, Any]:
    answer = client.post(f"/v1/models/{path}:predict", json={"instances": [0.0]})
    return answer.status_code, answer.json().get("error") or answer.json()["predictions"][0]


def reload(running: RunningServer, text: str, *metrics: str) -> Any:
    """Applies a config over gRPC with a stock client; the answer, or (code, text) of the refusal."""
    from google.protobuf import text_format
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    request = model_management_pb2.ReloadConfigRequest(metric_names=metrics)
    text_format.Parse(text, request.config)
    with grpc.insecure_channel(running.grpc) as channel:
        try:
            return model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(request)
        except grpc.RpcError as exc:
            return exc.code(), exc.details()


def config(*models: str) -> str:
    listed = " ".join(f'config {{ model_platform: "tensorflow" {model} }}' for model in models)
    return f"model_config_list {{ {listed} }}"


def test_each_policy_serves_its_versions(client: httpx.Client) -> None:
    assert ask(client, "newest") == (200, 3.0)
    assert ask(client, "newest/versions/2") == (200, 2.0)
    assert ask(client, "newest/versions/1") == (404, "Servable not found for request: Specific(newest, 1)")
    assert [ask(client, f"all/versions/{n}")[1] for n in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert [ask(client, f"some/versions/{n}")[0] for n in (1, 2, 3)] == [200, 404, 200]


def test_labels_name_versions_in_rest(client: httpx.Client) -> None:
    """http_rest_api_handler_test.cc (Predict, Classify, Regress with kTestModelVersionLabel) @ 9d981c5."""
    assert ask(client, "newest/labels/stable") == (200, 2.0)
    assert ask(client, "newest/labels/canary") == (200, 3.0)
    assert ask(client, "newest/labels/old") == (400, "Unrecognized servable version label: old")
    assert ask(client, "all/labels/stable") == (400, "Unrecognized servable version label: stable")
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}
    assert client.post("/v1/models/newest/labels/stable:regress", json=body).json() == {"results": [42.0]}
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 10.0}]}
    assert client.post("/v1/models/newest/labels/stable:classify", json=body).json() == {"results": [[["", 7.0]]]}
    metadata = client.get("/v1/models/newest/labels/stable/metadata").json()
    assert metadata["model_spec"] == {"name": "newest", "signature_name": "", "version": "2"}


def test_labels_name_versions_in_grpc(running: RunningServer, client: httpx.Client) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.version_label = "newest", "stable"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[0.0]], tf.float32))
    with grpc.insecure_channel(running.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(request)
        assert answer.model_spec.version.value == 2 and answer.outputs["y"].float_val[0] == 2.0
        request.model_spec.version_label = "old"
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "Unrecognized servable version label: old"


def test_new_config_changes_models_labels_and_policies(
    running: RunningServer, client: httpx.Client, folder: Path
) -> None:
    """model_service_impl.cc and tensorflow_model_server_test.py (testModelConfigReload) @ 9d981c5."""
    shutil.copytree(folder / "models" / "all", folder / "models" / "added")
    base = folder / "models"
    loads = "/tensorflow/cc/saved_model/load_latency"
    answer = reload(
        running,
        config(
            f'name: "newest" base_path: "{base}/newest" version_labels {{ key: "stable" value: 3 }}',
            f'name: "added" base_path: "{base}/added" model_version_policy {{ all {{ }} }}',
        ),
        loads,
    )
    assert (answer.status.error_code, answer.status.error_message) == (0, "")
    assert [metric.name for metric in answer.metric] == [loads]
    assert ask(client, "added/versions/1") == (200, 1.0), "a reload returns when what is new is available"
    assert ask(client, "newest/labels/stable") == (200, 3.0)
    assert ask(client, "newest/labels/canary")[0] == 400
    eventually(lambda: available(client, "newest") == {3})
    eventually(lambda: states(client, "all") == {1: "END", 2: "END", 3: "END"})
    assert ask(client, "all") == (404, "Servable not found for request: Latest(all)")
    assert reload(running, config(f'name: "all" base_path: "{base}/all"')).status.error_code == 0
    assert ask(client, "all") == (200, 3.0)
    eventually(lambda: available(client, "added") == set())


def test_other_base_path_brings_its_own_model_under_the_same_version(
    running: RunningServer, client: httpx.Client, folder: Path, saved_models: Path
) -> None:
    other = folder / "other" / "3"
    shutil.copytree(saved_models / "half_plus" / "1", other)
    reload(running, config(f'name: "moved" base_path: "{folder}/models/all"'))
    assert ask(client, "moved/versions/3") == (200, 3.0)
    reload(running, config(f'name: "moved" base_path: "{other.parent}"'))
    assert ask(client, "moved/versions/3") == (200, 1.0)


def test_new_model_that_cannot_be_loaded_is_reported_and_the_others_serve(
    running: RunningServer, client: httpx.Client, folder: Path
) -> None:
    (folder / "broken" / "5").mkdir(parents=True)
    good = f'name: "all" base_path: "{folder}/models/all"'
    code, text = reload(running, config(good, f'name: "broken" base_path: "{folder}/broken"'))
    assert code is grpc.StatusCode.UNKNOWN
    assert text.startswith("1 model(s) did not become available: {{{name: broken version: 5} due to error: NOT_FOUND: ")
    code, text = reload(running, config(good, f'name: "empty" base_path: "{folder}/nowhere"'))
    assert code is grpc.StatusCode.UNKNOWN and "{name: empty} due to error: no version under" in text
    assert states(client, "broken") == {5: "END"}
    assert ask(client, "all") == (200, 3.0)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest. Only"),
        (
            config('name: "a" base_path: "/a"', 'name: "a" base_path: "/b"'), "INVALID_ARGUMENT",
            "Illegal to list model a multiple times in config list",
        ),
        (
            config('name: "a" base_path: "a"'), "INVALID_ARGUMENT",
            "Expected model a to have an absolute path or URI; got base_path()=a",
        ),
        (
            config('name: "a" base_path: "s3://models/a"'), "INVALID_ARGUMENT",
            "Model a has the URL s3://models/a as base_path; this server reads folders",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/a" } }', "INVALID_ARGUMENT",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/a" model_platform: "other" } }', "INVALID_ARGUMENT",
            "Model a requests unsupported platform other",
        ),
        (
            config('name: "all" base_path: "/a" version_labels { key: "stable" value: 9 }'), "FAILED_PRECONDITION",
            "Request to assign label to version 9 of model all, which is not currently available for inference",
        ),
    ],
)  # fmt: skip
def test_wrong_new_config_changes_nothing(
    running: RunningServer, client: httpx.Client, folder: Path, text: str, code: str, message: str
) -> None:
    """server_core.cc (ValidateModelConfigList, GetPlatform, UpdateModelVersionLabelMap) @ 9d981c5."""
    assert reload(running, config(f'name: "all" base_path: "{folder}/models/all"')).status.error_code == 0
    got, details = reload(running, text)
    assert (got.name, details[: len(message)]) == (code, message)
    assert ask(client, "all") == (200, 3.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("model_config_list {", "Error parsing text-format tensorflow.serving.ModelServerConfig, line:column"),
        ("", "lists no model. It looks like model_config_list {"),
        ('model_config_list { config { name: "a" base_path: "a" } }', "model name is a"),
    ],
)
def test_wrong_config_file_is_one_sentence(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "models.config"
    if text is not None:
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "serving.model_server", "--model-config", str(file), "--port", "0", "--grpc-port", "0"],
        capture_output=True, text=True, cwd=PROJECT, timeout=240,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert message in done.stderr and str(file) in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1


def metrics(client: httpx.Client) -> dict[str, float]:
    answer = client.get("/monitoring/prometheus/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/plain"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_have_tensorflow_servings_names_and_count_requests(
    running: RunningServer, client: httpx.Client, folder: Path
) -> None:
    """prometheus_exporter.cc, util.cc and tensorflow_model_server_test.py (testPrometheusEndpoint) @ 9d981c5."""
    reload(running, config(f'name: "all" base_path: "{folder}/models/all"'))
    before = metrics(client)
    for _ in range(3):
        ask(client, "all")
    ask(client, 'no"such')
    after = metrics(client)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown(':tensorflow:serving:request_count{model_name="all",status="OK"}') == 3
    assert grown(':tensorflow:serving:request_count{model_name="no\\"such",status="NOT_FOUND"}') == 1
    labels = 'model_name="all",API="predict",entrypoint="REST"'
    assert grown(f":tensorflow:serving:request_latency_count{{{labels}}}") == 3
    assert grown(f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}}') == 3
    assert grown(f':tensorflow:serving:request_latency_bucket{{{labels},le="10"}}') == 0, "microseconds"
    assert 30 < grown(f":tensorflow:serving:request_latency_sum{{{labels}}}") < 3e6
    assert grown(':tensorflow:serving:runtime_latency_count{model_name="all",API="Predict",runtime="TF1"}') == 3
    loads = [name for name in after if name.startswith(":tensorflow:cc:saved_model:load_attempt_count")]
    assert (
        f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{folder}/models/all/3",status="success"}}' in loads
    )
    text = client.get("/monitoring/prometheus/metrics").text
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert "# TYPE :tensorflow:serving:request_latency histogram" in text
    limits = re.findall(r'request_latency_bucket\{model_name="all",API="predict",entrypoint="REST",le="(.*?)"\}', text)
    assert limits[:4] == ["10", "18", "32.4", "58.32"] and len(limits) == 34


def test_metrics_count_grpc_and_do_not_grow_without_end(running: RunningServer, client: httpx.Client) -> None:
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    with grpc.insecure_channel(running.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for number in range(1_100):
            request.model_spec.name = f"made-up-{number}"
            with pytest.raises(grpc.RpcError):
                stub.Predict(request)
    counts = {k: v for k, v in metrics(client).items() if k.startswith(":tensorflow:serving:request_count{")}
    assert counts[':tensorflow:serving:request_count{model_name="made-up-1",status="NOT_FOUND"}'] == 1
    assert len(counts) <= 1_010
    assert sum(value for name, value in counts.items() if 'model_name=""' in name) >= 90
    assert json.loads(client.get("/v1/models/all").content)


def test_a_name_from_a_client_is_one_line_of_the_log(folder: Path, tmp_path: Path) -> None:
    forged = "x\\nlevel=INFO event=forged"
    log = tmp_path / "log"
    with log.open("w") as stream, running_server(model_config=folder / "models.config", log_to=stream) as server:
        reload(server, config(f'name: "{forged}" base_path: "{folder}/models/all\\nlevel=INFO event=forged"'))
    assert "event=forged" in log.read_text()
    assert not [line for line in log.read_text().splitlines() if line.startswith("level=INFO event=forged")]


def test_models_that_come_and_go_leave_no_memory_behind(saved_models: Path, folder: Path) -> None:
    """Two megabytes each time, until Python happened to look for objects that hold each other."""
    kept = f'name: "all" base_path: "{folder}/models/all"'
    guest = f'name: "guest" base_path: "{saved_models}/costly"'

    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()

    with running_server(model_config=folder / "models.config") as server:
        seen = []
        for _ in range(10):
            reload(server, config(kept, guest))
            reload(server, config(kept))
            seen.append(resident(server.process.pid))
    assert seen[-1] - seen[3] < 8 * 1024 * 1024, [size >> 20 for size in seen]
