"""A command as a task: its output, its result, its exit code, and its end."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import PYTHON, SCRIPTS, InAirflow
from tests.waiting import eventually

RUN = SCRIPTS / "run_tasks.py"
SAYS_WHY = "echo working; echo 'lakeloop: the disk is full' >&2; echo '  free some' >&2; exit 1"


@pytest.fixture(scope="module")
def ended(in_airflow_once: InAirflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How tasks ended, by name; all of them in one Airflow process, since its start takes longest."""
    folder = tmp_path_factory.mktemp("programs")
    write = "from lakeloop.cli.result import write_result; import sys; write_result({'got': sys.argv[1:]})"
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
    secrets = {"AIRFLOW__API__SECRET_KEY": "secret"}
    found: dict[str, dict[str, Any]] = in_airflow_once("run_tasks", json.dumps(cases), folder, **secrets)
    for name in cases:
        tries = folder / name
        found[name]["tries"] = len(tries.read_text()) if tries.exists() else 1
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


def test_a_failed_command_says_why_in_the_log(ended: dict[str, dict[str, Any]]) -> None:
    log = ended["says_why"]["log"]
    assert "$ lakeloop lake" in log and "working" in log
    assert "`lakeloop lake` ended with 1: the disk is full\n  free some" in log


@pytest.mark.long
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_its_task(airflow_environment: dict[str, str], tmp_path: Path, kill: int) -> None:
    deaf = "trap '' TERM\n" if kill == signal.SIGTERM else ""
    program = f"{deaf}echo $$ > {tmp_path}/pid\nwhile true; do sleep 0.1; done"
    cases = json.dumps({"endless": {"arguments": [], "program": program}})
    task = subprocess.Popen(
        [PYTHON, RUN, tmp_path / "answer", cases, tmp_path],
        env=airflow_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
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
