"""A command as a task: its output, its result, its exit code, and its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakeloop.settings import PROJECT, load_settings
from lakeloop.warm_process import wait_for_server
from tests.dags.conftest import PYTHON, SCRIPTS, InAirflow
from tests.waiting import eventually

RUN = SCRIPTS / "run_tasks.py"
SAYS_WHY = "echo working; echo 'lakeloop: the disk is full' >&2; echo '  free some' >&2; exit 1"


SERVE = "from console.cli.warm_server import serve; from lakeloop.settings import load_settings as of"
SERVE += "; serve(of(), lambda: None)"
NOT_HERE = "echo 'this is not the warm one'; exit 9"
WARM = """
import os, signal, sys, time
from console.cli.result import write_result
print("warm", *sys.argv[1:], "in", os.getcwd())
write_result({"parent": os.getppid(), "seen": dict(os.environ)})
if sys.argv[1:] == ["refuse"]:
    sys.exit("lakeloop: not this one") if os.environ["LAKELOOP_TASK"] == "1" else sys.exit(3)
if sys.argv[1:] == ["endless"]:
    if os.environ["LAKELOOP_TASK"] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.environ["LAKELOOP_PID"], "w") as file:
        print(os.getpid(), file=file)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Warm"]:
    """A home with a warm server that has imported nothing: what it starts is a module of these tests."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "warm_program.py").write_text(WARM)
    settings = load_settings(home=folder / "home")
    environment = {**os.environ, "LAKELOOP_HOME": str(settings.home), "PYTHONPATH": f"{folder}:{PROJECT}", "OF": "all"}
    server = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stdin=subprocess.DEVNULL)
    try:
        assert wait_for_server(settings, 240)
        yield Warm(settings.home, server.pid)
    finally:
        server.kill()
        server.wait()


@dataclass(frozen=True)
class Warm:
    """The home and the process of its warm server."""

    home: Path
    server: int


def test_a_warm_server_runs_a_tasks_command_without_a_start(
    in_airflow_once: InAirflow, tmp_path: Path, warm: Warm
) -> None:
    case = {"module": "warm_program", "program": NOT_HERE}
    cases = {
        "first": {**case, "arguments": ["a b", 3], "use_case": "some", "environment": {"LAKELOOP_TASK": "first"}},
        "second": {**case, "arguments": ["x"]},
        "wrong": {**case, "arguments": ["refuse"], "environment": {"LAKELOOP_TASK": "1"}},
        "refused": {**case, "arguments": ["refuse"], "environment": {"LAKELOOP_TASK": "2"}, "answers": [3]},
    }
    found = in_airflow_once("run_tasks", json.dumps(cases), tmp_path, LAKELOOP_HOME=str(warm.home))
    first, second = found["first"]["value"], found["second"]["value"]
    assert f"warm a b 3 in {PROJECT}" in found["first"]["log"]
    assert first["parent"] == second["parent"] == warm.server
    assert (first["seen"]["LAKELOOP_TASK"], first["seen"]["LAKELOOP_USE_CASE"]) == ("first", "some")
    assert "LAKELOOP_TASK" not in second["seen"] and second["seen"]["LAKELOOP_AIRFLOW_DAG_ID"] == "second"
    assert "OF" not in first["seen"], "the server's own environment is none of the command's business"
    assert (
        found["wrong"]["state"] == "failed" and "`lakeloop refuse` ended with 1: not this one" in found["wrong"]["log"]
    )
    assert (found["refused"]["state"], found["refused"]["value"]["exit_code"]) == ("success", 3)


@pytest.fixture(scope="module")
def ended(in_airflow_once: InAirflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How tasks ended, by name; all of them in one Airflow process, since its start takes longest."""
    folder = tmp_path_factory.mktemp("programs")
    write = "from console.cli.result import write_result; import sys; write_result({'got': sys.argv[1:]})"
    told = {
        "arguments": ["lake", "ingest", "{{ '--label=' ~ params.label if params.label }}", "{{ '' }}", ["-m", 3]],
        "use_case": "some",
        "environment": {"LAKELOOP_SPARK_MEMORY": "1g"},
        "program": f'env > {folder}/env\n{sys.executable} -c "{write}" "$@"',
    }
    cases = {"told": told, "says_why": {"arguments": ["lake"], "program": SAYS_WHY}}
    for code, answers in ((1, []), (2, []), (3, []), (3, [3])):
        name = f"exit_{code}{'_is_an_answer' if answers else ''}"
        program = f"echo >> {folder}/{name}; exit {code}"
        cases[name] = {"arguments": ["x"], "answers": answers, "retries": 1, "retry_delay": 0, "program": program}
    runs = f"echo $LAKELOOP_AIRFLOW_RUN_ID $LAKELOOP_AIRFLOW_TRY >> {folder}/runs"
    once = '[ "$LAKELOOP_AIRFLOW_TRY" = 2 ] || kill -9 $$'
    program = f"echo >> {folder}/killed; {runs}; {once}"
    cases["killed"] = {"arguments": ["score"], "retries": 1, "retry_delay": 0, "program": program}
    secrets = {"AIRFLOW__API__SECRET_KEY": "secret"}
    found: dict[str, dict[str, Any]] = in_airflow_once("run_tasks", json.dumps(cases), folder, **secrets)
    for name in cases:
        tries = folder / name
        found[name]["tries"] = len(tries.read_text()) if tries.exists() else 1
    found["killed"]["runs"] = (folder / "runs").read_text().splitlines()
    found["told"]["environment"] = dict(
        line.split("=", 1) for line in (folder / "env").read_text().splitlines() if "=" in line
    )
    return found


