"""The monitoring service on port 8085: metrics, the alerts' webhook, health, and the dashboard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import SQLAlchemyError

from lakeloop.access.guard import guarded
from lakeloop.airflow_api import AirflowApi
from lakeloop.exceptions import LakeloopError
from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.use_case import UseCase
from monitoring.airflow_client import AirflowClient
from monitoring.airflow_pools import PoolKeeper
from monitoring.alerts import EXAMPLE, MOST_BYTES, CurrentAlerts, handle, read_alerts
from monitoring.challenge_watch import Act
from monitoring.champion_asset import ChampionTeller
from monitoring.exceptions import AlertGroupError
from monitoring.exporter import Exporter
from monitoring.live import Performance
from monitoring.notifier import Notifier
from monitoring.outbox import Outbox
from monitoring.watched_case import Making, Pages, no_performance
from monitoring.watched_cases import WatchedCases

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
GRACE_SECONDS = 5
NOBODY_IS_TOLD = "no target is set (LAKELOOP_NOTIFY); nobody is told"


class Parts:
    """What is behind the service: the watched use cases, the outbox where there is an Airflow, and who tells people."""

    def __init__(
        self,
        live: LiveUseCases,
        performance: Callable[[UseCase], Performance | None],
        pages: Pages | None,
        act: Act | None,
    ) -> None:
        settings = live.settings
        self.outbox = Outbox(settings, AirflowClient(settings)) if settings.airflow_url else None
        self.pools = PoolKeeper(settings, AirflowApi(settings)) if settings.airflow_url else None
        self.notifier = Notifier(settings)
        self.alerts = CurrentAlerts()
        self.cases = WatchedCases(live, Making(self.new_event, lambda: self.exporter.text(), performance, pages, act))
        self.champions = (
            ChampionTeller(settings, AirflowClient(settings), self._waiting_for_champions)
            if settings.airflow_url
            else None
        )
        self.exporter = Exporter(self.cases.watched)

    def new_event(self) -> None:
        """The ledger has a new event: deliver it now, and tell people."""
        if self.outbox is not None:
            self.outbox.wake()
        self.notifier.wake()

    def _waiting_for_champions(self) -> list[str]:
        """The use cases whose table is scored when another version serves."""
        contracts = {name: case.use_case.contract for name, case in [*self.cases.all.items()]}
        return [name for name, one in contracts.items() if one.scoring is not None and one.scoring.after == "model"]

    async def start(self) -> None:
        """Begin to watch and to deliver."""
        await self.cases.start()
        if self.outbox is not None:
            self.outbox.start()
        if self.pools is not None:
            self.pools.start()
        if self.champions is not None:
            self.champions.start()
        if self.notifier.has_targets:
            self.notifier.start()

    async def stop(self) -> None:
        """End all threads."""
        await self.cases.stop()
        if self.outbox is not None:
            await run_in_threadpool(self.outbox.stop)
        if self.pools is not None:
            await run_in_threadpool(self.pools.stop)
        if self.champions is not None:
            await run_in_threadpool(self.champions.stop)
        if self.notifier.has_targets:
            await run_in_threadpool(self.notifier.stop)


def make_app(
    live: LiveUseCases,
    performance: Callable[[UseCase], Performance | None] = no_performance,
    pages: Pages | None = None,
    act: Act | None = None,
) -> FastAPI:
    """The service of all use cases of a folder, which it follows.

    Raises:
        WrongUseError: Airflow's password file cannot be read, or a target of notifications cannot be used.
        LakeloopError: no use case can be watched; the text says why.
    """
    return _app(live, Parts(live, performance, pages, act))


def _app(live: LiveUseCases, parts: Parts) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        try:
            yield
        finally:
            await parts.stop()

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
            outcome = await run_in_threadpool(handle, group, live.settings)
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
        told = {_what(alert) for alert in known}
        monitors = [case.monitor for case in parts.cases.all.values()]
        own = [alert for one in monitors for alert in (*one.rejected.alerts(), *one.overdue.alerts())]
        return _json({"alerts": [*known, *(alert for alert in own if _what(alert) not in told)]})

    @app.get("/health")
    async def health() -> Response:
        """How the monitor is doing: the use case at the root, and in short all."""
        return _json(_health(parts))

    @app.get("/{use_case}/health")
    async def health_of(use_case: str) -> Response:
        """How it is doing with one use case."""
        case, problems = parts.cases.all.get(use_case), parts.cases.problems
        if case is not None:
            return _json(case.health(problems.get(use_case, "")))
        why = problems.get(use_case) or f"there is no use case {use_case!r} here"
        there = ", ".join(sorted(parts.cases.all))
        return _json({"detail": [{"field": "", "msg": f"{why}; there are {there}"}]}, 404)

    app.mount("/", parts.cases.pages)
    return app


def serve(
    live: LiveUseCases,
    host: str,
    port: int,
    on_ready: Callable[[str, int], None] = lambda host, port: None,
    performance: Callable[[UseCase], Performance | None] = no_performance,
    pages: Pages | None = None,
    act: Act | None = None,
) -> None:
    """Watch until SIGINT or SIGTERM. With LAKELOOP_AUTH=on whoever looks needs a token with the role `read`, and
    whoever tells alerts, which may start a retrain, `decide`. `on_ready(host, port)` is called when it listens (port 0:
    with the port chosen).

    Raises:
        AddressTakenError: the port is another's.
        BusyError: another process watches the only use case there is.
        LakeloopError: no use case can be watched; the text says why.
    """
    with closing(listen(host, port, "monitor")) as listener:
        parts = Parts(live, performance, pages, act)
        try:
            app = guarded(_app(live, parts), live.settings, host, "monitor", writes="decide")
            config = http_config(app, lifespan="on", grace_seconds=GRACE_SECONDS)
            HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
        finally:
            parts.cases.release()


def _what(alert: dict[str, Any]) -> tuple[str | None, str | None]:
    labels = alert["labels"]
    return labels.get("alertname"), labels.get("use_case")


def _health(parts: Parts) -> dict[str, Any]:
    cases, problems = parts.cases, parts.cases.problems
    outbox = parts.outbox.problem if parts.outbox else "no Airflow is set (LAKELOOP_AIRFLOW_URL); events stay here"
    pools = parts.pools.problem if parts.pools else ""
    champions = parts.champions.problem if parts.champions else ""
    failing = (parts.outbox and outbox, pools, champions, parts.notifier.problem)
    shown = cases.default.health(problems.get(cases.default.use_case.name, ""))
    found = {name: case.health(problems.get(name, "")) for name, case in cases.all.items()}
    briefly = cases.problems_in_brief
    listed = [
        *(
            {
                "name": name,
                "status": one["status"],
                "model_version": one["model_version"],
                "problem": one["problem"] or briefly.get(name, ""),
            }
            for name, one in found.items()
        ),
        *(
            {"name": name, "status": "refused", "model_version": None, "problem": why}
            for name, why in briefly.items()
            if name not in found
        ),
    ]
    return {
        **shown,
        "status": "degraded" if any(failing) else shown["status"],
        "outbox_problem": outbox,
        "pools_problem": pools,
        "champions_problem": champions,
        "notifications_waiting": parts.notifier.waiting,
        "notifications_problem": parts.notifier.problem or ("" if parts.notifier.has_targets else NOBODY_IS_TOLD),
        "use_cases": sorted(listed, key=lambda one: str(one["name"])),
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
