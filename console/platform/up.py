"""`lakeloop up`: from whatever state the home is in to a platform that works."""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from console.platform.airflow_environment import USERS, with_airflow
from console.platform.alerting_files import write_alerting_files
from console.platform.down import stop_all
from console.platform.environment import service_environment
from console.platform.generated_secrets import ensure_secrets
from console.platform.logs import last_lines, log_file
from console.platform.marked_processes import end_strays
from console.platform.paths import home_of, platform_folder
from console.platform.platform_lock import one_at_a_time
from console.platform.ports import check_ports
from console.platform.preparation import prepare
from console.platform.services import Service, platform_services
from console.platform.status import HEALTHY, ServiceStatus, service_states
from console.platform.supervisor import Supervisor, config_text
from lakeloop.access.generated import ensure_tokens
from lakeloop.airflow_api import AirflowApi
from lakeloop.atomic_file import write_text
from lakeloop.dag_ids import DAGS
from lakeloop.exceptions import AirflowError, AirflowRefusedError, LakeloopError, WrongUseError
from lakeloop.served_use_cases import check_served, open_served
from lakeloop.settings import Settings, check_home
from monitoring.notification_targets import read_targets

LONGEST_SECONDS = 240.0
"""After this long `up` gives up waiting; a quiet machine needs a quarter of it."""
_LOOK_SECONDS = 0.5

OnStates = Callable[[tuple[ServiceStatus, ...], tuple[str, ...]], None]
"""Gets how every service is, and the steps of the preparation that go on."""


@dataclass(frozen=True)
class Running:
    """A platform that works: `new` if this call started it. `problems`: what is wrong with a use case, by its name."""

    services: tuple[ServiceStatus, ...]
    new: bool
    dags: int
    import_errors: tuple[str, ...]
    problems: Mapping[str, str]


def up(
    settings: Settings,
    on_step: Callable[[str], None] = lambda text: None,
    on_states: OnStates = lambda states, steps: None,
) -> Running:
    """Start what does not run and wait until all is healthy; interrupted, stop what this call started.

    Use cases that cannot be served or compiled are left out and told; the others go on.

    Raises:
        WrongUseError: a target of notifications cannot be used, a use case that the settings name is not there, or no
            contract is good; nothing was started.
        MissingToolError: Airflow's environment is not there.
        BusyError: another `up` or `down` is at work on this home.
        PortTakenError: a port is another's; nothing was started.
        LakeloopError: the platform runs with other settings, or a service does not come up; the text names its log.
    """
    read_targets(settings)
    _check_use_cases(settings)
    problems: dict[str, str] = {}
    services = platform_services(settings)
    with one_at_a_time(settings):
        supervisor = Supervisor(settings)
        new = supervisor.pid() is None
        try:
            if new:
                strays = end_strays(home_of(settings))
                if strays:
                    on_step(f"{strays} processes of an earlier start had lost their supervisor; they are ended")
                check_ports(services, home_of(settings))
            else:
                _check_unchanged(settings, services)
            _start(settings, services, supervisor, new, on_states, problems)
            states = _wait(settings, on_states)
            dags, errors = _wait_for_dags(settings)
        except KeyboardInterrupt:
            if new:
                on_step("interrupted: stopping what was started")
                stop_all(settings)
            raise
    return Running(states, new, dags, errors, problems)


def _check_use_cases(settings: Settings) -> None:
    check_home(settings)
    check_served(settings)
    good, problems = open_served(settings)
    if not good:
        raise WrongUseError("\n".join(map(str, problems.values())))


