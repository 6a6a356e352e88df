"""When the ports open, and when a load that failed is tried again."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from lakeloop.settings import PROJECT
from serving.model_server.process import RunningServer
from tests.ports import free_port
from tests.serving.model_server.test_warm_up import log_of, push_with, state_of
from tests.waiting import eventually
from tests.warm_programs import running_server


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def base_path(tmp_path: Path) -> Path:
    folder = tmp_path / "watched" / "model"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def slow_to_load(saved_models: Path, base_path: Path) -> Path:
    """A version whose warm-up request takes a second or more."""
    push_with(saved_models / "loop" / "1", base_path, 1, [log_of("", turns=[8000])])
    return base_path / "1"


def test_the_ports_open_when_the_models_are_loaded(slow_to_load: Path) -> None:
    """tensorflow/serving tensorflow_serving/model_servers/server.cc (BuildAndStart) @ 9d981c5: probes rely on it."""
    rest, over_grpc = free_port(), free_port()
    command = [sys.executable, "-m", "serving.model_server", "--model", f"model={slow_to_load.parent}"]
    ports = ["--port", str(rest), "--grpc-port", str(over_grpc)]
    server = subprocess.Popen([*command, *ports], cwd=PROJECT, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{rest}", timeout=60) as client:
            eventually(lambda: is_open(over_grpc))
            with grpc.insecure_channel(f"127.0.0.1:{over_grpc}") as channel:
                grpc.channel_ready_future(channel).result(240)
            eventually(lambda: is_open(rest))
            assert state_of(client, 1)[0] == "AVAILABLE"
            assert client.post("/v1/models/model:predict", json={"instances": [1]}).status_code == 200
    finally:
        server.terminate()
        assert server.wait(240) == 0


def test_a_second_server_on_the_ports_of_one_that_loads_says_so(slow_to_load: Path) -> None:
    """The ports are taken from the start; whoever opens them first has them, and the other one tells it."""
    port = free_port()
    command = [sys.executable, "-m", "serving.model_server", "--model", f"model={slow_to_load.parent}"]
    command += ["--port", str(port), "--grpc-port", "0"]
    servers = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        eventually(lambda: any(server.poll() is not None for server in servers))
        (loser,) = (server for server in servers if server.poll() is not None)
        assert loser.returncode == 1
        assert f"port {port} on 127.0.0.1 is taken by another process" in loser.communicate()[1]
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=240)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_can_be_stopped_while_it_loads(slow_to_load: Path, number: int) -> None:
    command = [sys.executable, "-m", "serving.model_server", "--model", f"model={slow_to_load.parent}", "--port", "0"]
    server = subprocess.Popen([*command, "--grpc-port", "0"], cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    lines = iter(server.stderr.readline, "")
    assert any("state=LOADING" in line for line in lines)
    server.send_signal(number)
    told = "".join(lines)
    assert server.wait(240) == 0
    assert "Traceback" not in told
    assert "event=listening" not in told


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    folder = tmp_path_factory.mktemp("retried") / "model"
    folder.mkdir()
    flags = ("--max_num_load_retries=2", "--load_retry_interval_micros=500000")
    with running_server({"model": folder}, poll_seconds=0.1, wait_for=False, flags=flags) as running:
        yield running, folder


def test_a_version_that_was_away_while_it_was_loaded_is_served_when_it_is_back(
    retrying: tuple[RunningServer, Path], saved_models: Path
) -> None:
    """Moved, nothing written: its files are as old as before."""
    running, folder = retrying
    with httpx.Client(base_url=running.url, timeout=60) as client:
        push_with(saved_models / "loop" / "1", folder, 1, [log_of("", turns=[8000])])
        eventually(lambda: state_of(client, 1)[0] == "LOADING")
        away = (folder / "1").rename(folder.parent / "away")
        eventually(lambda: state_of(client, 1)[0] == "END")
        time.sleep(1.5)  # longer than all tries together
        away.rename(folder / "1")
        eventually(lambda: state_of(client, 1)[0] == "AVAILABLE")


def test_a_load_that_failed_is_tried_again_a_few_times(
    retrying: tuple[RunningServer, Path], saved_models: Path, tmp_path: Path
) -> None:
    """TensorFlow Serving's `max_num_load_retries`: what was missing was not in the folder, which has not changed."""
    running, folder = retrying
    note = tmp_path / "note"
    with httpx.Client(base_url=running.url, timeout=60) as client:
        push_with(saved_models / "with_side_effects" / "1", folder, 2, [log_of("serving_default", path=str(note))])
        eventually(lambda: state_of(client, 2)[:2] == ("END", "NOT_FOUND"))
        note.write_text("it is there now")
        eventually(lambda: state_of(client, 2)[0] == "AVAILABLE")
        attempts = _attempts(client, folder / "2")
        assert 2 <= attempts <= 3
        # nothing mends the next one: it is given up
        push_with(saved_models / "with_side_effects" / "1", folder, 3, [log_of("", path=str(tmp_path / "never"))])
        eventually(lambda: _attempts(client, folder / "3") == 3)
        time.sleep(1.5)
        assert _attempts(client, folder / "3") == 3


def _attempts(client: httpx.Client, folder: Path) -> int:
    page = client.get("/monitoring/prometheus/metrics").text
    lines = [line for line in page.splitlines() if "load_attempt_count{" in line and f'"{folder}"' in line]
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines)
