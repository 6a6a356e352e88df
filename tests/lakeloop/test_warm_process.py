"""Programs that are forked from a process with everything imported: whose they are, and what becomes of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.cli.warm_server import serve
from console.platform.marked_processes import end_processes
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.warm_process import WarmProcess, server_folder, start_warm, wait_for_server
from tests.waiting import eventually

# TFX itself is left out: what is tested is who runs where and ends when, which has nothing to do with it.
SERVE = """
import sys
from console.cli import warm_server
from console.cli.warm_server import serve
from lakeloop.settings import load_settings
import numpy
warm_server.PATIENCE_SECONDS = 1.0
print("serving", serve(load_settings(), lambda: None, float(sys.argv[1])), flush=True)
"""
PROGRAM = """
import atexit, json, logging, os, random, signal, subprocess, sys, time
import numpy
print("lakeloop: begun", file=sys.stderr)
what, *more = sys.argv[1:]

def held():
    for number in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass

atexit.register(lambda: print("tidied up", flush=True))
if what == "tell":
    print(json.dumps({
        "pid": os.getpid(), "group": os.getpgid(0), "session": os.getsid(0), "arguments": sys.argv[1:],
        "environment": dict(os.environ), "folder": os.getcwd(), "umask": os.umask(0),
        "handlers": len(logging.root.handlers),
        "random": [random.random(), float(numpy.random.random())], "name": __name__, "input": sys.stdin.read(),
        "held": [link for link in held() if "socket" in link or link.endswith(".lock")],
    }))
elif what == "exit":
    sys.exit(int(more[0]))
elif what == "fail":
    raise ValueError("it failed")
else:
    if what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    print(json.dumps({"pid": os.getpid(), "child": child.pid}), flush=True)
    time.sleep(600)
