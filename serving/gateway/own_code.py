"""What a use case's own code gives for its requests: derived features, answers of its rules, or why it gives none."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakeloop.contract.features import FEATURES_FILE
from lakeloop.derived_features import DerivedFeatures
from lakeloop.exceptions import OwnCodeError, OwnCodeTooSlowError
from lakeloop.fallback import AnyPrediction, Given, model_answer, rules_answer, why_unsure
from lakeloop.use_case import UseCase
from serving.exceptions import RefusedRequestError
from serving.gateway.own_functions import RULES
from serving.gateway.own_process import OwnProcess, wanted_of
from serving.gateway.refusal import refusal, underived
from serving.gateway.request_model import PredictionRequest
from serving.gateway.turns import in_turns

log = logging.getLogger(__name__)

RowForRules = tuple[Mapping[str, Any], str, Given | None]
"""A row that the rules answer, why, and what the model gave of it, where it was asked."""


class OwnCode:
    """The own code of one use case that requests need. `seconds` is what a question to it may take.

    Raises:
        OwnCodeError: its rules or its `features.py` cannot be used.
    """

    def __init__(self, use_case: UseCase, seconds: float) -> None:
        self._contract = contract = use_case.contract
        self._process = OwnProcess(use_case.name, wanted_of(use_case), seconds)
        self._derived = (
            DerivedFeatures(use_case.own_folder / FEATURES_FILE, contract, self._process.known)
            if contract.derived_features
            else None
        )

    @property
    def problem(self) -> str:
        """Why it is not called now; '' if it is."""
        return self._process.problem

    @property
    def rules_sha256(self) -> str | None:
        """The hash of the rules that answer now; None where there are none."""
        known = self._process.known.get(RULES)
        return None if known is None else known.sha256

    async def stop(self) -> None:
        """End it, whatever it is at."""
        await self._process.stop()

    async def completed(self, requests: list[PredictionRequest], in_batch: bool = False) -> list[PredictionRequest]:
        """The rows with their derived features, in the contract's order.

        Raises:
            RefusedRequestError: 422 a row has no good value of one; 503 they are not made in time.
        """
        if self._derived is None:
            return requests
        derived = self._derived
        calls = [derived.calls(row.features) async for piece in in_turns(requests) for row in piece]
        questions = [(call.name, call.given) for of_row in calls for call in of_row if call.is_made]
        found = iter(await self._called(questions))
        completed: list[PredictionRequest] = []
        async for piece in in_turns(list(zip(requests, calls, strict=True))):
            for row, of_row in piece:
                values, problems = derived.values(of_row, [next(found) if call.is_made else None for call in of_row])
                if problems:
                    where = ("requests", len(completed)) if in_batch else ()
                    raise RefusedRequestError(422, [underived(problem, self._contract, where) for problem in problems])
                known = {**row.features, **values}
                completed.append(replace(row, features={name: known[name] for name in self._contract.features}))
        return completed

    async def ruled(self, rows: Sequence[RowForRules]) -> list[AnyPrediction]:
        """The rules' answers to rows.

        Raises:
            RefusedRequestError: 503 the use case has no rules, or they do not answer in time; 500 they fail.
        """
        if self._contract.fallback is None:
            raise refusal(503, f"{rows[0][1]}; use case {self._contract.use_case} has no rules to answer instead")
        found = await self._called([(RULES, row) for row, _, _ in rows])
        answered = in_turns(list(zip(rows, found, strict=True)))
        return [self._ruled(*row, answer) async for piece in answered for row, answer in piece]

    async def answered(self, row: Mapping[str, Any], given: Given) -> AnyPrediction:
        """What a model answers that gave this of a row, or the rules where it is too unsure; raises as `ruled` does."""
        why = why_unsure(self._contract, given)
        return (await self.ruled([(row, why, given)]))[0] if why else model_answer(self._contract, None, row, given)

    def _ruled(self, row: Mapping[str, Any], reason: str, given: Given | None, answered: Any) -> AnyPrediction:
        try:
            if isinstance(answered, OwnCodeError):
                raise answered
            return rules_answer(self._contract, lambda _: answered, row, reason, given)
        except (OwnCodeError, ValueError) as error:  # what they do wrong is said, and the gateway goes on
            place = f" place={str(error)!r}" if isinstance(error, OwnCodeError) else ""
            what = (error.problem if isinstance(error, OwnCodeError) else f"{type(error).__name__}: {error}")[:200]
            log.error("event=rules_failed use_case=%s problem=%r%s", self._contract.use_case, what, place)
            name = self._contract.use_case
            raise refusal(500, f"the rules of use case {name} failed on this row ({what})") from error

    async def _called(self, questions: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        try:
            return await self._process.call(questions)
        except OwnCodeTooSlowError as late:
            place = f"{late.file.name}, line {late.line}: " if late.line else ""
            raise refusal(
                503,
                f"the own code of use case {self._contract.use_case} gives nothing now ({place}{late.problem}); "
                "make it quicker, or give it more time with `requests.budget_ms`, and ask again",
            ) from late
