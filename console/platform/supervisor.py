"""supervisord for one home: its configuration, its start, and what it is asked over its own socket."""

import configparser
import io
import shlex
import shutil
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from console.platform.logs import log_file
from console.platform.paths import control_socket, log_folder, platform_folder
from console.platform.services import Service
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import LakeloopError, MissingToolError
from lakeloop.secret_files import private_folder
from lakeloop.settings import Settings

STOP_SECONDS = 10
_GROUP = "platform"
"""All programs are one group: supervisord stops a group's programs side by side, but one group after another."""
_LOG_BYTES, _LOG_BACKUPS = "10MB", "2"


@dataclass(frozen=True)
class ProcessState:
    """One program as the supervisor sees it: `state` is its own word (RUNNING, STARTING, BACKOFF, FATAL, …)."""

    name: str
    state: str
    pid: int
    since: datetime | None
    problem: str


class Supervisor:
    """The supervisor of a home, which may or may not run. Its socket is open to this user alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._config = platform_folder(settings) / "supervisord.conf"

    def write_config(self, services: Iterable[Service]) -> None:
        """Write the configuration; running programs keep theirs until they are started anew.

        Raises:
            MissingToolError: util-linux' setpriv is not there.
        """
        private_folder(platform_folder(self._settings))
        private_folder(control_socket(self._settings).parent)
        log_folder(self._settings).mkdir(parents=True, exist_ok=True)
        write_text(self._config, config_text(self._settings, services))

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it as a daemon in its own session; returns when it can be asked.

        Raises:
            LakeloopError: it did not start; with what it said.
        """
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
            env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            start_new_session=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise LakeloopError(f"the supervisor did not start: {(done.stderr or done.stdout).strip()[-500:]}")

    def pid(self) -> int | None:
        """Its process; None if it does not run."""
        try:
            return int(self._ask("getPID"))
        except OSError:
            return None

    def states(self) -> dict[str, ProcessState]:
        """Every program; {} if the supervisor does not run."""
        try:
            return {info["name"]: _state(info) for info in self._ask("getAllProcessInfo")}
        except OSError:
            return {}

    def start_programs(self, names: Iterable[str]) -> None:
        """Start those that do not run, without waiting for them.

        Raises:
            LakeloopError: somebody ended the supervisor.
        """
        states = self.states()
        if not states:
            raise LakeloopError("the supervisor was ended while it was starting services; run `lakeloop up` again")
        for name in names:
            if states[name].state not in ("RUNNING", "STARTING", "BACKOFF"):
                self._ask("startProcess", f"{_GROUP}:{name}", False)

    def stop(self) -> None:
        """Stop every program and then itself; returns at once."""
        self._ask("shutdown")

    def _ask(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{control_socket(self._settings)}")
        server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(server.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise LakeloopError(f"the supervisor refuses {method}: {fault.faultString}") from fault
        finally:
            transport.close()


def config_text(settings: Settings, services: Iterable[Service]) -> str:
    """supervisord's configuration. Programs get its environment, so no secret stands in the file."""
    listed = list(services)
    folder, logs, here = platform_folder(settings), log_folder(settings), str(Path.cwd())
    config = configparser.RawConfigParser()
    config.read_dict(
        {
            "unix_http_server": {"file": str(control_socket(settings)), "chmod": "0700"},
            "supervisord": {
                "pidfile": str(folder / "supervisord.pid"),
                "logfile": str(logs / "supervisor.log"),
                "logfile_maxbytes": "1MB",
                "logfile_backups": "1",
                "childlogdir": str(logs),
                "directory": here,
                "identifier": "lakeloop",
            },
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            f"group:{_GROUP}": {"programs": ",".join(service.name for service in listed)},
            **{f"program:{service.name}": _program(service, settings, here) for service in listed},
        }
    )
    for section in config.sections():
        for key, value in config.items(section):
            config.set(section, key, value.replace("%", "%%"))
    text = io.StringIO()
    config.write(text)
    return text.getvalue()


def bound_command(command: Iterable[str]) -> list[str]:
    """The command, ended by TERM when the process that starts it dies, even of KILL. Raises MissingToolError."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise MissingToolError(
            "setpriv is not there (it ties services to their supervisor): apt-get install util-linux"
        )
    return [setpriv, "--pdeathsig", "TERM", "--", *command]


def _program(service: Service, settings: Settings, directory: str) -> dict[str, str]:
    return {
        "command": shlex.join(bound_command(service.command)),
        "directory": directory,
        "autostart": "false" if service.after else "true",
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "5",
        "stopsignal": "TERM",
        "stopwaitsecs": str(STOP_SECONDS),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(log_file(settings, service.name)),
        "stdout_logfile_maxbytes": _LOG_BYTES,
        "stdout_logfile_backups": _LOG_BACKUPS,
    }


def _state(info: Mapping[str, Any]) -> ProcessState:
    since = datetime.fromtimestamp(info["start"], UTC) if info["start"] and info["pid"] else None
    return ProcessState(info["name"], info["statename"], info["pid"], since, info["spawnerr"])
