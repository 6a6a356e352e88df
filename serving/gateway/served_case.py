"""One use case as the gateway serves it: its answers, what they stand on, its page, and its part of the document."""

import time
from collections.abc import Mapping
from typing import Any

from lakeloop.clock import moment_of_now
from lakeloop.use_case import UseCase
from serving.gateway.answer_forms import answer_models, explanation_model
from serving.gateway.answer_model import Health, LogHealth
from serving.gateway.answer_routes import Answerer
from serving.gateway.openapi import EXPLAIN_REFUSALS, Described, Operation
from serving.gateway.page.render import render_page
from serving.gateway.parts import Parts
from serving.gateway.request_model import RequestModel

ONE, BATCH, EXPLAIN = "/predict", "/predict/batch", "/explain"
"""All are answered with and without a slash at their end."""
ABOUT_ONE = "Answer one row. `key`, `at` and `request_id` may be left out."
ABOUT_BATCH = "Answer many rows at once; one bad row refuses them all and is named by its position."
ABOUT_EXPLAIN = (
    "What the answer to one row is made of: for the model's answer how much each feature contributed (Shapley values), "
    "else the rules. It takes seconds, is neither logged nor counted, and few are made at once."
)


class ServedCase:
    """Answers for one use case; the gateway knows under which paths.

    Raises:
        WrongUseError: its contract cannot be asked over HTTP.
        OwnCodeError: its rules or its `features.py` cannot be used.
    """

    def __init__(self, use_case: UseCase) -> None:
        self.contract = contract = use_case.contract
        self.name = use_case.name
        self._asks_who = use_case.settings.asks_who
        self._requests = RequestModel(contract, lambda: moment_of_now(use_case))
        self._one, self._batch = answer_models(contract)
        self._explanation = explanation_model(contract)
        self.parts = Parts(use_case)  # last, for it begins a process
        seconds = self.parts.metrics.seconds
        self._one_took, self._batch_took = (seconds.labels(self.name, route) for route in ("predict", "batch"))

    def answerers(self) -> dict[str, Answerer]:
        """What answers a POST, by path below the use case's own."""
        answerers = ((ONE, self._predict), (BATCH, self._predict_batch), (EXPLAIN, self._explain))
        return {path + slash: answer for path, answer in answerers for slash in ("", "/")}

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self.parts.metrics.refused.labels(self.name, str(status)).inc()

    def described(self, path: str) -> Described:
        """What its answerers take and give, for OpenAPI, where they stand below `path`."""
        operations = (
            Operation(f"{path}{ONE}/", "Predict", ABOUT_ONE, self._requests.one, self.example, self._one),
            Operation(
                f"{path}{BATCH}",
                "Predict Batch",
                ABOUT_BATCH,
                self._requests.batch,
                lambda: {"requests": [self.example()]},
                self._batch,
            ),
            Operation(
                f"{path}{EXPLAIN}/",
                "Explain",
                ABOUT_EXPLAIN,
                self._requests.one,
                self.example,
                self._explanation,
                EXPLAIN_REFUSALS,
            ),
        )
        return Described(
            self.name,
            self.contract.title,
            self.contract.description,
            self.contract.schema_sha256[:12],
            f"{self.name}." if path else "",
            operations,
        )

    def example(self) -> dict[str, Any]:
        """A request as the model that answers now would have it."""
        return self._requests.example(self.parts.model.learnt_values)

    def page(self, path: str, titles: Mapping[str, str]) -> str:
        """The client page, HTML, that asks below `path`; `titles` are those of all use cases, by their names."""
        return render_page(self.contract, self.parts.model.learnt_values, path, titles, self._asks_who)

    def health(self, contract_problem: str = "") -> Health:
        """What its answers stand on."""
        off, contract = self.parts.switches.now, self.contract
        always = contract.fallback.segments_off if contract.fallback else ()
        segments = [segment.text for segment in (*always, *off.segments)]
        log, model_problem = self.parts.log, self.parts.model.problem
        switches_problem, challenge = self.parts.switches.problem, self.parts.challenging.now
        own_problem = self.parts.own_code.problem
        problems = (model_problem, switches_problem, contract_problem, own_problem, log.problem if log else "")
        return Health(
            status="degraded" if any(problems) else "ok",
            model=self.name,
            model_version=self.parts.model.version,
            threshold=self.parts.model.threshold,
            challenger=None if challenge is None or not challenge.available else challenge.version,
            model_answers=not model_problem,
            model_problem=model_problem,
            request_log=None
            if log is None
            else LogHealth(
                pending=log.pending, lag_seconds=round(log.lag_seconds, 3), lost=log.lost, problem=log.problem
            ),
            switched_off=["the whole model", *segments] if off.model else segments,
            switches_problem=switches_problem,
            contract_problem=contract_problem,
            own_code_problem=own_problem,
            answers_kept=len(self.parts.answering.recent),
        )

    async def _predict(self, body: bytes, began: float) -> bytes:
        rows = await self.parts.own_code.completed([self._requests.read_one(body)])
        content = (await self.parts.answering.answer(rows, began))[0]
        self._one_took.observe(time.perf_counter() - began)
        return content

    async def _predict_batch(self, body: bytes, began: float) -> bytes:
        rows = await self.parts.own_code.completed(await self._requests.read_batch(body), in_batch=True)
        answers = await self.parts.answering.answer(rows, began)
        self._batch_took.observe(time.perf_counter() - began)
        return b'{"answers":[' + b",".join(answers) + b"]}"

    async def _explain(self, body: bytes, _: float) -> bytes:
        (row,) = await self.parts.own_code.completed([self._requests.read_one(body)])
        return await self.parts.explaining.explain(row)
