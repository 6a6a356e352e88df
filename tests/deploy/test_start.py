"""Every service whose program is on this machine starts with the compose file's own command and becomes healthy.

There is no container engine here, so nothing of isolation, users or limits is tried; commands, variables, secrets,
mounted files, the order of `depends_on` and the health checks are. In the place of `tensorflow_model_server` our own
model server stands behind the same URL. Grafana's server cannot be had.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from deltalake import DeltaTable
from sqlalchemy import create_engine, text

from console.platform.airflow_environment import AIRFLOW
from console.platform.marked_processes import end_strays, marked_processes
from tests.deploy.compose_file import TOOLS, is_one_shot
from tests.deploy.this_machine import Started, ThisMachine
from tests.postgresql_server import postgresql_server

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)"),
    pytest.mark.skipif(not TOOLS.exists(), reason="the compose program is not there (`make compose-tools`)"),
]
NOT_HERE = {"grafana"}
LONGEST_SECONDS = 1200.0
PATIENCE = 240.0
"""Seconds for one answer: the services of a whole platform share two processors with the test."""
WRITES = """
import sys
from lakehouse.storage.session import spark_session
from lakeloop.settings import load_settings
spark = spark_session(load_settings())
spark.range(0, 1000, 1, 2).write.format("delta").save(sys.argv[1])
print("application", spark.sparkContext.applicationId)
spark.stop()
"""
DONE, HEALTHY = "service_completed_successfully", "service_healthy"


class Running:
    """The services as they come up: each is started when what it waits for is so far, as compose does it."""

    def __init__(self, compose: dict[str, Any], machine: ThisMachine, stack: ExitStack) -> None:
        self._services = {name: s for name, s in compose["services"].items() if name not in NOT_HERE}
        self._machine, self._stack = machine, stack
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.seconds: dict[str, float] = {}
        self.reached: dict[str, str] = {}

    def come_up(self) -> None:
        begun = time.monotonic()
        while self.reached.keys() != self._services.keys():
            assert time.monotonic() - begun < LONGEST_SECONDS, self._said(self._services.keys() - self.reached.keys())
            for name in self._services.keys() - self.reached.keys():
                if name not in self._processes and self._may_start(name):
                    self._start(name)
                elif name in self._processes and self._is_well(name):
                    self.reached[name] = DONE if is_one_shot(self._services[name]) else HEALTHY
                    self.seconds[name] = round(time.monotonic() - begun, 1)
            time.sleep(0.5)

    def _may_start(self, name: str) -> bool:
        waits = self._services[name].get("depends_on", {})
        return all(self.reached.get(other) == how["condition"] for other, how in waits.items() if other not in NOT_HERE)

    def _start(self, name: str) -> None:
        with self._log(name).open("wb") as log:
            started = stand_in(name, self._machine.started(name))
            if name == "postgresql":
                self._database(started)
                started.command[0] = "true"  # it runs already: Debian's start is not the image's
            self._processes[name] = subprocess.Popen(
                started.command, env=started.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=started.workplace, start_new_session=True,
            )  # fmt: skip

    def _database(self, started: Started) -> None:
        """What the image's entrypoint does: a server with this user, this password, this database."""
        told = started.environment
        password = Path(told["POSTGRES_PASSWORD_FILE"]).read_text().strip()
        server = postgresql_server(password, self._machine.port("postgresql", 5432))
        engine = create_engine(self._stack.enter_context(server).socket_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{told["POSTGRES_DB"]}" OWNER "{told["POSTGRES_USER"]}"'))
        engine.dispose()

    def _is_well(self, name: str) -> bool:
        process = self._processes[name]
        if is_one_shot(self._services[name]):
            assert process.poll() in (None, 0), self._said([name])
            return process.poll() == 0
        assert name == "postgresql" or process.poll() is None, self._said([name])
        started = self._machine.started(name)
        asked = subprocess.run(
            started.health, env=started.environment, cwd=started.workplace, capture_output=True, check=False
        )
        return asked.returncode == 0

    def _log(self, name: str) -> Path:
        return self._machine.folder / f"{name}.log"

    def _said(self, names: Any) -> str:
        logs = {name: self._log(name).read_text(errors="replace")[-2500:] for name in names if self._log(name).exists()}
        return "\n".join([f"not up: {', '.join(names)}", *(f"--- {name}\n{said}" for name, said in logs.items())])


def _run(started: Started, command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env=started.environment, cwd=started.workplace, capture_output=True, text=True, check=False
    )


def stand_in(name: str, started: Started) -> Started:
    """Our own program where the image's is not to be had here; the flags say where and what, as they do there."""
    if name == "models":
        flags = dict(word.removeprefix("--").split("=", 1) for word in started.command if "=" in word)
        command = [sys.executable, "-m", "serving.model_server", "--port", flags["rest_api_port"]]
        command += ["--grpc-port", flags["port"], "--model_config_file", flags["model_config_file"]]
        command += ["--model_config_file_poll_wait_seconds", flags["model_config_file_poll_wait_seconds"]]
        return replace(started, command=command)
    if name == "notebooks" and os.geteuid() == 0:  # in its container nobody is root
        return replace(started, command=[*started.command, "--allow-root"])
    return started


@contextmanager
def coming_up(compose: dict[str, Any], folder: Path) -> Iterator[tuple[ThisMachine, Running]]:
    machine = ThisMachine(compose, folder)
    with ExitStack() as stack:
        stack.callback(end_strays, machine.folder)
        running = Running(compose, machine, stack)
        running.come_up()
        yield machine, running


@pytest.fixture(scope="module")
def platform(
    compose_as_read: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ThisMachine, Running]]:
    with coming_up(compose_as_read, tmp_path_factory.mktemp("compose")) as up:
        yield up


