"""One challenger beside the champion: asked in the shadow, off the request path, or as a canary what it has to answer.

What it answers is put down beside what the champion answered (`lakeloop.challenger_log`).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from lakeloop.challenger_log import challenger_log_folder
from lakeloop.contract.release_plan import Stage
from lakeloop.fallback import AnyPrediction, Given, why_not_take
from lakeloop.request_record import in_json
from lakeloop.use_case import UseCase
from serving.exceptions import ModelNotServedError, RefusedRequestError
from serving.gateway.answer_forms import AnswerForm, form_of
from serving.gateway.log_files import finish_dead_writers
from serving.gateway.metrics import Metrics
from serving.gateway.model_api import ModelApi
from serving.gateway.model_client import ModelClient, ModelReply
from serving.gateway.own_code import OwnCode
from serving.gateway.request_log import RequestLog
from serving.gateway.request_model import PredictionRequest

log = logging.getLogger(__name__)

MOST_WAITING = 1000
"""Rows that may wait for the shadow; later ones are dropped, and counted."""
SHADOW_ROWS, REST_SECONDS = 32, 1.0
"""Rows of one call in the shadow, and the time between two: a sample, whose log takes some 2 GB a day at most."""
GIVES_WAY = 20
"""The shadow rests at least so many times as long as a call took: a slow challenger takes a twentieth of the time."""
ROTATE_SECONDS = 60.0
CANARY_BUDGET = 0.5
"""What a canary may take of the budget: where it is too slow, the champion has time to answer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a challenger gave of a row that it should answer, or why it did not."""

    challenger: str
    given: Given
    latency_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Shadowed:
    """A row for the shadow, with what the champion answered."""

    row: PredictionRequest
    said: Mapping[str, Any]
    champion: str


class ChallengerClient(ModelClient):
    """As the champion's, but asks the challenger alone: while it is not available, nothing."""

    def __init__(self, api: ModelApi, budget: float, challenger: str) -> None:
        super().__init__(api, budget)
        self._challenger = challenger

    async def _serving_version(self) -> str:
        if self._challenger not in await self._api.available_versions():
            raise ModelNotServedError(f"version {self._challenger} is not available yet")
        return self._challenger


