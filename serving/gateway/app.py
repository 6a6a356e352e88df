"""The gateway as an ASGI application: its answers, FastAPI for all else, and the parts behind both."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Response
from fastapi_offline import FastAPIOffline
from starlette.staticfiles import StaticFiles

from lakeloop.clock import moment_of_now
from lakeloop.contract import Contract
from lakeloop.derived_features import derivation_of
from lakeloop.use_case import UseCase
from serving.gateway.answer_forms import answer_models, explanation_model
from serving.gateway.answer_model import Health, LogHealth, Ping
from serving.gateway.answer_routes import AnswerRoutes
from serving.gateway.openapi import EXPLAIN_REFUSALS, Operation, add_operations
from serving.gateway.page.render import HEADERS, STATIC, render_page
from serving.gateway.parts import Parts
from serving.gateway.request_model import RequestModel

JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
ONE, BATCH, EXPLAIN = "/predict", "/predict/batch", "/explain"
"""All are answered with and without a slash at their end."""
ABOUT_ONE = "Answer one row. `key`, `at` and `request_id` may be left out."
ABOUT_BATCH = "Answer many rows at once; one bad row refuses them all and is named by its position."
ABOUT_EXPLAIN = (
    "What the answer to one row is made of: for the model's answer how much each feature contributed (Shapley values), "
    "else the rules. It takes seconds, is neither logged nor counted, and few are made at once."
)


def make_app(use_case: UseCase) -> AnswerRoutes:
    """The application of one use case.

    Raises:
        WrongUseError: its contract cannot be asked over HTTP.
        OwnCodeError: its rules or its `features.py` cannot be used.
    """
    contract = use_case.contract
    requests = RequestModel(contract, lambda: moment_of_now(use_case), derivation_of(use_case))
    parts = Parts(use_case)
    seconds = {route: parts.metrics.seconds.labels(use_case.name, route) for route in ("predict", "batch")}

    async def predict(body: bytes, began: float) -> bytes:
        content = (await parts.answering.answer([requests.read_one(body)], began))[0]
        seconds["predict"].observe(time.perf_counter() - began)
        return content

    async def predict_batch(body: bytes, began: float) -> bytes:
        answers = await parts.answering.answer(requests.read_batch(body), began)
        seconds["batch"].observe(time.perf_counter() - began)
        return b'{"answers":[' + b",".join(answers) + b"]}"

    async def explain(body: bytes, _: float) -> bytes:
        return await parts.explaining.explain(requests.read_one(body))

    answerers = ((ONE, predict), (BATCH, predict_batch), (EXPLAIN, explain))
    routes = {path + slash: answer for path, answer in answerers for slash in ("", "/")}
    return AnswerRoutes(
        _framework(contract, parts, requests),
        routes,
        lambda status: parts.metrics.refused.labels(use_case.name, str(status)).inc(),
    )


def _framework(contract: Contract, parts: Parts, requests: RequestModel) -> FastAPI:
    """All but the answers: documentation, health, metrics and the client page."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        try:
            yield
        finally:
            await parts.stop()

    app = FastAPIOffline(
        redoc_url=None,
        title=contract.title,
        description=contract.description,
        version=contract.schema_sha256[:12],
        lifespan=lifespan,
    )
    one, many = answer_models(contract)

    def example() -> dict[str, Any]:
        return requests.example(parts.model.learnt_values)

    add_operations(
        app,
        [
            Operation(f"{ONE}/", "Predict", ABOUT_ONE, requests.one, example, one),
            Operation(BATCH, "Predict Batch", ABOUT_BATCH, requests.batch, lambda: {"requests": [example()]}, many),
            Operation(
                f"{EXPLAIN}/",
                "Explain",
                ABOUT_EXPLAIN,
                requests.one,
                example,
                explanation_model(contract),
                EXPLAIN_REFUSALS,
            ),
        ],
    )

    @app.get("/ping", response_model=Ping)
    async def ping() -> Response:
        """The gateway runs."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    @app.get("/health", response_model=Health)
    async def health() -> Response:
        """What the gateway stands on: model, request log, switches."""
        return Response(orjson.dumps(_health(parts, contract).model_dump()), media_type=JSON)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(parts.metrics.text(), headers={"content-type": PROMETHEUS})

    @app.get("/", include_in_schema=False)
    async def client_page() -> Response:
        page = render_page(contract, parts.model.learnt_values)
        return Response(page, headers=HEADERS, media_type="text/html")

    app.mount("/page", StaticFiles(directory=STATIC), name="page")
    return app


def _health(parts: Parts, contract: Contract) -> Health:
    off = parts.switches.now
    always = contract.fallback.segments_off if contract.fallback else ()
    segments = [segment.text for segment in (*always, *off.segments)]
    log = parts.log
    model_problem = parts.model.problem
    good = not (model_problem or parts.switches.problem or (log is not None and log.problem))
    return Health(
        status="ok" if good else "degraded",
        model=contract.use_case,
        model_version=parts.model.version,
        model_answers=not model_problem,
        model_problem=model_problem,
        request_log=None
        if log is None
        else LogHealth(pending=log.pending, lag_seconds=round(log.lag_seconds, 3), lost=log.lost, problem=log.problem),
        switched_off=["the whole model", *segments] if off.model else segments,
        switches_problem=parts.switches.problem,
        answers_kept=len(parts.answering.recent),
    )
