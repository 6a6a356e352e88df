"""TensorFlow Serving's flags, each by what it changes."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT
from serving.model_server.config_files import METRICS_PATH
from serving.model_server.flags import options_of, parse, ports_of
from serving.model_server.process import RunningServer
from tests.command_line import COMMAND
from tests.waiting import eventually
from tests.warm_programs import running_server

PREDICT = "/v1/models/half_plus:predict"


def config_of(*models: tuple[str, Path], more: str = "") -> str:
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" {more} }}\n'
        for name, path in models
    )
    return f"model_config_list {{ {listed} }}"


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> Path:
    """Models whose graph has a second tag: a server finds it only if it is told both."""
    root = tmp_path_factory.mktemp("tagged")
    for name in ("half_plus", "drivers"):
        for version in Path(shutil.copytree(saved_models / name, root / name)).iterdir():
            saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
            saved.meta_graphs[0].meta_info_def.tags.append("second")
            (version / "saved_model.pb").write_bytes(saved.SerializeToString())
    return root


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory, tagged: Path) -> Path:
    file = tmp_path_factory.mktemp("config") / "models.config"
    file.write_text(config_of(("half_plus", tagged / "half_plus")))
    return file


@pytest.fixture(scope="module")
def flagged(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server with one flag of each kind, and the socket it listens on."""
    gate = tmp_path_factory.mktemp("s") / "grpc"
    flags = (
        f"--model_config_file={config_file}", "--model_config_file_poll_wait_seconds=0.2",
        "--file_system_poll_wait_seconds=0.1", "--rest_api_enable_cors_support=true", f"--grpc_socket_path={gate}",
        "--grpc_channel_arguments=grpc.max_receive_message_length=20000", "--enable_grpc_healthcheck_service",
        "--enable_serialization_as_tensor_content", "--saved_model_tags=serve,second",
    )  # fmt: skip
    with running_server(flags=flags) as running:
        yield running, gate


def request(values: list[float]) -> predict_pb2.PredictRequest:
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "half_plus"
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto(values, tf.float32))
    return asked


def test_what_no_flag_names_is_as_in_tensorflow_serving() -> None:
    """tensorflow/serving tensorflow_serving/model_servers/server.h (Server::Options) @ 9d981c5."""
    options = options_of(parse([], "serve models"), "127.0.0.1", (8501, 8500), 1.0)
    load = options.load
    assert options.rest_seconds == 30, "rest_api_timeout_in_ms"
    assert (load.retries, load.retry_seconds) == (5, 60), "max_num_load_retries, load_retry_interval_micros"
    assert (load.tags, load.warm_up_times, load.batching) == (("serve",), 1, None)
    assert (options.config_seconds, options.cors, options.grpc_health, options.any_labels) == (0, False, False, False)


@pytest.mark.parametrize(
    ("flags", "port", "grpc_port", "ports"),
    [
        ([], None, None, (8501, 8500)),
        ([], 1, None, (1, 8500)),
        ([], 1, 2, (1, 2)),
        ([], 0, None, (0, 0)),
        (["--rest_api_port=3"], None, None, (3, 8500)),
        (["--rest_api_port=3"], 1, None, (3, 1)),
        (["--rest_api_port", "3"], None, 2, (3, 2)),
    ],
)
def test_port_is_grpcs_beside_rest_api_port(
    flags: list[str], port: int | None, grpc_port: int | None, ports: tuple[int, int]
) -> None:
    """tensorflow/serving tensorflow_serving/model_servers/main.cc @ 9d981c5."""
    assert ports_of(parse(flags, "serve models"), port, grpc_port, (8501, 8500)) == ports


def test_the_grpc_port_is_given_once() -> None:
    with pytest.raises(WrongUseError, match="--port beside --rest_api_port is gRPC's"):
        ports_of(parse(["--rest_api_port=3"], "serve models"), 1, 2, (8501, 8500))


