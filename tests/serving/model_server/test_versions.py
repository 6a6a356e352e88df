"""New, broken, half-written and removed version folders, on a real server that is asked all the while."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest

from lakeloop.settings import PROJECT
from serving.model_server.process import RunningServer
from tests.waiting import eventually
from tests.warm_programs import running_server

PREDICT = "/v1/models/half_plus:predict"
STATUS = "/v1/models/half_plus"


@pytest.fixture
def base_path(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "half_plus"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server that polls fast, and the base path it watches; each test begins with the folder emptied."""
    folder = tmp_path_factory.mktemp("watched") / "half_plus"
    folder.mkdir()
    with running_server({"half_plus": folder}, poll_seconds=0.1, wait_for=False) as running:
        yield running, folder


@pytest.fixture
def watched(shared: tuple[RunningServer, Path]) -> Iterator[tuple[httpx.Client, Path]]:
    running, folder = shared
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield client, folder
        for child in folder.iterdir():
            shutil.rmtree(child)
        eventually(lambda: ask(client).status_code == 404)


def ask(client: httpx.Client, path: str = PREDICT) -> httpx.Response:
    return client.post(path, json={"instances": [2.0]})


def states(client: httpx.Client) -> dict[int, tuple[str, str]]:
    answer = client.get(STATUS)
    if answer.status_code == 404:
        return {}
    return {
        int(item["version"]): (item["state"], item["status"]["error_code"])
        for item in answer.json()["model_version_status"]
    }


def is_available(client: httpx.Client, version: int) -> bool:
    return states(client).get(version) == ("AVAILABLE", "OK")


def push(saved_models: Path, folder: Path, version: int, plus: int | None = None) -> Path:
    """Pushes half_plus_<plus> as that version, visible at once."""
    hidden = folder.parent / f"incoming-{version}"
    shutil.copytree(saved_models / "half_plus" / str(plus or version), hidden)
    return hidden.rename(folder / str(version))


def test_starts_without_a_version_and_serves_the_first_one(
    watched: tuple[httpx.Client, Path], saved_models: Path
) -> None:
    client, folder = watched
    answer = ask(client)
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "Servable not found for request: Latest(half_plus)"},
    )
    push(saved_models, folder, 1)
    eventually(lambda: states(client).get(1) == ("AVAILABLE", "OK"))
    assert ask(client).json() == {"predictions": [2.0]}


def test_newest_version_takes_over_and_the_old_one_ends(watched: tuple[httpx.Client, Path], saved_models: Path) -> None:
    client, folder = watched
    push(saved_models, folder, 11, plus=1)
    eventually(lambda: states(client).get(11) == ("AVAILABLE", "OK"))
    push(saved_models, folder, 12, plus=2)
    eventually(lambda: states(client).get(11) == ("END", "OK"))
    assert states(client)[12] == ("AVAILABLE", "OK")
    assert list(states(client))[:2] == [12, 11], "newest first"
    assert ask(client).json() == {"predictions": [3.0]}
    assert ask(client, "/v1/models/half_plus/versions/12:predict").json() == {"predictions": [3.0]}
    replaced = ask(client, "/v1/models/half_plus/versions/11:predict")
    assert replaced.status_code == 404
    assert replaced.json() == {"error": "Servable not found for request: Specific(half_plus, 11)"}
    assert client.get("/v1/models/half_plus/metadata").json()["model_spec"]["version"] == "12"