def test_every_service_becomes_healthy_by_its_own_check(platform: tuple[ThisMachine, Running]) -> None:
    machine, running = platform
    print(running.seconds)
    assert set(running.reached.values()) == {DONE, HEALTHY}
    listening = [
        c
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.pid in {process.pid for process in marked_processes(machine.folder)}
    ]
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} <= {"127.0.0.1", "::1"}
    assert {c.laddr.port for c in listening} >= {
        port for (name, _), port in machine.ports.items() if name not in (NOT_HERE | {"postgresql"})
    }


def test_airflow_reads_its_dags_on_postgresql_and_lets_the_secrets_users_in(
    platform: tuple[ThisMachine, Running],
) -> None:
    machine, _ = platform
    assert not list((machine.folder / "volumes" / "home").rglob("*.db"))
    passwords = json.loads((machine.secrets / "airflow-passwords.json").read_text())
    url = f"http://127.0.0.1:{machine.port('api-server', 8080)}"
    for user, password in passwords.items():
        answer = httpx.post(
            f"{url}/auth/token", json={"username": user, "password": password}, trust_env=False, timeout=PATIENCE
        )
        assert answer.is_success, (user, answer.text)


def test_a_delta_table_is_written_by_the_spark_cluster(platform: tuple[ThisMachine, Running]) -> None:
    machine, _ = platform
    task = machine.started("scheduler")
    table = str(machine.folder / "table")
    done = _run(task, [sys.executable, "-c", WRITES, table])
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(DeltaTable(table).to_pandas()["id"]) == list(range(1000))
    master = f"http://127.0.0.1:{machine.port('spark-master', 8090)}/json/"
    of_others_too = httpx.get(master, trust_env=False, timeout=PATIENCE).json()["completedapps"]
    (application,) = [a for a in of_others_too if f"application {a['id']}" in done.stdout.splitlines()]
    assert (application["name"], application["cores"]) == ("lakeloop", 1)  # spark-defaults.conf is heard


def test_prometheus_finds_its_targets_and_notebooks_want_their_token(platform: tuple[ThisMachine, Running]) -> None:
    machine, _ = platform
    url = f"http://127.0.0.1:{machine.port('prometheus', 9090)}/api/v1/targets"
    targets = httpx.get(url, trust_env=False, timeout=PATIENCE).json()["data"]["activeTargets"]
    assert {t["labels"]["job"]: t["health"] for t in targets} == {
        "lakeloop-monitor": "up", "lakeloop-gateway": "up", "lakeloop-models": "up",
    }  # fmt: skip
    notebooks = f"http://127.0.0.1:{machine.port('notebooks', 8888)}/api/contents"
    token = (machine.secrets / "notebooks-token").read_text()
    assert httpx.get(notebooks, trust_env=False, timeout=PATIENCE).status_code == 403
    known = {"Authorization": f"token {token}"}
    with_token = httpx.get(f"{notebooks}/workshop", headers=known, trust_env=False, timeout=PATIENCE)
    assert with_token.status_code == 200
    kinds = {entry["name"]: entry["type"] for entry in with_token.json()["content"]}
    assert kinds["01-exploration.ipynb"] == kinds["09-lineage.ipynb"] == "notebook"


def test_nothing_writes_where_its_container_could_not(platform: tuple[ThisMachine, Running]) -> None:
    machine, _ = platform
    assert [path for place in (machine.folder / "workplaces").iterdir() for path in place.iterdir()] == []
