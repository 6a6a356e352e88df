"""Which challenger there is, by the release, and which rows it has to answer: a share of the keys as a canary.

Who compares it with the champion, and lets it go on or ends its challenge, is the monitor.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from lakeloop.fallback import AnyPrediction
from lakeloop.release_state import Release
from lakeloop.use_case import UseCase
from serving.gateway.challenge import CANARY_BUDGET, Challenge, Trial, said_of
from serving.gateway.metrics import Metrics
from serving.gateway.own_code import OwnCode
from serving.gateway.request_model import PredictionRequest

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.5


def is_tried(challenger: str, key: str, share: float) -> bool:
    """Whether a key is of the share that a canary answers: always so, or never, for one challenger."""
    return int(sha256(f"{challenger}:{key}".encode()).hexdigest()[:8], 16) < share * 2**32


class Challenging:
    """Follows the release: `now` is the challenge under way, None where nothing challenges. `budget` is in seconds."""

    def __init__(
        self,
        use_case: UseCase,
        own_code: OwnCode,
        budget: float,
        release: Callable[[], Release],
        metrics: Metrics,
    ) -> None:
        self._use_case, self._plan, self._own_code = use_case, use_case.contract.release, own_code
        self._budget, self._release, self._metrics = budget, release, metrics
        self._following: asyncio.Task[None] | None = None
        self.now: Challenge | None = None

    async def start(self) -> None:
        """Begin to follow the release."""
        if self._plan is not None:
            self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        if self.now is not None:
            await self.now.stop()

    def share_of(self, rows: Sequence[PredictionRequest]) -> dict[str, PredictionRequest]:
        """Those rows that the challenger has to answer, by request id."""
        now = self.now
        if now is None or not now.share or not now.available:
            return {}
        return {
            row.request_id: row
            for row in rows
            if is_tried(now.version, row.request_id if row.key is None else row.key, now.share)
        }

    async def ask(self, rows: Sequence[PredictionRequest]) -> dict[str, Trial]:
        """What the challenger gives of each row, by request id."""
        if self.now is None:
            return {row.request_id: Trial("", (), 0.0, "nothing challenges any more") for row in rows}
        return await self.now.ask(rows)

    def rest(self, trials: Iterable[Trial]) -> float:
        """What trials left of the budget, in seconds, for the champion where the challenger failed."""
        spent = max((trial.latency_ms for trial in trials), default=0.0) / 1000
        return self._budget - min(spent, self._budget * CANARY_BUDGET)

    def answered(
        self,
        row: PredictionRequest,
        logged: Mapping[str, Any],
        answer: AnyPrediction,
        version: str | None,
        trial: Trial | None,
    ) -> None:
        """Take note of what a client got. What a model gave an answer to is for the challenger's shadow, too."""
        now = self.now
        if now is None:
            return
        if trial is not None:
            if trial.challenger == now.version:
                now.tried(row, said_of(logged, answer), version, trial)
        elif version is not None and version != now.version and self._plan is not None and self._plan.shadow:
            now.shadow(row, logged, answer, version)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("event=challenge_not_followed use_case=%s", self._use_case.name)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _look(self) -> None:
        release, plan, before = self._release(), self._plan, self.now
        if before is not None and before.version != release.challenger:
            self.now = None
            await before.stop()
        if not release.challenger or plan is None:
            return
        if self.now is None:
            begun = Challenge(self._use_case, self._own_code, self._budget, release.challenger, self._metrics)
            try:
                await begun.start()
            except BaseException:  # cancelled, too: nobody else knows of it yet
                await begun.stop()
                raise
            self.now = begun
            log.info("event=challenge_followed use_case=%s version=%s", self._use_case.name, release.challenger)
        share = plan.canary.keys if release.stage == "canary" and plan.canary is not None else 0.0
        self.now.look(release.stage, share, release.champion)