def test_pages_of_other_origins_may_ask(flagged: tuple[RunningServer, Path], client: httpx.Client) -> None:
    running, _ = flagged
    expected = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST, GET",
        "access-control-allow-headers": "Content-Type",
    }
    with httpx.Client(base_url=running.url, timeout=60) as own:
        for answer in (
            own.options(PREDICT, headers={"Origin": "http://here"}), own.post(PREDICT, json={"instances": [1.0]}),
            own.post(PREDICT, content=b"{"),
        ):  # fmt: skip
            assert expected.items() <= dict(answer.headers).items()
    assert "access-control-allow-origin" not in client.get("/v1/models/drivers").headers, "only if it is asked for"


def test_grpc_listens_on_a_file_too_and_answers_packed_bytes(flagged: tuple[RunningServer, Path]) -> None:
    with grpc.insecure_channel(f"unix:{flagged[1]}") as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request([2.0, 4.0]))
    assert not answer.outputs["y"].float_val
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [4.0, 5.0]


def test_arguments_reach_the_grpc_server(flagged: tuple[RunningServer, Path]) -> None:
    with grpc.insecure_channel(flagged[0].grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request([1.0] * 10_000))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_probe_gets_grpc_s_health_answers(flagged: tuple[RunningServer, Path]) -> None:
    """The bytes of HealthCheckRequest and HealthCheckResponse: field 1 is the service, and the status."""
    with grpc.insecure_channel(flagged[0].grpc) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        serving = b"\x08\x01"
        assert check(b"") == check(b"\x0a\x0cModelService") == check(b"\x0a\x11PredictionService") == serving
        with pytest.raises(grpc.RpcError) as caught:
            check(b"\x0a\x07Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        assert next(watch) == serving
        watch.cancel()


def test_a_changed_config_file_holds(flagged: tuple[RunningServer, Path], config_file: Path, tagged: Path) -> None:
    before = config_file.read_text()
    with httpx.Client(base_url=flagged[0].url, timeout=60) as client:
        config_file.write_text("no config")
        config_file.write_text(config_of(("half_plus", tagged / "half_plus"), ("new", tagged / "drivers")))
        eventually(lambda: client.get("/v1/models/new").status_code == 200)
        assert client.post(PREDICT, json={"instances": [2.0]}).json() == {"predictions": [4.0]}
        config_file.write_text(before)
        eventually(lambda: client.post("/v1/models/new:predict", json={"instances": [1]}).status_code == 404)


def test_http_1_0_connection_is_kept_where_the_client_wants_it(server: RunningServer) -> None:
    parts = urlsplit(server.url)
    asked = b"GET /v1/models/drivers HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        for _ in range(3):
            connection.sendall(asked)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert b"connection: keep-alive" in head.lower()
            assert body.startswith(b"{"), "the head and what comes first of the body in one piece"
        connection.sendall(asked.replace(b"keep-alive", b"close"))
        received = b""
        while piece := connection.recv(65536):
            received += piece
        assert b"connection: close" in received.lower()


def test_an_answer_without_a_body_arrives(server: RunningServer) -> None:
    assert httpx.head(f"{server.url}/monitoring/prometheus/metrics").status_code == 200


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--rest_api_num_threads=0"], "--rest_api_num_threads must be at least 1, not 0."),
        (["--enable_model_warmup=perhaps"], "perhaps is neither true nor false"),
        (["--grpc_channel_arguments=many"], "many is not NAME=VALUE"),
        (["--no_such_flag=1"], "unrecognized arguments: --no_such_flag=1"),
        (["--max_request_megabytes=4096"], "--max_request_megabytes can be 2047 at most"),
        (["--prefer_tflite_model"], "--prefer_tflite_model is a flag of TensorFlow Serving that this server has not:"),
    ],
)
def test_a_flag_that_cannot_be_is_wrong_use(flags: list[str], text: str) -> None:
    refused([sys.executable, "-m", "serving.model_server", "--model", "a=/nowhere", *flags], text)