"""
ASK = """
import sys, os
from lakeloop.settings import load_settings
from lakeloop.warm_process import start_warm
process = start_warm(load_settings(), "program", sys.argv[1:], os.environ, (1, 2))
sys.exit(99 if process is None else process.wait())
"""


def python(home: Path, code: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, cwd=PROJECT, env={**os.environ, "LAKELOOP_HOME": str(home), **environment},
    )  # fmt: skip


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class WarmProgram:
    """A program that this process has asked for, and what it says."""

    def __init__(self, settings: Settings, *arguments: str, environment: Mapping[str, str], folder: Path) -> None:
        reading, writing = os.pipe()
        self.output = os.fdopen(reading, encoding="utf-8")
        try:
            found = start_warm(settings, "program", arguments, environment, (writing, writing), folder, patience=240)
        finally:
            os.close(writing)
        assert found is not None
        self.process: WarmProcess = found

    def told(self) -> dict[str, Any]:
        """The line of JSON that it says first."""
        for line in self.output:
            if line.startswith("{"):
                told: dict[str, Any] = json.loads(line)
                return told
        raise AssertionError("it said nothing")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # longer than the path of a socket may be
    return load_settings(home=tmp_path / ("a long name, as homes may have " * 3), use_case="insurance")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a module that nobody has imported."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def server(settings: Settings, program: Path) -> Iterator["subprocess.Popen[str]"]:
    process = python(settings.home, SERVE, "60", PYTHONPATH=str(program))
    assert wait_for_server(settings, 240)
    yield process
    process.kill()
    process.wait()


def ask(settings: Settings, *arguments: str, folder: Path = PROJECT, **environment: str) -> WarmProgram:
    return WarmProgram(settings, *arguments, environment=environment, folder=folder)


def test_a_program_is_a_process_of_its_own_with_what_its_asker_gave_it(
    settings: Settings, server: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    asked = ask(settings, "tell", "a b", folder=tmp_path, ONLY="this")
    told = asked.told()
    assert asked.process.wait() == 0
    assert asked.output.read() == "tidied up\n"
    assert told["pid"] == told["group"] == told["session"] != server.pid
    assert (told["arguments"], told["environment"], told["name"]) == (["tell", "a b"], {"ONLY": "this"}, "__main__")
    assert (told["folder"], told["input"], told["handlers"]) == (str(tmp_path), "", 0)
    asked.output.close()


def test_nothing_of_one_program_is_found_by_the_next(settings: Settings, server: "subprocess.Popen[str]") -> None:
    before = os.umask(0o027)
    try:
        first = ask(settings, "tell", ONE="1").told()
    finally:
        os.umask(before)
    beside = ask(settings, "sleep")
    second = ask(settings, "tell", TWO="2").told()
    assert (first["environment"], second["environment"]) == ({"ONE": "1"}, {"TWO": "2"})
    assert (first["umask"], second["umask"]) == (0o027, before)
    assert not set(first["random"]) & set(second["random"])
    assert not second["held"], "what the server holds must end with the server"
    beside.process.kill()


def test_exit_codes_are_those_of_the_program(settings: Settings, server: "subprocess.Popen[str]") -> None:
    ended = [ask(settings, "exit", code) for code in ("0", "3", "255")]
    assert [asked.process.wait() for asked in ended] == [0, 3, 255]
    failed = ask(settings, "fail")
    assert "ValueError: it failed" in failed.output.read()
    assert failed.process.wait() == 1
    killed = ask(settings, "sleep")
    os.kill(killed.told()["pid"], signal.SIGKILL)
    assert killed.process.wait() == -signal.SIGKILL
    after = ask(settings, "exit", "0")
    assert after.process.wait() == 0, "the server goes on"


@pytest.mark.parametrize("what", ["sleep", "deaf"])
def test_a_program_ends_with_all_it_started_when_its_asker_wants_it(
    settings: Settings, server: "subprocess.Popen[str]", what: str
) -> None:
    asked = ask(settings, what)
    told = asked.told()
    asked.process.end()
    assert asked.process.returncode == (-signal.SIGKILL if what == "deaf" else -signal.SIGTERM)
    eventually(lambda: not alive(told["pid"]) and not alive(told["child"]))
    killed = ask(settings, "sleep")
    told = killed.told()
    killed.process.kill()
    assert killed.process.returncode == -signal.SIGKILL, "it was not asked to end by itself"
    eventually(lambda: not alive(told["pid"]) and not alive(told["child"]))
    assert server.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("what", ["sleep", "deaf"])
def test_a_program_ends_with_its_asker(
    settings: Settings, server: "subprocess.Popen[str]", number: int, what: str
) -> None:
    asker = python(settings.home, ASK, what)
    assert asker.stdout is not None
    told = json.loads(next(line for line in asker.stdout if line.startswith("{")))
    assert alive(told["pid"])
    asker.send_signal(number)
    asker.wait(240)
    eventually(lambda: not alive(told["pid"]) and not alive(told["child"]))
    assert server.poll() is None, "the server goes on"
    asker.stdout.close()


def test_a_program_ends_with_its_server(settings: Settings, server: "subprocess.Popen[str]", program: Path) -> None:
    asked = ask(settings, "deaf")
    told = asked.told()
    server.kill()
    assert asked.process.wait() == -signal.SIGKILL
    eventually(lambda: not alive(told["pid"]))
    again = python(settings.home, SERVE, "60", PYTHONPATH=str(program))
    try:
        assert wait_for_server(settings, 240)
        after = ask(settings, "exit", "4")
        assert after.process.wait() == 4
    finally:
        again.kill()
        again.wait()


def test_without_a_server_or_with_one_of_older_code_the_asker_starts_its_program_itself(
    settings: Settings, server: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = load_settings(home=tmp_path / "other", use_case="insurance")
    assert start_warm(other, "program", ["exit", "0"], {}, (1, 2)) is None
    beside = ask(settings, "sleep")
    with monkeypatch.context() as newer:
        newer.setattr("lakeloop.warm_process.code_stamp", lambda: "of newer code")
        assert start_warm(settings, "program", ["exit", "0"], {}, (1, 2)) is None
    assert server.poll() is None and alive(beside.told()["pid"]), "who is at work is not disturbed"
    assert start_warm(settings, "program", ["exit", "0"], {}, (1, 2)) is None
    beside.process.end()
    assert server.wait(240) == 0, "who has old code ends, so that the next one has the new"


def test_code_that_changed_has_another_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakeloop.warm_process import code_stamp

    (tmp_path / "lakehouse" / "deep").mkdir(parents=True)
    file = tmp_path / "lakehouse" / "deep" / "some.py"
    file.write_text("a = 1\n")
    monkeypatch.setattr("lakeloop.warm_process.PROJECT", tmp_path)
    before = code_stamp()
    assert code_stamp() == before
    file.write_text("a = 2\n")
    assert code_stamp() != before


def test_who_cannot_wait_for_the_servers_imports_is_not_started_there_later(settings: Settings, program: Path) -> None:
    slow = SERVE.replace("lambda: None", "lambda: __import__('time').sleep(3)")
    server = python(settings.home, slow, "60", PYTHONPATH=str(program))
    try:
        assert wait_for_server(settings, 240)
        file = program / "ran"
        with file.open("w") as output:
            outputs = (output.fileno(), output.fileno())
            assert start_warm(settings, "program", ["exit", "0"], {}, outputs, patience=0.1) is None
        asked = ask(settings, "exit", "4")
        assert asked.process.wait() == 4, "who is patient is served"
        assert file.read_text() == ""
    finally:
        server.kill()
        server.wait()


def test_there_is_one_server(settings: Settings, server: "subprocess.Popen[str]") -> None:
    assert serve(settings, lambda: None) is False


def test_a_server_ends_when_nobody_asks(settings: Settings) -> None:
    server = python(settings.home, SERVE, "0.5")
    assert server.communicate(timeout=240)[0] == "serving True\n"
    assert not wait_for_server(settings, 0)


def test_a_server_ends_with_its_home(settings: Settings, server: "subprocess.Popen[str]") -> None:
    (server_folder(settings) / "warm.sock").unlink()
    assert server.wait(240) == 0


def test_who_only_looks_whether_a_server_is_there_does_not_end_it(
    settings: Settings, server: "subprocess.Popen[str]"
) -> None:
    for _ in range(3):
        assert wait_for_server(settings, 0)
    asked = ask(settings, "exit", "3")
    assert asked.process.wait() == 3 and server.poll() is None


def test_a_node_that_finds_no_server_starts_one_for_the_next_if_airflow_runs_it(settings: Settings) -> None:
    node = "from console.cli import main; main()", "pipeline", "node", "there is no such run", "Trainer"
    log = settings.home / "logs" / "warm-server.log"
    try:
        assert python(settings.home, *node).wait(240) == 1
        assert not log.exists()
        assert python(settings.home, *node, LAKELOOP_AIRFLOW_RUN_ID="manual").wait(240) == 1
        assert wait_for_server(settings, 0)
    finally:
        end_processes([p for p in psutil.process_iter() if p.pid != os.getpid() and _home_of(p) == str(settings.home)])


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("LAKELOOP_HOME", "")
    except psutil.Error:
        return ""
