"""`lakeloop up`, `down`, `status` and `logs`: the whole platform of one home."""

import json
import os
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from console.cli.render import BAD, DIM, GOOD, console, print_problem, table
from console.cli.use_case_option import OnlyOption, UseCaseOption
from console.platform.down import down
from console.platform.environment import service_environment
from console.platform.generated_secrets import secret_files
from console.platform.paths import log_folder
from console.platform.preparation import prepare
from console.platform.status import FAILING, HEALTHY, STOPPED, ServiceStatus, service_states
from console.platform.up import up
from console.platform.use_case_states import use_case_states
from lakeloop.access.generated import ensure_tokens, token_file
from lakeloop.access.roles import ROLES
from lakeloop.exceptions import LakeloopError, NotFoundError, WrongUseError
from lakeloop.notifications import target_states
from lakeloop.served_models import write_config
from lakeloop.served_use_cases import check_served
from lakeloop.settings import Settings, check_home, load_settings


def up_command(only: OnlyOption = None, use_case: UseCaseOption = "") -> None:
    """Start the whole platform: Airflow, model server, gateway, monitor, and Prometheus where it is installed.

    It serves all use cases of the folder; one whose contract has mistakes is told and harms no other. Waits until all
    of it works. Called again it starts what is missing; Ctrl-C stops what it started.
    """
    settings = load_settings(use_case=use_case, served_use_cases=",".join(only or ()))
    begun = time.monotonic()
    seen: set[str] = set()
    with console.status("starting …") as spinner:

        def on_states(states: tuple[ServiceStatus, ...], steps: tuple[str, ...]) -> None:
            for state in states:
                if state.state == HEALTHY and state.name not in seen:
                    seen.add(state.name)
                    console.print(f"  {state.name:<14}{time.monotonic() - begun:6.1f} s  {state.url}", soft_wrap=True)
            waiting = [state.name for state in states if state.state != HEALTHY]
            spinner.update(f"waiting for {', '.join([*steps, *waiting])} …" if waiting else "reading the DAGs …")

        try:
            running = up(settings, lambda text: console.print(f"  {text}", style=DIM, soft_wrap=True), on_states)
        except KeyboardInterrupt:
            raise LakeloopError("interrupted; nothing that this command started is left running") from None
    seconds = time.monotonic() - begun
    console.print(
        f"{len(running.services)} services are healthy, {running.dags} DAGs ({seconds:.0f} s)"
        + ("" if running.new else "; they ran already")
    )
    for error in running.import_errors:
        console.print(f"a DAG file cannot be read: {error}", style=BAD, soft_wrap=True)
    for name, problem in running.problems.items():
        print_problem(name, problem)
    console.print(f"passwords of Airflow's users: {secret_files(settings).passwords}", soft_wrap=True)
    if settings.asks_who:
        console.print(f"tokens of the first start: {token_file(settings, '{' + ','.join(ROLES) + '}')}", soft_wrap=True)
    console.print("`lakeloop status` shows them, `lakeloop logs SERVICE -f` follows one, `lakeloop down` stops all")


def prepare_command(use_case: UseCaseOption = "") -> None:
    """Migrate Airflow's database, compile the pipelines where due, list the models; then the services may start.

    `lakeloop up` does it by itself. Containers run it once before the others; there Airflow's own variables count.
    A use case whose contract has mistakes, or whose pipeline cannot be compiled, is told and harms no other. With
    LAKELOOP_AUTH=on it puts the tokens of the first start on record.
    """
    settings = _settings(use_case)
    check_served(settings)
    write_config(settings)  # a model server beside it does not start without
    log_folder(settings).mkdir(parents=True, exist_ok=True)
    airflow = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    if settings.asks_who:
        ensure_tokens(settings)
    seen: set[str] = set()
    begun = time.monotonic()
    for steps in prepare(settings, {**service_environment(settings), **airflow}, print_problem):
        for name in sorted({step.name for step in steps} - seen):
            seen.add(name)
            console.print(f"  {name} …", style=DIM)
    console.print(f"prepared: {', '.join(sorted(seen)) or 'nothing was due'} ({time.monotonic() - begun:.0f} s)")


def down_command(use_case: UseCaseOption = "") -> None:
    """Stop everything that `lakeloop up` started on this home, running tasks included, and nothing else."""
    settings = _settings(use_case)
    with console.status("stopping …"):
        stopped = down(settings)
    if not stopped.processes and not stopped.strays:
        console.print(f"nothing was running on {settings.home}", soft_wrap=True)
        return
    strays = f", {stopped.strays} of them without the supervisor" if stopped.strays else ""
    console.print(f"stopped: {stopped.processes} processes{strays}")


def status_command(
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON: `services` and `use_cases`, a list with one object each.")
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Show every service: state, since when, process, URL; and every use case: state, model that serves, problem.

    Exit 1 if a service is not healthy.
    """
    settings = _settings(use_case)
    states = service_states(settings)
    use_cases = use_case_states(settings, states)
    if as_json:
        rows = [{**asdict(s), "since": s.since.isoformat() if s.since else None} for s in states]
        told = json.dumps({"services": rows, "use_cases": [asdict(one) for one in use_cases]}, indent=2)
        console.print_json(told) if console.is_terminal else typer.echo(told)
    else:
        cells = [
            (s.name, _state(s.state), _time(s), s.pid or "", s.url + (f"  {s.problem}" if s.problem else ""))
            for s in states
        ]
        console.print(table(("service", "state", "since", "pid", "url"), cells, numbers=("pid",)))
        served = [(one.name, _state(one.state), one.model_version or "", one.problem) for one in use_cases]
        console.print(table(("use case", "state", "model", "problem"), served))
        _print_notifications(settings)
    if any(s.state != HEALTHY for s in states):
        raise typer.Exit(1)


def logs_command(
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="One service; default: all.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines back.")] = 40,
    use_case: UseCaseOption = "",
) -> None:
    """Show what the services wrote last. Task logs are in Airflow's UI."""
    settings = _settings(use_case)
    found = {path.stem: path for path in sorted(log_folder(settings).glob("*.log"))}
    if not found:
        raise NotFoundError(f"there are no logs in {log_folder(settings)} yet; `lakeloop up` writes them")
    if service and service not in found:
        raise WrongUseError(f"there is no log of {service!r}; logs: {', '.join(found)}")
    paths = [found[service]] if service else list(found.values())
    # tail follows a file that is rotated, and marks whose lines are whose
    os.execvp("tail", ["tail", f"--lines={lines}", *(["-F"] if follow else []), *map(str, paths)])


def _settings(use_case: str) -> Settings:
    """Those of a home. No contract is read: a bad one must not keep anybody from stopping or looking."""
    settings = load_settings(use_case=use_case)
    check_home(settings)
    return settings


def _state(state: str) -> Text:
    return Text(state, {HEALTHY: GOOD, FAILING: BAD, STOPPED: DIM, "ok": GOOD, "refused": BAD}.get(state, ""))


def _print_notifications(settings: Settings) -> None:
    """Which notifications have not reached somebody, and why."""
    for target in target_states(settings):
        if target.waiting or target.problem:
            said = ": ".join(filter(None, (f"notifications: {target.waiting} wait for {target.name}", target.problem)))
            console.print(said, style=BAD if target.problem else DIM, soft_wrap=True, markup=False)


def _time(status: ServiceStatus) -> str:
    return status.since.astimezone().strftime("%Y-%m-%d %H:%M:%S") if status.since else ""
