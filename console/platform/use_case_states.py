"""How each use case is: what gateway and monitor say of it, one row a use case."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from console.platform.health import SECONDS
from console.platform.status import HEALTHY, STOPPED, ServiceStatus
from lakeloop.access.acting import authorization
from lakeloop.access.generated import PLATFORM, token_file
from lakeloop.pushed_models import pushed_versions
from lakeloop.served_use_cases import in_brief, open_served, served_names
from lakeloop.settings import Settings
from tfx_pipeline.runs.graph import is_compiled

DEGRADED, NO_MODEL = "degraded", "no model"


@dataclass(frozen=True)
class UseCaseStatus:
    """One use case: `state` is the gateway's (ok, degraded, refused), `no model` where none was ever pushed, or stopped
    where no gateway answers.

    `model_version` is the version that serves. `problem` says why it is not ok, or what does not go on beside the
    answers; '' where nothing is wrong.
    """

    name: str
    state: str
    model_version: str | None
    problem: str


def use_case_states(settings: Settings, services: Iterable[ServiceStatus]) -> tuple[UseCaseStatus, ...]:
    """Those that gateway and monitor know; where the gateway is not healthy, those that would be served.

    A service that is not healthy is not asked: what answers at its port may be another home's.
    """
    urls = {service.name: service.url for service in services if service.state == HEALTHY}
    asking = authorization(_token(settings))
    with httpx.Client(timeout=SECONDS, trust_env=False, headers=asking) as http, ThreadPoolExecutor(2) as pool:
        gateway, monitor = pool.map(lambda name: _told(http, urls.get(name, "")), ("gateway", "monitor"))
    good, refused = open_served(settings)
    new = {use_case.name for use_case in good if not pushed_versions(use_case)}
    briefly = {name: in_brief(name, problem) for name, problem in refused.items()}
    not_compiled = {use_case.name for use_case in good if gateway and not is_compiled(use_case)}
    found = []
    for name in sorted(gateway or served_names(settings)):
        one = gateway.get(name, {})
        state, version = one.get("status", STOPPED), one.get("model_version")
        problem = said = one.get("problem") or briefly.get(name, "")
        if state == DEGRADED and version is None and name in new:
            state = NO_MODEL
            problem = f"none was pushed yet: `make demo USE_CASE={name}`, or its files and `lakeloop train -u {name}`"
        watched = monitor.get(name, {}).get("problem", "")
        problems = [
            problem,
            f"monitor: {watched}" if watched and watched != said else "",
            f"not compiled: `lakeloop pipeline compile -u {name}`" if name in not_compiled else "",
        ]
        found.append(UseCaseStatus(name, state, version, "; ".join(filter(None, problems))))
    return tuple(found)


def _token(settings: Settings) -> str:
    """The platform's own, where services ask for one; '' where it cannot be read, which the services' states say."""
    try:
        return token_file(settings, PLATFORM).read_text(encoding="utf-8").strip() if settings.asks_who else ""
    except OSError:
        return ""


def _told(http: httpx.Client, url: str) -> dict[str, dict[str, Any]]:
    """What the health of a service says of its use cases, by name; nothing where it does not answer."""
    if not url:
        return {}
    try:
        listed = http.get(f"{url}/health").json()["use_cases"]
        return {str(one["name"]): one for one in listed}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}
