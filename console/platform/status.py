"""How the platform is: one row a service."""

from dataclasses import dataclass
from datetime import datetime

from console.platform.health import Health, ask_health
from console.platform.services import Service, platform_services
from console.platform.supervisor import ProcessState, Supervisor
from lakeloop.settings import Settings

HEALTHY, STARTING, STOPPED, FAILING = "healthy", "starting", "stopped", "failing"
_STARTING_SECONDS = 60


@dataclass(frozen=True)
class ServiceStatus:
    """One service: `state` is healthy, starting, failing or stopped; `problem` says why it is not healthy."""

    name: str
    state: str
    since: datetime | None
    pid: int | None
    url: str
    problem: str = ""


def service_states(settings: Settings) -> tuple[ServiceStatus, ...]:
    """Every service of this home; all are stopped where no supervisor runs."""
    services = platform_services(settings)
    processes = Supervisor(settings).states()
    if not processes:
        return tuple(ServiceStatus(s.name, STOPPED, None, None, s.url) for s in services)
    since = {name: state.since for name, state in processes.items() if state.since}
    health = ask_health(services, since)
    return tuple(_status(s, processes.get(s.name), health[s.name]) for s in services)


def _status(service: Service, process: ProcessState | None, health: Health) -> ServiceStatus:
    if process is None or not process.pid:
        state = process.state if process else "STOPPED"
        word = {"FATAL": FAILING, "BACKOFF": FAILING}.get(state, STOPPED)
        problem = "" if word == STOPPED else f"it ends soon after it is started; `lakeloop logs {service.name}`"
        return ServiceStatus(service.name, word, None, None, service.url, problem)
    if process.state == "RUNNING" and health.healthy:
        return ServiceStatus(service.name, HEALTHY, process.since, process.pid, service.url)
    young = process.since is not None and _age(process.since) < _STARTING_SECONDS
    state = STARTING if young else FAILING
    return ServiceStatus(service.name, state, process.since, process.pid, service.url, health.problem)


def _age(since: datetime) -> float:
    return (datetime.now(since.tzinfo) - since).total_seconds()