class Challenge:
    """One challenger while it challenges. `stage` changes meanwhile; `share` is that of the keys, 0 in the shadow."""

    def __init__(
        self,
        use_case: UseCase,
        own_code: OwnCode,
        budget: float,
        version: str,
        metrics: Metrics,
    ) -> None:
        self.version, self.share, self.champion = version, 0.0, ""
        self.stage: Stage = "shadow"
        self._contract, self._own_code, self._budget, self._metrics = use_case.contract, own_code, budget, metrics
        self._task = use_case.contract.label.task
        self._form: AnswerForm = form_of(use_case.contract)
        self._api = ModelApi(use_case.settings.model_server, use_case.contract)
        self._client = ChallengerClient(self._api, budget, version)
        self._folder = challenger_log_folder(use_case, version)
        self._log = RequestLog(self._folder, rotate_seconds=ROTATE_SECONDS)
        self._waiting: deque[_Shadowed] = deque()
        self._shadow: asyncio.Task[None] | None = None
        self._told = False

    async def start(self) -> None:
        """Learn what the challenger takes, and begin to ask it."""
        try:
            await asyncio.to_thread(finish_dead_writers, self._folder)
        except OSError as error:
            log.error("event=challenger_log_unreadable folder=%s error=%r", self._folder, str(error))
        self._log.start()
        await self._client.start()
        self._shadow = asyncio.create_task(self._ask_the_waiting())

    async def stop(self) -> None:
        """Stop asking, and write what waits to be written."""
        if self._shadow is not None:
            self._shadow.cancel()
        await self._client.stop()
        await asyncio.to_thread(self._log.stop)

    @property
    def available(self) -> bool:
        """Whether it can be asked."""
        return self._client.version is not None

    def look(self, stage: Stage, share: float, champion: str) -> None:
        """Take note of the stage; and tell, once, of a challenger that was trained for another contract."""
        self.stage, self.share, self.champion = stage, share, champion
        misfit = self._api.misfit(self.version)
        if misfit and not self._told:
            self._told = True
            log.warning("event=challenger_misfit version=%s why=%r", self.version, misfit)
            self._write(None, champion, None, None, None, misfit)

    def shadow(self, row: PredictionRequest, logged: Mapping[str, Any], answer: AnyPrediction, champion: str) -> None:
        """Have the challenger asked the same, off the request path; never waits."""
        if not self.available:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._metrics.challenger("shadow", "dropped")
            return
        self._waiting.append(_Shadowed(row, said_of(logged, answer), champion))

    async def ask(self, rows: Sequence[PredictionRequest]) -> dict[str, Trial]:
        """What it gives of each row that it should answer, by request id; errors where it fails."""
        began = time.perf_counter()
        outcome = await self._client.ask([row.features for row in rows], self._budget * CANARY_BUDGET)
        took = round((time.perf_counter() - began) * 1000, 3)
        if not isinstance(outcome, ModelReply):
            return {row.request_id: Trial(self.version, (), took, outcome.why) for row in rows}
        return {
            row.request_id: Trial(self.version, given, took, why_not_take(given, self._task))
            for row, given in zip(rows, outcome.given, strict=True)
        }

    def tried(self, row: PredictionRequest, said: Mapping[str, Any], version: str | None, trial: Trial) -> None:
        """Put down what became of a row that the challenger should answer; `said` is what the client got."""
        self._metrics.challenger("canary", "failed" if trial.error else "answered")
        if trial.error:
            self._write(row, version or self.champion, said, None, trial.latency_ms, trial.error, "canary")
        else:
            self._write(row, self.champion, None, said, trial.latency_ms, "", "canary")

    async def _ask_the_waiting(self) -> None:
        rest = REST_SECONDS
        while True:
            await asyncio.sleep(rest)
            rest = REST_SECONDS
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), SHADOW_ROWS))]
            if batch and self.available:
                began = time.perf_counter()
                try:
                    await self._compare(batch)
                except Exception:
                    log.exception("event=shadow_failed version=%s", self.version)
                rest = max(REST_SECONDS, GIVES_WAY * (time.perf_counter() - began))

    async def _compare(self, batch: Sequence[_Shadowed]) -> None:
        """Ask the challenger about rows that the champion has answered, and put both answers down."""
        began = time.perf_counter()
        outcome = await self._client.ask([one.row.features for one in batch])
        took = round((time.perf_counter() - began) * 1000, 3)
        for place, one in enumerate(batch):
            said, error = None, ""
            if isinstance(outcome, ModelReply):
                given = outcome.given[place]
                error = why_not_take(given, self._task)
                said = None if error else await self._answered(one.row, given)
                error = error or ("" if said else "the rules failed on this row")
            else:
                error = outcome.why
            self._metrics.challenger("shadow", "failed" if error else "answered")
            self._write(one.row, one.champion, one.said, said, took, error, "shadow")

    async def _answered(self, row: PredictionRequest, given: Given) -> Mapping[str, Any] | None:
        """What a client would have got; None where the rules, which were asked in its place, fail."""
        try:
            answer = await self._own_code.answered(row.features, given)
        except RefusedRequestError:
            return None
        return said_of(self._form.logged(answer), answer)

    def _write(
        self,
        row: PredictionRequest | None,
        champion: str,
        champion_said: Mapping[str, Any] | None,
        challenger_said: Mapping[str, Any] | None,
        latency_ms: float | None,
        error: str,
        stage: Stage | None = None,
    ) -> None:
        """A ChallengerRecord as JSON; without a row it tells of a misfit."""
        now = datetime.now(UTC).isoformat()
        record = {
            "request_id": "" if row is None else row.request_id,
            "key": None if row is None else row.key,
            "at": now if row is None else row.at,
            "answered_at": now,
            "stage": stage or self.stage,
            "champion": champion,
            "challenger": self.version,
            "champion_answer": champion_said,
            "challenger_answer": challenger_said,
            "latency_ms": latency_ms,
            "error": error,
            "misfit": row is None,
        }
        self._log.add(orjson.dumps(record, in_json, orjson.OPT_APPEND_NEWLINE))


def said_of(logged: Mapping[str, Any], answer: AnyPrediction) -> dict[str, Any]:
    """An answer in the fields of a LoggedAnswer."""
    return {**logged, "predictor_type": answer.predictor_type, "reason": answer.reason}
