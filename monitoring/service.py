"""The monitoring service on port 8085: metrics, the alerts' webhook, health, and the dashboard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import SQLAlchemyError

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.use_case import UseCase
from monitoring.airflow_client import AirflowClient
from monitoring.alerts import EXAMPLE, MOST_BYTES, CurrentAlerts, handle, read_alerts
from monitoring.dashboard.router import dashboard_router
from monitoring.exceptions import AlertGroupError
from monitoring.exporter import Exporter
from monitoring.live import LiveMonitor, Performance
from monitoring.monitor_lock import only_monitor
from monitoring.notifier import Notifier
from monitoring.outbox import Outbox

Pages = Callable[[LiveMonitor], APIRouter]
"""Further pages of the service, made of what the live monitor knows."""
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
GRACE_SECONDS = 5
NOBODY_IS_TOLD = "no target is set (LAKELOOP_NOTIFY); nobody is told"


class Parts:
    """The threads behind the service: the live monitor, the outbox where there is an Airflow, and who tells people."""

    def __init__(self, use_case: UseCase, performance: Performance | None) -> None:
        self.outbox = (
            Outbox(use_case.settings, AirflowClient(use_case.settings)) if use_case.settings.airflow_url else None
        )
        self.notifier = Notifier(use_case.settings)
        self.alerts = CurrentAlerts()
        self.monitor = LiveMonitor(use_case, performance, self.new_event)
        self.exporter = Exporter({use_case.name: (use_case.contract, lambda: self.monitor.snapshot)})

    def new_event(self) -> None:
        """The ledger has a new event: deliver it now, and tell people."""
        if self.outbox is not None:
            self.outbox.wake()
        self.notifier.wake()

    def start(self) -> None:
        """Begin to watch and to deliver."""
        self.monitor.start()
        if self.outbox is not None:
            self.outbox.start()
        if self.notifier.has_targets:
            self.notifier.start()

    def stop(self) -> None:
        """End all threads."""
        self.monitor.stop()
        if self.outbox is not None:
            self.outbox.stop()
        if self.notifier.has_targets:
            self.notifier.stop()


def make_app(use_case: UseCase, performance: Performance | None = None, pages: Pages | None = None) -> FastAPI:
    """The service of one use case.

    Raises WrongUseError if Airflow's password file cannot be read, or a target of notifications cannot be used.
    """
    parts = Parts(use_case, performance)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.start()
        try:
            yield
        finally:
            await run_in_threadpool(parts.stop)

    app = FastAPIOffline(
        redoc_url=None,
        title="Lakeloop monitoring",
        description="Drift, fallbacks and performance of the models that serve.",
        lifespan=lifespan,
    )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(parts.exporter.text(), headers={"content-type": PROMETHEUS})

    @app.post("/alerts")
    async def alerts(request: Request) -> Response:
        """Alertmanager's webhook, version 4."""
        body = await _read(request)
        if body is None:
            return _json({"detail": [{"field": "", "msg": f"the body has more than {MOST_BYTES} bytes"}]}, 413)
        try:
            group = read_alerts(body)
        except AlertGroupError as malformed:
            return _json({"detail": malformed.problems, "example": EXAMPLE}, 422)
        parts.alerts.update(group.alerts)
        try:
            outcome = await run_in_threadpool(handle, group, use_case.settings)
        except (LakeloopError, SQLAlchemyError) as error:  # Alertmanager sends it again after a 5xx
            return _json({"detail": [{"field": "", "msg": f"the ledger cannot be written now: {error}"}]}, 503)
        if outcome.new:
            parts.new_event()
        return _json(asdict(outcome))

    @app.get("/alerts")
    async def firing() -> Response:
        """The alerts that fire now, as Alertmanager told; of rows that do not reach gold, where it did not, as the
        monitor sees them.
        """
        known = parts.alerts.firing()
        told = {alert["labels"].get("alertname") for alert in known}
        own = [*parts.monitor.rejected.alerts(), *parts.monitor.overdue.alerts()]
        return _json({"alerts": [*known, *(alert for alert in own if alert["labels"]["alertname"] not in told)]})

    @app.get("/health")
    async def health() -> Response:
        """How the monitor is doing."""
        return _json(_health(parts, use_case.contract))

    app.include_router(dashboard_router(use_case, parts.exporter.text, use_case.settings.prometheus_url))
    if pages is not None:
        app.include_router(pages(parts.monitor))
    return app


def serve(
    use_case: UseCase,
    host: str,
    port: int,
    on_ready: Callable[[str, int], None] = lambda host, port: None,
    performance: Performance | None = None,
    pages: Pages | None = None,
) -> None:
    """Watch until SIGINT or SIGTERM. `on_ready(host, port)` is called when it listens (port 0: with the port chosen).

    Raises:
        AddressTakenError: the port is another's.
        BusyError: another process watches this use case.
    """
    app = make_app(use_case, performance, pages)
    listener = listen(host, port, "monitor")
    with closing(listener), only_monitor(use_case):
        config = http_config(app, lifespan="on", grace_seconds=GRACE_SECONDS)
        HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])


def _health(parts: Parts, contract: Contract) -> dict[str, Any]:
    shown = parts.monitor.snapshot
    outbox = parts.outbox.problem if parts.outbox else "no Airflow is set (LAKELOOP_AIRFLOW_URL); events stay here"
    return {
        "status": "degraded" if shown.problem or (parts.outbox and outbox) or parts.notifier.problem else "ok",
        "use_case": contract.use_case,
        "problem": shown.problem,
        "model_version": shown.model_version,
        "model_available": shown.model_available,
        "model_problem": shown.model_problem,
        "state": shown.report.state if shown.report else "not measured yet",
        "reason": shown.report.reason if shown.report else "",
        "requests_in_window": shown.rows,
        "windows_measured": shown.windows,
        "episode": shown.episode_id,
        "events_not_delivered": shown.undelivered,
        "outbox_problem": outbox,
        "notifications_waiting": parts.notifier.waiting,
        "notifications_problem": parts.notifier.problem or ("" if parts.notifier.has_targets else NOBODY_IS_TOLD),
    }


async def _read(request: Request) -> bytes | None:
    """The body; None if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return body


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