def test_the_command_is_told_who_runs_it_and_its_result_is_the_value(ended: dict[str, dict[str, Any]]) -> None:
    told = ended["told"]
    assert told["state"] == "success"
    assert told["value"] == {"got": ["lake", "ingest", "--label=a b; exit 7", "-m", "3"], "exit_code": 0}
    seen = told["environment"]
    assert (seen["LAKELOOP_USE_CASE"], seen["LAKELOOP_SPARK_MEMORY"]) == ("some", "1g")
    assert (seen["LAKELOOP_AIRFLOW_RUN_ID"], seen["LAKELOOP_AIRFLOW_DAG_ID"]) == (told["run"], "told")
    assert (seen["LAKELOOP_AIRFLOW_TASK_ID"], seen["LAKELOOP_AIRFLOW_TRY"]) == ("only", "1")


def test_airflows_secrets_are_none_of_the_commands_business(ended: dict[str, dict[str, Any]]) -> None:
    names = ended["told"]["environment"]
    assert "PATH" in names and not [name for name in names if name.startswith("AIRFLOW__")]


@pytest.mark.parametrize(
    ("name", "state", "tries"),
    [("exit_1", "failed", 2), ("exit_2", "failed", 1), ("exit_3", "failed", 1), ("exit_3_is_an_answer", "success", 1)],
)
def test_the_exit_code_says_whether_to_try_again(
    ended: dict[str, dict[str, Any]], name: str, state: str, tries: int
) -> None:
    assert (ended[name]["state"], ended[name]["tries"]) == (state, tries)
    assert ended[name]["value"] == ({"exit_code": 3} if state == "success" else None)


def test_a_killed_command_is_tried_again_as_the_same_run(ended: dict[str, dict[str, Any]]) -> None:
    """What a command keeps of its run, as a scoring does, is found again by the next try."""
    killed = ended["killed"]
    assert (killed["state"], killed["tries"]) == ("success", 2)
    assert killed["runs"] == [f"{killed['run']} 1", f"{killed['run']} 2"]
    assert "`lakeloop score` was ended by SIGKILL" in killed["log"]


def test_a_failed_command_says_why_in_the_log(ended: dict[str, dict[str, Any]]) -> None:
    log = ended["says_why"]["log"]
    assert "$ lakeloop lake" in log and "working" in log
    assert "`lakeloop lake` ended with 1: the disk is full\n  free some" in log


@pytest.mark.long
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_its_task(airflow_environment: dict[str, str], tmp_path: Path, kill: int) -> None:
    deaf = "trap '' TERM\n" if kill == signal.SIGTERM else ""
    program = f"{deaf}echo $$ > {tmp_path}/pid\nwhile true; do sleep 0.1; done"
    ends_with_its_task({"arguments": [], "program": program}, airflow_environment, tmp_path, kill)


@pytest.mark.long
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_of_the_warm_server_ends_with_its_task(
    airflow_environment: dict[str, str], tmp_path: Path, warm: Warm, kill: int
) -> None:
    deaf = "deaf" if kill == signal.SIGTERM else ""
    told = {"LAKELOOP_TASK": deaf, "LAKELOOP_PID": str(tmp_path / "pid")}
    case = {"module": "warm_program", "program": NOT_HERE, "arguments": ["endless"], "environment": told}
    ends_with_its_task(case, {**airflow_environment, "LAKELOOP_HOME": str(warm.home)}, tmp_path, kill)


def ends_with_its_task(case: dict[str, Any], environment: dict[str, str], tmp_path: Path, kill: int) -> None:
    """Fails unless a command that puts its number into the folder's `pid` ends when its task is killed."""
    task = subprocess.Popen(
        [PYTHON, RUN, tmp_path / "answer", json.dumps({"endless": case}), tmp_path],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        task.send_signal(kill)
        eventually(lambda: not alive(pid))
    finally:
        task.kill()
        task.wait()


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