def _start(
    settings: Settings,
    services: tuple[Service, ...],
    supervisor: Supervisor,
    new: bool,
    on_states: OnStates,
    problems: dict[str, str],
) -> None:
    if settings.asks_who:
        ensure_tokens(settings)
    ensure_secrets(settings)
    environment = service_environment(settings)
    if new:
        supervisor.write_config(services)
        write_alerting_files(settings)
        write_text(_fingerprint_file(settings), _fingerprint(settings, services))
        supervisor.start(environment)
    waiting = list(services)
    with closing(prepare(settings, environment, problems.__setitem__)) as preparing:
        for steps in preparing:
            due = {step.kind for step in steps}
            ready = [service for service in waiting if not service.after & due]
            if ready:
                supervisor.start_programs([service.name for service in ready])
                waiting = [service for service in waiting if service not in ready]
            on_states(service_states(settings), tuple(step.name for step in steps))


def _wait(settings: Settings, on_states: OnStates) -> tuple[ServiceStatus, ...]:
    """Until every service is healthy; a service the supervisor gave up ends the wait at once."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        states = service_states(settings)
        on_states(states, ())
        if all(state.state == HEALTHY for state in states):
            return states
        given_up = [s for s in Supervisor(settings).states().values() if s.state == "FATAL"]
        if given_up or time.monotonic() > deadline:
            names = [s.name for s in given_up] or [s.name for s in states if s.state != HEALTHY]
            raise LakeloopError(_not_up(settings, names, states))
        time.sleep(_LOOK_SECONDS)


def _not_up(settings: Settings, names: list[str], states: tuple[ServiceStatus, ...]) -> str:
    problems = {state.name: state.problem for state in states}
    lines = [f"{', '.join(names)} did not come up; `lakeloop down` stops the rest"]
    for name in names:
        log = log_file(settings, name)
        lines.append(f"{name}: {problems.get(name) or 'no answer'}; its log is {log}")
        lines += [f"  {line}" for line in last_lines(log)]
    return "\n".join(lines)


def _wait_for_dags(settings: Settings) -> tuple[int, tuple[str, ...]]:
    """How many DAGs Airflow knows, once those of the good use cases are there, and the files it could not import."""
    api = AirflowApi(with_airflow(settings))
    deadline = time.monotonic() + LONGEST_SECONDS
    wanted = {f"{use_case.name}_{what}" for use_case in open_served(settings)[0] for what in DAGS}
    try:
        while True:
            late = time.monotonic() > deadline
            try:
                known = {dag["dag_id"] for dag in api.all("/api/v2/dags", "dags")}
                errors = api.all("/api/v2/importErrors", "import_errors")
                if wanted <= known or errors or late:
                    break
            except AirflowRefusedError as refusal:
                raise LakeloopError(f"Airflow runs, but {refusal}") from refusal
            except AirflowError as failure:  # its first answers may take long: it reads its modules for them
                if late:
                    raise LakeloopError(f"Airflow runs, but {failure}") from failure
            time.sleep(_LOOK_SECONDS)
    finally:
        api.close()
    return len(known), tuple(f"{error.get('filename')}: {_last_line(error.get('stack_trace', ''))}" for error in errors)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _check_unchanged(settings: Settings, services: tuple[Service, ...]) -> None:
    path = _fingerprint_file(settings)
    if not path.is_file() or path.read_text(encoding="utf-8") != _fingerprint(settings, services):
        raise LakeloopError(
            f"the platform of {home_of(settings)} runs with other settings than these; `lakeloop down` first, then "
            "`lakeloop up`"
        )


def _fingerprint(settings: Settings, services: tuple[Service, ...]) -> str:
    """Hash of what the services were started with: commands, folder, and the variables that concern them.

    Airflow's users are left out: a token that was made since gets its user at the next start.
    """
    environment: Mapping[str, str] = service_environment(settings)
    mine = sorted(
        (k, v) for k, v in environment.items() if k.startswith(("LAKELOOP_", "AIRFLOW", "PYTHONPATH")) and k != USERS
    )
    return hashlib.sha256(f"{config_text(settings, services)}\n{mine}".encode()).hexdigest()


def _fingerprint_file(settings: Settings) -> Path:
    return platform_folder(settings) / "settings.sha256"
