"""One use case of the monitor: the thread that watches it, its pages, and how it is doing."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.concurrency import run_in_threadpool

from lakeloop.use_case import UseCase
from monitoring.challenge_watch import Act, ChallengeWatch
from monitoring.dashboard.router import dashboard_router
from monitoring.live import LiveMonitor, Performance, Snapshot
from monitoring.page_place import PagePlace

Pages = Callable[[UseCase, LiveMonitor, PagePlace], APIRouter]
"""Further pages of a use case, made of what its live monitor knows."""


def no_performance(_: UseCase) -> Performance | None:
    """Nothing tells how good the answers are."""
    return None


@dataclass(frozen=True)
class Making:
    """What a watched use case is made with, the same for all.

    `on_event` is called when the ledger has a new event; `metrics_page` gives the monitor's own metrics; `act` puts
    into effect what follows for a challenger, which nobody watches without it.
    """

    on_event: Callable[[], object]
    metrics_page: Callable[[], bytes]
    performance: Callable[[UseCase], Performance | None] = no_performance
    pages: Pages | None = None
    act: Act | None = None


class WatchedCase:
    """A use case under watch. `app` has its pages, below the root of its place."""

    def __init__(self, use_case: UseCase, place: PagePlace, making: Making) -> None:
        self.use_case, self.place = use_case, place
        self.monitor = LiveMonitor(use_case, making.performance(use_case), making.on_event)
        self._challenges = None if making.act is None else ChallengeWatch(use_case, making.act)
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.include_router(
            dashboard_router(use_case, making.metrics_page, use_case.settings.prometheus_url, place)
        )
        if making.pages is not None:
            self.app.include_router(making.pages(use_case, self.monitor, place))
        self._stack = AsyncExitStack()

    @property
    def snapshot(self) -> Snapshot:
        """What is known of it now."""
        counted = None if self._challenges is None else self._challenges.counted
        return replace(self.monitor.snapshot, challenge=counted)

    async def start(self) -> None:
        """Begin to watch, and make the pages ready."""
        await self._stack.enter_async_context(self.app.router.lifespan_context(self.app))
        self.monitor.start()
        if self._challenges is not None:
            self._challenges.start()

    async def stop(self) -> None:
        """End the threads, then the pages."""
        if self._challenges is not None:
            await run_in_threadpool(self._challenges.stop)
        await run_in_threadpool(self.monitor.stop)
        await self._stack.aclose()

    def health(self, contract_problem: str) -> dict[str, Any]:
        """How it is doing. `contract_problem`: why its newest contract is not in force."""
        shown = self.monitor.snapshot
        return {
            "status": "degraded" if shown.problem or contract_problem else "ok",
            "use_case": self.use_case.name,
            "problem": shown.problem,
            "contract_problem": contract_problem,
            "model_version": shown.model_version,
            "model_available": shown.model_available,
            "model_problem": shown.model_problem,
            "state": shown.report.state if shown.report else "not measured yet",
            "reason": shown.report.reason if shown.report else "",
            "requests_in_window": shown.rows,
            "windows_measured": shown.windows,
            "episode": shown.episode_id,
            "events_not_delivered": shown.undelivered,
        }
