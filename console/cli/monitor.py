"""`lakeloop monitor`: watch production."""

from functools import partial
from typing import Annotated

import typer
from fastapi import APIRouter

from console.cli.render import console
from console.cli.use_case_option import OnlyOption
from console.pages.router import Present, pages_router
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.pushed_models import version_states
from lakeloop.served_models import kept_config
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase
from monitoring.gold_performance import GoldPerformance
from monitoring.live import LiveMonitor
from monitoring.page_place import PagePlace
from monitoring.service import serve
from operations.releasing import release_by_contract


def monitor_command(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 8085, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    only: OnlyOption = None,
    use_case: Annotated[
        str,
        typer.Option("--use-case", "-u", help="The use case whose pages stand at /; default: the project's."),
    ] = "",
) -> None:
    """Watch the answered requests for drift: metrics, alerts and events, beside the request path.

    It follows the request log of each use case, and goes on where it stopped; new folders are picked up while it runs.
    It keeps `models.config`, from which a TensorFlow Serving beside it knows the models, up to date.
    With LAKELOOP_AIRFLOW_URL set, events go to Airflow.
    """
    settings = load_settings(use_case=use_case, served_use_cases=",".join(only or ()))

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}"
        console.print(
            f"monitor: {url}  (Ctrl-C stops)\n"
            f"  start pages {url} and {url}/<use case>/   dashboard {url}/dashboard   metrics {url}/metrics   "
            f"health {url}/health   webhook {url}/alerts\n"
            f"  events go to {settings.airflow_url or 'the ledger alone: LAKELOOP_AIRFLOW_URL is not set'}",
            soft_wrap=True,
        )

    def pages(case: UseCase, live: LiveMonitor, place: PagePlace) -> APIRouter:
        return pages_router(case, Present(lambda: live.snapshot.serving, lambda: live.newest), place)

    port = settings.monitor_port if port is None else port
    states = partial(version_states, settings.model_server)
    with kept_config(settings, states):  # for a TensorFlow Serving that may only read the home
        serve(LiveUseCases(settings), host, port, ready, GoldPerformance, pages, release_by_contract)
