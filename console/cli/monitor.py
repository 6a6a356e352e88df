"""`lakeloop monitor`: watch production."""

from typing import Annotated

import typer
from fastapi import APIRouter

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from console.pages.router import Present, pages_router
from monitoring.gold_performance import GoldPerformance
from monitoring.live import LiveMonitor
from monitoring.service import serve


def monitor_command(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 8085, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    use_case: UseCaseOption = "",
) -> None:
    """Watch the answered requests for drift: metrics, alerts and events, beside the request path.

    It follows the request log and goes on where it stopped. With LAKELOOP_AIRFLOW_URL set, events go to Airflow.
    """
    case = open_use_case(use_case)

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}"
        console.print(
            f"{case.name}: {url}  (Ctrl-C stops)\n"
            f"  start page {url}   dashboard {url}/dashboard   metrics {url}/metrics   health {url}/health   "
            f"webhook {url}/alerts\n"
            f"  events go to {case.settings.airflow_url or 'the ledger alone: LAKELOOP_AIRFLOW_URL is not set'}",
            soft_wrap=True,
        )

    def pages(live: LiveMonitor) -> APIRouter:
        return pages_router(case, Present(lambda: live.snapshot.serving, lambda: live.newest))

    performance = GoldPerformance(case)
    serve(case, host, case.settings.monitor_port if port is None else port, ready, performance, pages)