@pytest.mark.parametrize(
    ("flag", "content", "text"),
    [
        ("monitoring_config_file", "prometheus { }", "holds no monitoring config, line:column 1:1"),
        (
            "monitoring_config_file", 'prometheus_config { enable: true path: "/v1/models" }',
            "path must begin with / and not with /v1/",
        ),
        ("ssl_config_file", 'server_key: "/etc/key.pem"', "server_key must be PEM text itself, -----BEGIN …"),
        ("ssl_config_file", 'server_key: "-----BEGIN" ', "server_cert must be PEM text itself"),
        (
            "ssl_config_file", 'server_key: "-----BEGIN" server_cert: "-----BEGIN" client_verify: true',
            "custom_ca must be PEM text itself, -----BEGIN …, not a path; it is missing.",
        ),
        (
            "ssl_config_file", 'server_key: "-----BEGIN" server_cert: "-----BEGIN"',
            "there are no key and certificate that fit each other",
        ),
    ],
)  # fmt: skip
def test_a_config_file_that_cannot_be_is_wrong_use(tmp_path: Path, flag: str, content: str, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    refused([sys.executable, "-m", "serving.model_server", "--model", "a=/nowhere", f"--{flag}={file}"], text)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('prometheus_config { enable: true path: "/metrics" }', {"/metrics"}),
        ("prometheus_config { enable: true }", {METRICS_PATH}),
        ("prometheus_config { enable: false }", set()),
        ("", set()),
    ],
)
def test_metrics_are_where_the_monitoring_config_wants_them(
    saved_models: Path, tmp_path: Path, content: str, found: set[str]
) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text(content)
    models = {"half_plus": saved_models / "half_plus"}
    with running_server(models, flags=(f"--monitoring_config_file={file}",)) as running:
        answers = {path: httpx.get(f"{running.url}{path}", timeout=60) for path in ("/metrics", METRICS_PATH)}
    assert {path for path, answer in answers.items() if answer.status_code == 200} == found
    assert all(":tensorflow:serving:" in answers[path].text for path in found)


def certificate(folder: Path) -> tuple[str, str]:
    """Key and self-signed certificate of 127.0.0.1, as PEM."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key.read_text(), made.read_text()


@pytest.mark.parametrize("verify", [False, True])
def test_grpc_is_encrypted_and_asks_for_clients_certificates(saved_models: Path, tmp_path: Path, verify: bool) -> None:
    """The client's certificate is the server's own here, which is its own authority."""
    key, made = certificate(tmp_path)
    file = tmp_path / "ssl.config"
    quoted = [json.dumps(text) for text in (key, made, made)]
    file.write_text(
        "server_key: {} server_cert: {} custom_ca: {} ".format(*quoted) + f"client_verify: {verify}".lower()
    )
    own = (key.encode(), made.encode())
    stranger = grpc.ssl_channel_credentials(made.encode())
    known = grpc.ssl_channel_credentials(made.encode(), *own)
    models = {"half_plus": saved_models / "half_plus"}
    with running_server(models, flags=(f"--ssl_config_file={file}",)) as running:
        for credentials, answers in ((known, True), (stranger, not verify), (None, False)):
            channel = (
                grpc.insecure_channel(running.grpc)
                if credentials is None
                else grpc.secure_channel(running.grpc, credentials)
            )
            with channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                if answers:
                    assert list(stub.Predict(request([2.0])).outputs["y"].float_val) == [4.0]
                    continue
                with pytest.raises(grpc.RpcError) as caught:
                    stub.Predict(request([2.0]), timeout=60)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_lakeloop_serve_models_takes_the_same_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    command = [*COMMAND, "serve", "models", "--wait"]
    refused([*command, "--rest_api_timeout_in_ms=5", "--no_such_flag=1"], "unrecognized arguments: --no_such_flag=1")


def refused(command: list[str], text: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=400)
    assert done.returncode == 2
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
