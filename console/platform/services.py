"""What runs: nine services, each with its command, its port and where it says how it is."""

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from console.platform.airflow_environment import airflow_program, airflow_url
from console.platform.paths import home_of, platform_folder
from lakeloop.access.generated import PLATFORM, token_file
from lakeloop.served_use_cases import default_use_case
from lakeloop.settings import Settings

Preparation = Literal["migrate", "compile"]
API_SERVER = "api-server"
SCHEDULER, DAG_PROCESSOR, TRIGGERER = "scheduler", "dag-processor", "triggerer"
ALERTING = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}
"""Services that are optional, and how their program may be called: Debian's name, and the project's own."""


@dataclass(frozen=True)
class Service:
    """One process the supervisor keeps running.

    `ports` maps the environment variable that sets a port to its number. `health` is the URL that answers 200 when
    the service works; Airflow's components without a port of their own report through the api-server instead.
    `token` is the file of the token that asking for it takes, where services ask for one.
    `after` names the steps of the preparation that must be done before it starts.
    """

    name: str
    command: tuple[str, ...]
    url: str = ""
    health: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    after: frozenset[Preparation] = frozenset()
    token: Path | None = None


def platform_services(settings: Settings) -> tuple[Service, ...]:
    """The services of this home in the order they are shown. Raises MissingToolError if Airflow is not installed."""
    return (*_answering(settings), *_alerting(settings), *_airflow(settings))


def program_of(service: str) -> str | None:
    """Path of an optional service's program; None where it is not installed."""
    return next((found for name in ALERTING[service] if (found := shutil.which(name))), None)


def prometheus_url(settings: Settings) -> str:
    """Base URL of the platform's own Prometheus; '' where it is not installed."""
    return _loopback(settings.prometheus_port) if program_of("prometheus") else ""


def lakeloop_program() -> str:
    """The `lakeloop` command of the environment that this process runs in."""
    return str(Path(sys.executable).parent / "lakeloop")


def _loopback(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _answering(settings: Settings) -> tuple[Service, ...]:
    lakeloop, models = lakeloop_program(), _loopback(settings.model_server_port)
    gateway, monitor = _loopback(settings.gateway_port), _loopback(settings.monitor_port)
    token = token_file(settings, PLATFORM) if settings.asks_who else None
    return (
        Service(
            "models",
            (
                lakeloop, "-v", "serve", "models", "--wait",
                "--port", str(settings.model_server_port), "--grpc-port", str(settings.model_server_grpc_port),
            ),
            f"{models}/v1/models/{default_use_case(settings)}",
            f"{models}/monitoring/prometheus/metrics",
            {
                "LAKELOOP_MODEL_SERVER_PORT": settings.model_server_port,
                "LAKELOOP_MODEL_SERVER_GRPC_PORT": settings.model_server_grpc_port,
            },
        ),
        Service(
            "gateway", (lakeloop, "-v", "serve", "gateway"), gateway, f"{gateway}/health",
            {"LAKELOOP_GATEWAY_PORT": settings.gateway_port}, token=token,
        ),
        Service(
            "monitor", (lakeloop, "-v", "monitor"), monitor, f"{monitor}/health",
            {"LAKELOOP_MONITOR_PORT": settings.monitor_port}, token=token,
        ),
    )  # fmt: skip


def _alerting(settings: Settings) -> tuple[Service, ...]:
    made = (_prometheus(settings), _alertmanager(settings))
    return tuple(service for service in made if service is not None)


def _prometheus(settings: Settings) -> Service | None:
    program, url = program_of("prometheus"), _loopback(settings.prometheus_port)
    if program is None:
        return None
    command = (
        program,
        f"--config.file={platform_folder(settings) / 'prometheus.yml'}",
        f"--storage.tsdb.path={home_of(settings) / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{settings.prometheus_port}",
    )
    return Service("prometheus", command, url, f"{url}/-/ready", {"LAKELOOP_PROMETHEUS_PORT": settings.prometheus_port})


def _alertmanager(settings: Settings) -> Service | None:
    program, url = program_of("alertmanager"), _loopback(settings.alertmanager_port)
    if program is None:
        return None
    command = (
        program,
        f"--config.file={platform_folder(settings) / 'alertmanager.yml'}",
        f"--storage.path={home_of(settings) / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{settings.alertmanager_port}",
        "--cluster.listen-address=",  # one machine: no gossip, no port for it
    )
    return Service(
        "alertmanager", command, url, f"{url}/-/ready", {"LAKELOOP_ALERTMANAGER_PORT": settings.alertmanager_port}
    )


def _airflow(settings: Settings) -> tuple[Service, ...]:
    airflow, url = str(airflow_program()), airflow_url(settings)
    ports = {"LAKELOOP_AIRFLOW_PORT": settings.airflow_port}
    migrated: frozenset[Preparation] = frozenset({"migrate"})
    return (
        Service(API_SERVER, (airflow, "api-server"), url, f"{url}/api/v2/monitor/health", ports, migrated),
        # logs are read from the disk they are on: without the log servers nothing listens beyond loopback
        Service(SCHEDULER, (airflow, "scheduler", "--skip-serve-logs"), after=migrated),
        Service(DAG_PROCESSOR, (airflow, "dag-processor"), after=migrated | {"compile"}),  # DAGs follow graph.json
        Service(TRIGGERER, (airflow, "triggerer", "--skip-serve-logs"), after=migrated),
    )