def test_no_request_fails_while_versions_are_switched(
    shared: tuple[RunningServer, Path], watched: tuple[httpx.Client, Path], saved_models: Path
) -> None:
    client, folder = watched
    push(saved_models, folder, 21, plus=1)
    eventually(lambda: states(client).get(21) == ("AVAILABLE", "OK"))
    stop, wrong = threading.Event(), []
    answers: list[float] = []

    def load() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            while not stop.is_set():
                answer = ask(own)
                if answer.status_code == 200:
                    answers.append(answer.json()["predictions"][0])
                else:
                    wrong.append(answer.text)

    def load_grpc() -> None:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        request = predict_pb2.PredictRequest()
        request.model_spec.name = "half_plus"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0], tf.float32))
        with grpc.insecure_channel(shared[0].grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not stop.is_set():
                try:
                    over_grpc.append(stub.Predict(request).outputs["y"].float_val[0])
                except grpc.RpcError as exc:
                    wrong.append(str(exc))

    over_grpc: list[float] = []
    threads = [threading.Thread(target=load) for _ in range(4)] + [threading.Thread(target=load_grpc)]
    for thread in threads:
        thread.start()
    eventually(lambda: over_grpc)
    for version, plus in ((22, 2), (23, 3), (24, 1), (25, 2)):
        push(saved_models, folder, version, plus=plus)
        eventually(partial(is_available, client, version))
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert set(answers) == set(over_grpc) == {2.0, 3.0, 4.0}
    assert len(answers) > 200


@pytest.mark.parametrize("damage", ["corrupt", "no_graph", "no_variables", "half_variables"])
def test_broken_version_keeps_the_old_one_serving_until_it_is_mended(
    watched: tuple[httpx.Client, Path], saved_models: Path, damage: str
) -> None:
    client, folder = watched
    push(saved_models, folder, 31, plus=1)
    eventually(lambda: states(client).get(31) == ("AVAILABLE", "OK"))
    source = saved_models / "half_plus" / "2"
    hidden = folder.parent / "broken"
    shutil.copytree(source, hidden)
    data = hidden / "variables" / "variables.data-00000-of-00001"
    if damage == "corrupt":
        (hidden / "saved_model.pb").write_bytes(b"\xff\xfe this is no protocol buffer")
    elif damage == "no_graph":
        (hidden / "saved_model.pb").unlink()
    elif damage == "no_variables":
        shutil.rmtree(hidden / "variables")
    else:
        data.write_bytes(data.read_bytes()[:5])
    hidden.rename(folder / "32")
    eventually(lambda: states(client).get(32, ("", "OK"))[1] != "OK")
    assert states(client)[32][0] == "END"
    assert states(client)[31] == ("AVAILABLE", "OK")
    assert ask(client).json() == {"predictions": [2.0]}
    error = client.get("/v1/models/half_plus/versions/32").json()["model_version_status"][0]["status"]
    assert error["error_message"]
    shutil.copytree(source, folder / "32", dirs_exist_ok=True)
    eventually(lambda: states(client).get(32) == ("AVAILABLE", "OK"))
    eventually(lambda: ask(client).json() == {"predictions": [3.0]})


def test_version_written_file_by_file_is_served_when_it_is_whole(
    watched: tuple[httpx.Client, Path], saved_models: Path
) -> None:
    client, folder = watched
    push(saved_models, folder, 41, plus=1)
    eventually(lambda: states(client).get(41) == ("AVAILABLE", "OK"))
    source = saved_models / "half_plus" / "3"
    target = folder / "42"
    (target / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
        shutil.copyfile(source / name, target / name)
        assert ask(client).status_code == 200
        time.sleep(0.3)
    eventually(lambda: states(client).get(42) == ("AVAILABLE", "OK"))
    eventually(lambda: ask(client).json() == {"predictions": [4.0]})


def test_removing_the_newest_version_goes_back_to_the_one_before(
    watched: tuple[httpx.Client, Path], saved_models: Path
) -> None:
    client, folder = watched
    push(saved_models, folder, 51, plus=1)
    push(saved_models, folder, 52, plus=2)
    eventually(lambda: states(client).get(52) == ("AVAILABLE", "OK"))
    shutil.rmtree(folder / "52")
    eventually(lambda: states(client).get(52) == ("END", "OK"))
    assert ask(client).json() == {"predictions": [2.0]}


def test_names_that_are_no_versions_are_ignored(watched: tuple[httpx.Client, Path], saved_models: Path) -> None:
    client, folder = watched
    source = saved_models / "half_plus" / "3"
    for name in ("latest", "v9", "9.9", "-9", "99999999999999999999"):
        shutil.copytree(source, folder / name)
    push(saved_models, folder, 61, plus=1)
    eventually(lambda: states(client).get(61) == ("AVAILABLE", "OK"))
    time.sleep(0.3)
    assert ask(client).json() == {"predictions": [2.0]}
    assert max(states(client)) == 61


def test_broken_version_is_not_loaded_again_and_again(base_path: Path, saved_models: Path, tmp_path: Path) -> None:
    (base_path / "7").mkdir()
    log = tmp_path / "log"
    with (
        log.open("w") as stream,
        running_server({"half_plus": base_path}, poll_seconds=0.05, wait_for=False, log_to=stream) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        eventually(lambda: states(client).get(7) == ("END", "NOT_FOUND"))
        time.sleep(0.5)
        assert log.read_text().count("version=7 state=LOADING") == 1
        os.utime(base_path / "7")
        eventually(lambda: log.read_text().count("version=7 state=LOADING") == 2)


def test_running_request_is_answered_before_the_server_stops(saved_models: Path) -> None:
    features = ("training", "age", "emergency_braking", "braking_distance", "power", "miles")
    body = json.dumps({"instances": [dict.fromkeys(features, 1.5)] * 100_000}).encode()
    head = f"POST /v1/models/drivers:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with running_server({"drivers": saved_models / "drivers"}) as running:
        address = urlsplit(running.url)
        with (
            httpx.Client(base_url=running.url, timeout=60) as others,
            socket.create_connection((address.hostname or "", address.port or 0), timeout=240) as asking,
        ):
            asking.sendall(head + body[:-1])
            for _ in range(50):  # by then the server has read all of it that there is
                others.get("/v1/models/drivers").raise_for_status()
            asking.sendall(body[-1:])
            running.process.terminate()
            answer = http.client.HTTPResponse(asking)
            answer.begin()
            predictions = json.load(answer)["predictions"]
        assert running.process.wait(240) == 0
    assert (answer.status, len(predictions)) == (200, 100_000)


def test_taken_port_is_one_sentence_and_code_1(server: RunningServer, base_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "serving.model_server", "--model", f"half_plus={base_path}", "--port", port],
        capture_output=True, text=True, cwd=PROJECT, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"port {port} on 127.0.0.1 is taken by another process; stop it or give the model server another port "
        "(0 takes any free one)\n"
    )
