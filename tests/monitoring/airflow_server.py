"""A real Airflow with its own home and a generated password: its api-server, which can be stopped and started."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from lakeloop.settings import PROJECT
from tests.ports import free_port

AIRFLOW = PROJECT / ".venv-airflow" / "bin" / "airflow"
USER = "lakeloop"


class Airflow:
    """An Airflow that knows the project's DAGs. `start` and `stop` its api-server; what it was told stays.

    `others` are users beside USER, with their roles.
    """

    def __init__(self, home: Path, use_cases: Path, others: Mapping[str, str] | None = None) -> None:
        home.mkdir()
        users = {USER: "op", **(others or {})}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password_file = home / "passwords.json"
        self.password_file.write_text(json.dumps({user: secrets.token_urlsafe(24) for user in users}))
        self._log = (home / "airflow.log").open("a")
        self._server: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKELOOP"))},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "200",  # they are read once: on a busy machine 30 s may be too few
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in users.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.password_file),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "LAKELOOP_USE_CASES": str(use_cases),
        }
        self._run("db", "migrate")
        self._run("dags", "reserialize")

    def start(self) -> None:
        """Start the api-server and wait until it answers."""
        self._server = subprocess.Popen(
            [AIRFLOW, "api-server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"],
            env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 400
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False).is_success:
                    return
            assert self._server.poll() is None and time.monotonic() < deadline, Path(self._log.name).read_text()[-3000:]
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop the api-server and what it started."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, 15)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._server.pid, 9)
                self._server.wait(10)
            self._server = None

    def log_in(self, user: str = USER) -> dict[str, str]:
        """The headers of a user's requests."""
        login = {"username": user, "password": json.loads(self.password_file.read_text())[user]}
        token = httpx.post(f"{self.url}/auth/token", json=login, timeout=120, trust_env=False).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What the REST API answers USER."""
        answer = httpx.get(f"{self.url}{path}", params=query, headers=self.log_in(), timeout=120, trust_env=False)
        content: dict[str, Any] = answer.raise_for_status().json()
        return content

    def asset_events(self, asset: str) -> list[dict[str, Any]]:
        """The events of one asset, oldest first."""
        found = self.get("/api/v2/assets/events", name_pattern=asset, order_by="timestamp")
        return [event for event in found["asset_events"] if event["name"] == asset]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [AIRFLOW, *command], env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
