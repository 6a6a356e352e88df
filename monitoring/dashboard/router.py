"""The monitor's own dashboard as routes: the page, what it draws, and its static files; nothing from elsewhere."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import jinja2
import plotly
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from lakeloop.access.acting import authorization
from lakeloop.contract.metrics import Task
from lakeloop.exceptions import first_line
from lakeloop.settings import Settings
from lakeloop.static_files import add_static_files
from lakeloop.use_case import UseCase
from monitoring.dashboard.history import FILLED_BY, NO_PAST, History, read_history
from monitoring.dashboard.panels import panels_of
from monitoring.dashboard.present import SECONDS, Fetch, Present, present
from monitoring.page_place import ALONE, PagePlace

PAGE = Path(__file__).with_name("page")
PLOTLY = Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
STATIC = {
    "dashboard.js": (PAGE / "dashboard.js", "text/javascript"),
    "dashboard.css": (PAGE / "dashboard.css", "text/css"),
    "plotly.min.js": (PLOTLY, "text/javascript"),
}
# Plotly sets styles on the elements it draws.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-cache",
}
HISTORY_SECONDS = 5.0


def dashboard_router(
    use_case: UseCase, metrics_page: Callable[[], bytes], prometheus_url: str = "", place: PagePlace = ALONE
) -> APIRouter:
    """GET /dashboard, /dashboard/data and /dashboard/static/…; `metrics_page` gives the monitor's own metrics.

    Without `prometheus_url` the present is read from the monitor's and the gateway's metrics pages.
    """
    router = APIRouter(include_in_schema=False)
    template = _template()
    past = _Past(use_case)

    async def own() -> bytes:
        return metrics_page()

    pages: dict[str, Fetch] = {
        "the monitor": own,
        f"the gateway at {use_case.settings.gateway}": _page(use_case.settings),
    }

    @router.get("/dashboard")
    def dashboard() -> HTMLResponse:
        page = template.render(
            contract=use_case.contract, root=place.root, others=place.others(), asks_who=use_case.settings.asks_who
        )
        return HTMLResponse(page, headers=HEADERS)

    @router.get("/dashboard/data")
    async def data() -> dict[str, Any]:
        now, history = await asyncio.gather(present(use_case.name, prometheus_url, pages), asyncio.to_thread(past.read))
        return panels_data(now, history, use_case.contract.label.task, past.problem, bool(prometheus_url))

    add_static_files(router, "/dashboard/static", STATIC)
    return router


def panels_data(
    now: Present, history: History, task: Task, problem: str = "", prometheus: bool = False
) -> dict[str, Any]:
    """What the page draws: every panel of the task with its newest values and its lines of the past."""
    return {
        "source": now.source,
        "problems": [*now.problems, *([problem] if problem else [])],
        "empty": history.empty,
        "drifted_periods": history.drifted_periods,
        "period": history.period,
        "periods": history.periods,
        "furthest": history.furthest,
        "panels": [
            {
                **{k: v for k, v in asdict(panel).items() if k not in ("series", "history", "task")},
                "values": [asdict(value) for value in now.values.get(panel.key, ())],
                "lines": [asdict(line) for line in history.lines.get(panel.history, [])],
                "filled_by": FILLED_BY.get(panel.history, ""),
                "no_past": _no_past(panel.key, prometheus),
                "series_count": len(panel.series),
            }
            for panel in panels_of(task)
        ],
    }


def _no_past(panel: str, prometheus: bool) -> str:
    why = NO_PAST.get(panel, "")
    if not why or prometheus:
        return why
    return f"{why}; here none is set (LAKELOOP_PROMETHEUS_URL): there is what the gateway counted since its start"


class _Past:
    """The history, read at most every few seconds; what was known stays where it cannot be read."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._history, self._read_at = History(period=use_case.contract.event_time.period), float("-inf")
        self.problem = ""

    def read(self) -> History:
        """The newest history there is."""
        if time.monotonic() - self._read_at >= HISTORY_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._history, self.problem = read_history(self._use_case), ""
            except Exception as error:  # noqa: BLE001 - delta-rs raises many kinds; the page shows the rest
                self.problem = f"the history cannot be read: {first_line(error)}"
        return self._history


def _page(settings: Settings) -> Fetch:
    async def fetch() -> bytes:
        shown = authorization(settings.own_token)
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, headers=shown) as client:
            return (await client.get(f"{settings.gateway}/metrics")).raise_for_status().content

    return fetch


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("dashboard.html")
