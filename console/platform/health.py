"""Asks every service how it is, at its own health endpoint."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from console.platform.services import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER, Service
from lakeloop.access.acting import authorization

SECONDS = 10.0
"""For an answer; a busy machine is not an ill one."""
_COMPONENTS = {SCHEDULER: "scheduler", DAG_PROCESSOR: "dag_processor", TRIGGERER: "triggerer"}


@dataclass(frozen=True)
class Health:
    """Whether a service works; `problem` says what is missing if it does not."""

    healthy: bool
    problem: str = ""


def ask_health(services: Iterable[Service], since: Mapping[str, datetime]) -> dict[str, Health]:
    """Ask all services at once. `since`: when the process of each started, for those that report by heartbeat."""
    listed = list(services)
    checked = [service for service in listed if service.health]
    with httpx.Client(timeout=SECONDS, trust_env=False) as http, ThreadPoolExecutor(len(checked) or 1) as pool:
        answers = dict(zip([s.name for s in checked], pool.map(lambda s: _get(http, s), checked), strict=True))
    health = {name: _health(answer) for name, answer in answers.items()}
    for service in listed:
        if service.name in _COMPONENTS:
            health[service.name] = _heartbeat(answers.get(API_SERVER), service.name, since.get(service.name))
        elif service.name == API_SERVER and health[API_SERVER].healthy:
            health[API_SERVER] = _database(answers[API_SERVER])
    return health


def _get(http: httpx.Client, service: Service) -> httpx.Response | str:
    try:
        token = service.token.read_text(encoding="utf-8").strip() if service.token is not None else ""
        return http.get(service.health, headers=authorization(token))
    except OSError as error:
        return f"its token cannot be read: {error}"
    except httpx.HTTPError as error:
        return f"{service.health} does not answer ({type(error).__name__})"


def _health(answer: httpx.Response | str) -> Health:
    if isinstance(answer, str):
        return Health(False, answer)
    return Health(answer.is_success, "" if answer.is_success else f"{answer.url} answers {answer.status_code}")


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _database(answer: httpx.Response | str) -> Health:
    assert isinstance(answer, httpx.Response)
    status = _content(answer).get("metadatabase", {}).get("status")
    return Health(status == "healthy", "" if status == "healthy" else f"Airflow's database is {status}")


def _heartbeat(answer: httpx.Response | str | None, name: str, since: datetime | None) -> Health:
    """Airflow reports the newest heartbeat of any process; one from before this one's start is not this one's."""
    if not isinstance(answer, httpx.Response) or not answer.is_success:
        return Health(False, "the api-server does not answer, which would know")
    component = _COMPONENTS[name]
    state = _content(answer).get(component, {})
    beat = state.get(f"latest_{component}_heartbeat")
    if not beat or since is None or _time(beat) < since:
        return Health(False, "no heartbeat yet")
    return Health(state["status"] == "healthy", "" if state["status"] == "healthy" else f"no heartbeat since {beat}")


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
