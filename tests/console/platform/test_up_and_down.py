"""The whole platform, real: up, healthy, one thing after another killed, down. One home, in this order."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from console.platform.airflow_environment import AIRFLOW, with_airflow
from console.platform.generated_secrets import secret_files
from console.platform.marked_processes import marked_processes
from console.platform.paths import home_of, platform_folder
from console.platform.ports import is_free
from lakeloop.airflow_api import AirflowApi
from lakeloop.dag_ids import DAGS
from lakeloop.settings import Settings
from monitoring.airflow_pools import SLOTS
from tests.command_line import COMMAND
from tests.console.platform.conftest import PORTS, environment_of, make_settings, run_in
from tests.use_case_copies import USE_CASES, copy_insurance
from tests.waiting import eventually

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("platform")
    use_cases = copy_insurance(folder / "data")
    shutil.copytree(USE_CASES["stays"] / "stays", use_cases / "stays")
    (use_cases / "half").mkdir()
    (use_cases / "half" / "contract.yaml").write_text("use_case: half\nfeetures: {}\n")
    settings = make_settings(folder / "home", use_cases=use_cases)
    yield settings
    stopped = run_in(settings)("down")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="module")
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of this user that no platform may touch, though its command looks like a service's."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3000)", "lakeloop", "supervisord"])
    yield process
    process.kill()
    process.wait()


def states(settings: Settings) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run_in(settings)("status", "--json").stdout)["services"]}


def supervisor_pid(settings: Settings) -> int:
    return int((platform_folder(settings) / "supervisord.pid").read_text())


def nothing_is_left(settings: Settings) -> bool:
    return not marked_processes(home_of(settings)) and all(is_free(getattr(settings, name)) for name in PORTS)


def started(settings: Settings) -> "subprocess.Popen[str]":
    """`lakeloop up` in the background, seen when its supervisor runs."""
    process = subprocess.Popen(
        [*COMMAND, "up"], env=environment_of(settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # tests may run with it ignored
    )  # fmt: skip
    eventually(lambda: len(marked_processes(home_of(settings))) > 3)
    return process


def test_up_waits_until_every_service_is_healthy(home: Settings) -> None:
    done = run_in(home)("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "services are healthy" in done.stdout and str(secret_files(home).passwords) in done.stdout
    assert "a DAG file cannot be read" not in done.stdout
    assert "use case half: line 1, " in done.stdout and "more: `lakeloop contract check -u half`)" in done.stdout
    for password in json.loads(secret_files(home).passwords.read_text()).values():
        assert password not in done.stdout + done.stderr
    shown = run_in(home)("status")
    assert shown.returncode == 0 and "stopped" not in shown.stdout and f":{home.gateway_port}" in shown.stdout
    told = json.loads(run_in(home)("status", "--json").stdout)["use_cases"]
    assert {one["name"]: one["state"] for one in told} == {
        "half": "refused", "insurance": "no model", "stays": "no model",  # nothing is pushed yet
    }  # fmt: skip
    assert "more: `lakeloop contract check -u half`)" in told[0]["problem"] and "not compiled" not in str(told)


def test_it_listens_on_loopback_alone(home: Settings) -> None:
    mine = {process.pid for process in marked_processes(home_of(home))}
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in mine]
    assert {c.laddr.port for c in listening} >= {getattr(home, name) for name in ("gateway_port", "airflow_port")}
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_airflow_lets_its_users_in_with_generated_passwords_and_nobody_else(home: Settings) -> None:
    url = f"http://127.0.0.1:{home.airflow_port}"
    for user, password in json.loads(secret_files(home).passwords.read_text()).items():
        for given, accepted in ((password, True), (user, False)):
            answer = httpx.post(
                f"{url}/auth/token", json={"username": user, "password": given}, trust_env=False, timeout=60
            )
            assert answer.is_success == accepted, user
    assert httpx.get(f"{url}/api/v2/dags", trust_env=False, timeout=60).status_code == 401


def test_the_use_cases_dags_are_on(home: Settings) -> None:
    api = AirflowApi(with_airflow(home))
    dags = {dag["dag_id"]: dag["is_paused"] for dag in api.all("/api/v2/dags", "dags")}
    api.close()
    wanted = {f"{use_case}_{what}" for use_case in ("insurance", "stays") for what in DAGS}
    assert wanted | {"half_contract_is_broken"} <= dags.keys()
    assert not any(dags[name] for name in wanted), dags


def test_a_new_use_case_is_served_watched_and_scheduled_while_it_runs(home: Settings) -> None:
    shutil.copytree(USE_CASES["churn"] / "churn", home.use_cases / "churn")
    api = AirflowApi(with_airflow(home))
    wanted = {f"churn_{what}" for what in DAGS}
    within = 120.0  # a minute, and as long again on a busy machine
    eventually(lambda: wanted <= {dag["dag_id"] for dag in api.all("/api/v2/dags", "dags")}, within)
    pools = {pool["name"]: pool["slots"] for pool in api.all("/api/v2/pools", "pools")}
    api.close()
    assert {name: pools.get(name) for name in ("insurance", "stays", "churn")} == {
        "insurance": SLOTS, "stays": SLOTS, "churn": SLOTS,
    }  # fmt: skip
    told = json.loads(run_in(home)("status", "--json").stdout)["use_cases"]
    assert {one["name"]: one["state"] for one in told}["churn"] == "no model"  # nothing is pushed yet


def test_up_again_finds_it_running(home: Settings) -> None:
    before = {name: row["pid"] for name, row in states(home).items()}
    again = run_in(home)("up")
    assert again.returncode == 0 and "they ran already" in again.stdout, again.stderr
    assert {name: row["pid"] for name, row in states(home).items()} == before
    narrowed = run_in(home)("up", "--only", "insurance")
    assert narrowed.returncode == 1 and "runs with other settings" in narrowed.stderr
    other = run_in(home)("up", LAKELOOP_SPARK_MEMORY="1g")
    assert other.returncode == 1 and "runs with other settings" in other.stderr


def test_a_second_home_on_the_same_port_starts_nothing_and_names_the_first(home: Settings, tmp_path: Path) -> None:
    second = make_settings(tmp_path / "second").model_copy(update={"monitor_port": home.monitor_port})
    refused = run_in(second)("up")
    assert refused.returncode == 1 and f"LAKELOOP_HOME={home_of(home)} lakeloop down" in refused.stderr
    assert nothing_is_left(second.model_copy(update={"monitor_port": second.gateway_port}))


def test_a_killed_service_comes_back(home: Settings) -> None:
    before = states(home)["gateway"]["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: states(home)["gateway"]["pid"] not in (None, before))
    eventually(lambda: states(home)["gateway"]["state"] == "healthy")


def test_without_its_supervisor_nothing_holds_a_port_and_up_starts_anew(home: Settings) -> None:
    os.kill(supervisor_pid(home), signal.SIGKILL)
    eventually(lambda: all(is_free(getattr(home, name)) for name in PORTS))
    again = run_in(home)("up")
    assert again.returncode == 0 and "they ran already" not in again.stdout, again.stdout + again.stderr
    eventually(lambda: {row["state"] for row in states(home).values()} == {"healthy"})


def test_down_stops_all_of_it_and_nothing_else(home: Settings, bystander: "subprocess.Popen[bytes]") -> None:
    done = run_in(home)("down")
    assert done.returncode == 0 and "stopped: " in done.stdout
    assert nothing_is_left(home) and bystander.poll() is None
    assert {row["state"] for row in states(home).values()} == {"stopped"}


def test_ctrl_c_during_up_leaves_nothing(home: Settings) -> None:
    process = started(home)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 1 and "interrupted" in output and "Traceback" not in output
    assert nothing_is_left(home)


def test_down_ends_what_a_killed_up_had_started(home: Settings) -> None:
    process = started(home)
    process.kill()
    process.communicate()
    os.kill(supervisor_pid(home), signal.SIGKILL)
    done = run_in(home)("down")
    assert done.returncode == 0, done.stderr
    assert nothing_is_left(home)
    assert "nothing was running" in run_in(home)("down").stdout
