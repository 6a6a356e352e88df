"""From what was asked to the answer: model or rules, once for each request id, logged and counted."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from lakeloop.contract import Contract
from lakeloop.fallback import AnyPrediction, Given, model_answer, why_not_ask, why_not_take, why_unsure
from lakeloop.request_record import RequestRecord, in_json
from serving.gateway.answer_forms import AnswerForm, form_of
from serving.gateway.challenge import Trial
from serving.gateway.challenging import Challenging
from serving.gateway.metrics import MODEL_UNAVAILABLE, Metrics
from serving.gateway.model_client import ModelClient, ModelOutcome, ModelReply, Unavailable
from serving.gateway.own_code import OwnCode, RowForRules
from serving.gateway.recent_answers import Pending, RecentAnswers
from serving.gateway.refusal import refusal
from serving.gateway.request_model import PredictionRequest
from serving.gateway.switch_watch import SwitchedOff
from serving.gateway.turns import in_turns


class Decided(NamedTuple):
    """An answer and the version of the model that gave it, or its probabilities; `trial`: the challenger was asked."""

    answer: AnyPrediction
    version: str | None
    trial: Trial | None = None


class _Said(NamedTuple):
    """What a version gave of a row, or why none did."""

    given: Given = ()
    version: str = ""
    why: str = ""
    trial: Trial | None = None


class Answering:
    """Answers rows of one use case. `write` takes a line of the request log; None where requests are not logged.

    `challenging` is asked who answers a row, and is told what the champion answered.
    """

    def __init__(
        self,
        contract: Contract,
        own_code: OwnCode,
        model: ModelClient,
        switched_off: Callable[[], SwitchedOff],
        metrics: Metrics,
        write: Callable[[bytes], None] | None,
        challenging: Challenging,
    ) -> None:
        self._contract, self._own_code, self._model = contract, own_code, model
        self._switched_off, self._metrics, self._write = switched_off, metrics, write
        self._challenging = challenging
        self._form: AnswerForm = form_of(contract)
        self.recent = RecentAnswers()

    async def answer(self, requests: Sequence[PredictionRequest], began: float) -> list[bytes]:
        """Each row's answer as JSON. `began` is when the request arrived (`time.perf_counter`).

        Raises:
            RefusedRequestError: 503 if the model cannot be asked and the use case has no rules; 500 if its rules fail.
        """
        new: list[PredictionRequest] = []
        answers: list[bytes | Pending] = []
        for row in requests:
            known = self.recent.claim(row.request_id)
            if known is None:
                new.append(row)
                answers.append(b"")
            else:
                self._metrics.duplicates.inc()
                answers.append(known)
        made: dict[str, bytes] = {}
        try:
            if new:
                await self._finish(new, await self.decide(new), began, made)
        finally:
            for row in new:
                if row.request_id not in made:
                    self.recent.release(row.request_id)
        return [
            await _settled(answer) if answer != b"" else made[row.request_id]
            for row, answer in zip(requests, answers, strict=True)
        ]

    async def decide(self, requests: Sequence[PredictionRequest]) -> list[Decided]:
        """Each row's answer, which is neither logged, counted nor kept; raises as `answer` does."""
        off = self._switched_off()
        reasons = [why_not_ask(self._contract, row.features, off.segments, off.model) for row in requests]
        ask = [row for row, reason in zip(requests, reasons, strict=True) if not reason]
        said_of_rows = iter(await self._ask(ask) if ask else ())
        decided: list[Decided | None] = []
        by_rules: list[tuple[RowForRules, _Said]] = []
        async for piece in in_turns(list(zip(requests, reasons, strict=True))):
            for row, reason in piece:
                said = _Said(why=reason) if reason else next(said_of_rows)
                if why := said.why or why_not_take(said.given, self._contract.label.task):
                    by_rules.append(((row.features, why, None), said._replace(version="")))
                    decided.append(None)
                elif why := why_unsure(self._contract, said.given):
                    by_rules.append(((row.features, why, said.given), said))
                    decided.append(None)
                else:
                    answer = model_answer(self._contract, None, row.features, said.given)
                    decided.append(Decided(answer, said.version, said.trial))
        ruled = await self._own_code.ruled([row for row, _ in by_rules]) if by_rules else []
        left = iter(
            [
                Decided(answer, said.version or None, said.trial)
                for answer, (_, said) in zip(ruled, by_rules, strict=True)
            ]
        )
        return [next(left) if one is None else one for one in decided]

    async def _ask(self, rows: Sequence[PredictionRequest]) -> list[_Said]:
        """What the champion gives of each row, and the challenger of its share; the champion where that one fails."""
        tried = self._challenging.share_of(rows)
        if not tried:
            return _said(await self._model.ask([row.features for row in rows]), len(rows))
        others = [row for row in rows if row.request_id not in tried]
        trials, outcome = await asyncio.gather(
            self._challenging.ask(list(tried.values())),
            self._model.ask([row.features for row in others]) if others else _nobody_asked(),
        )
        failed = [row for row in tried.values() if trials[row.request_id].error]
        rest = self._challenging.rest(trials.values())
        rescued = await self._model.ask([row.features for row in failed], rest) if failed else Unavailable("")
        said = dict(zip((row.request_id for row in others), _said(outcome, len(others)), strict=True))
        for row, one in zip(failed, _said(rescued, len(failed)), strict=True):
            said[row.request_id] = one._replace(trial=trials[row.request_id])
        for id_, trial in trials.items():
            if not trial.error:
                said[id_] = _Said(trial.given, trial.challenger, "", trial)
        return [said[row.request_id] for row in rows]

    async def _finish(
        self, requests: Sequence[PredictionRequest], decided: Sequence[Decided], began: float, made: dict[str, bytes]
    ) -> None:
        """Log, count and keep the answers, and put them into `made`; nothing here waits, but for others' turns."""
        latency = round((time.perf_counter() - began) * 1000, 3)
        now = datetime.now(UTC).isoformat()
        challenged = self._challenging.now is not None
        async for piece in in_turns(list(zip(requests, decided, strict=True))):
            for row, (answer, version, trial) in piece:
                logged = self._form.logged(answer)
                if self._write is not None:
                    by = {"rules_sha256": self._own_code.rules_sha256} if answer.predictor_type == "rules" else {}
                    self._write(_line(row, {**logged, **by}, answer, version, now, latency))
                if challenged:
                    self._challenging.answered(row, logged, answer, version, trial)
                self._metrics.count(answer)
                body = self.body(answer, version, row.request_id)
                self.recent.keep(row.request_id, body)
                made[row.request_id] = body

    def body(self, answer: AnyPrediction, version: str | None, request_id: str) -> bytes:
        """The JSON a client gets."""
        return orjson.dumps(
            {
                **self._form.shown(answer),
                "predictor_type": answer.predictor_type,
                "reason": answer.reason,
                "model_version": version,
                "request_id": request_id,
            }
        )

    def refill(self, records: Iterable[dict[str, Any]]) -> None:
        """Remember what earlier gateways answered, from their request log; what does not fit is passed over."""
        for record in records:
            try:
                seen = RequestRecord.model_validate(record)
                body = self.body(self._form.remembered(seen), seen.model_version, seen.request_id)
            except ValueError:
                continue
            self.recent.keep(seen.request_id, body)


