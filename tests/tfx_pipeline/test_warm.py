"""Nodes that are forked from a process with everything imported: whose they are, and what becomes of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakeloop.local_server import server_connection
from lakeloop.platform.marked_processes import end_processes
from lakeloop.settings import PROJECT, load_settings
from tests.waiting import eventually
from tfx_pipeline.warm import run_warm, serve

# TFX itself is left out: what is tested is who runs where and ends when, which has nothing to do with it.
SERVE = """
import os, sys, time
from lakeloop.settings import load_settings
from tfx_pipeline import warm

def run_node(run, node):
    print("node", node, "of", run, "by", os.environ.get("ASKER", ""), os.getpid(), flush=True)
    if node == "slow":
        time.sleep(60)
    return int(node) if node.isdigit() else 0

warm.import_all = lambda: None
print("serving", warm.serve(load_settings(use_case="insurance"), run_node, idle_seconds=float(sys.argv[1])), flush=True)
"""
ASK = """
import sys
from lakeloop.settings import load_settings
from tfx_pipeline.warm import run_warm
sys.exit(run_warm(load_settings(use_case="insurance"), "r1", sys.argv[1]))
"""


def start(home: Path, code: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=PROJECT, env={**os.environ, "LAKELOOP_HOME": str(home), **environment},
    )  # fmt: skip


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ("a long name, as homes may have " * 3)  # longer than the path of a socket may be


@pytest.fixture
def server(home: Path) -> Iterator["subprocess.Popen[str]"]:
    process = start(home, SERVE, "60")
    eventually((home / "tfx" / "insurance" / "nodes.sock").exists)
    yield process
    process.kill()
    process.wait()


def test_a_node_is_a_process_of_its_own_with_the_askers_output_and_environment(
    home: Path, server: "subprocess.Popen[str]"
) -> None:
    told, _ = start(home, ASK, "Trainer", ASKER="me").communicate(timeout=240)
    assert told.startswith("node Trainer of r1 by me ")
    assert int(told.split()[-1]) != server.pid
    failed = start(home, ASK, "3")
    failed.communicate(timeout=240)
    assert failed.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_ends_with_its_asker(home: Path, server: "subprocess.Popen[str]", number: int) -> None:
    asker = start(home, ASK, "slow")
    assert asker.stdout is not None
    node = int(asker.stdout.readline().split()[-1])
    assert alive(node)
    asker.send_signal(number)
    asker.wait(240)
    eventually(lambda: not alive(node))
    assert server.poll() is None, "the server goes on"


def test_a_killed_node_is_a_failure_and_not_the_end_of_the_server(home: Path, server: "subprocess.Popen[str]") -> None:
    asker = start(home, ASK, "slow")
    assert asker.stdout is not None
    os.kill(int(asker.stdout.readline().split()[-1]), signal.SIGKILL)
    assert asker.wait(240) == 128 + signal.SIGKILL
    start(home, ASK, "0").communicate(timeout=240)
    assert server.poll() is None


def test_without_a_server_or_with_one_of_older_code_nodes_run_where_they_are_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(home=home, use_case="insurance")
    assert run_warm(settings, "r1", "Trainer") is None
    server = start(home, SERVE, "60")
    eventually((home / "tfx" / "insurance" / "nodes.sock").exists)
    monkeypatch.setattr("tfx_pipeline.warm.code_sha256", lambda: "of newer code")
    assert run_warm(settings, "r1", "Trainer") is None
    assert server.wait(240) == 0, "who has old code ends, so that the next one has the new"


def test_there_is_one_server_and_it_ends_when_nobody_asks(home: Path) -> None:
    server = start(home, SERVE, "1.5")
    eventually((home / "tfx" / "insurance" / "nodes.sock").exists)
    assert serve(load_settings(home=home, use_case="insurance"), lambda run, node: 0) is False
    assert server.communicate(timeout=240)[0] == "serving True\n"
    assert not (home / "tfx" / "insurance" / "nodes.sock").exists()


def test_a_node_waits_for_a_server_that_was_started_a_moment_ago(home: Path) -> None:
    settings = load_settings(home=home, use_case="insurance")
    began = time.monotonic()
    assert run_warm(settings, "r1", "Trainer", patience=0.3) is None
    assert time.monotonic() - began >= 0.3
    server = start(home, SERVE, "60")
    try:
        assert run_warm(settings, "r1", "4", patience=60) == 4
    finally:
        server.kill()
        server.wait()


def test_who_only_looks_whether_a_server_is_there_does_not_end_it(home: Path, server: "subprocess.Popen[str]") -> None:
    for _ in range(3):
        with server_connection(home / "tfx" / "insurance", "nodes") as found:
            assert found is not None
    failed = start(home, ASK, "3")
    failed.communicate(timeout=240)
    assert failed.returncode == 3 and server.poll() is None


def test_a_node_that_finds_no_server_starts_one_and_runs_there_if_airflow_runs_it(home: Path) -> None:
    node = "from lakeloop.cli import main; main()", "pipeline", "node", "there is no such run", "Trainer"
    try:
        assert start(home, *node).wait(240) == 1
        assert not (home / "logs" / "node-server.log").exists()
        assert start(home, *node, LAKELOOP_AIRFLOW_RUN_ID="manual").wait(240) == 1
        eventually((home / "tfx" / "insurance" / "nodes.sock").exists)
    finally:
        end_processes([p for p in psutil.process_iter() if p.pid != os.getpid() and _home_of(p) == str(home)])


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("LAKELOOP_HOME", "")
    except psutil.Error:
        return ""