def _line(
    row: PredictionRequest,
    logged: dict[str, Any],
    answer: AnyPrediction,
    version: str | None,
    now: str,
    latency: float,
) -> bytes:
    """A RequestRecord as JSON; made without the model, whose construction takes longer than all of the writing."""
    record = {
        "request_id": row.request_id,
        "key": row.key,
        "at": row.at,
        "answered_at": now,
        "features": row.features,
        **logged,
        "predictor_type": answer.predictor_type,
        "reason": answer.reason,
        "model_version": version,
        "latency_ms": latency,
    }
    return orjson.dumps(record, in_json, orjson.OPT_APPEND_NEWLINE)


async def _nobody_asked() -> ModelOutcome:
    return Unavailable("")


def _said(outcome: ModelOutcome, rows: int) -> list[_Said]:
    """An outcome of so many rows, row by row."""
    if isinstance(outcome, ModelReply):
        return [_Said(given, outcome.version) for given in outcome.given]
    return [_Said(why=f"{MODEL_UNAVAILABLE}: {outcome.why}")] * rows


async def _settled(answer: bytes | Pending) -> bytes:
    if isinstance(answer, bytes):
        return answer
    found = await answer
    if found is None:
        raise refusal(503, "the first request with this id got no answer; send it again")
    return found
