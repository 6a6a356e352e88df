"""The gateway as a FastAPI application: its routes, and the parts behind them, started and stopped together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from lakeloop.contract import Contract
from lakeloop.settings import Settings
from serving.gateway.answer_model import Health, LogHealth, Ping, answer_models
from serving.gateway.body import read_json
from serving.gateway.openapi import REFUSALS, add_schemas, body_of
from serving.gateway.page.render import HEADERS, STATIC, render_page
from serving.gateway.parts import Parts
from serving.gateway.refusal import Refused
from serving.gateway.request_model import RequestModel

JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def make_app(settings: Settings, contract: Contract) -> FastAPI:
    """The application of one use case. Raises WrongUse if its contract cannot be asked over HTTP."""
    requests = RequestModel(contract)
    parts = Parts(settings, contract)
    one, many = answer_models(contract)

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
    example = requests.example()
    single, batch = body_of(requests.one, example), body_of(requests.batch, {"requests": [example]})
    seconds = {route: parts.metrics.seconds.labels(contract.use_case, route) for route in ("predict", "batch")}

    async def predict(request: Request) -> Response:
        """Answer one row. `key`, `at` and `request_id` may be left out."""
        began = time.perf_counter()
        asked = requests.read_one(await read_json(request))
        content = (await parts.answering.answer([asked], began))[0]
        seconds["predict"].observe(time.perf_counter() - began)
        return Response(content, media_type=JSON)

    async def predict_batch(request: Request) -> Response:
        """Answer many rows at once; one bad row refuses them all and is named by its position."""
        began = time.perf_counter()
        asked = requests.read_batch(await read_json(request))
        answers = await parts.answering.answer(asked, began)
        seconds["batch"].observe(time.perf_counter() - began)
        return Response(b'{"answers":[' + b",".join(answers) + b"]}", media_type=JSON)

    for path, shown in (("/predict/", True), ("/predict", False)):
        app.post(path, response_model=one, responses=REFUSALS, openapi_extra=single, include_in_schema=shown)(predict)
    for path, shown in (("/predict/batch", True), ("/predict/batch/", False)):
        app.post(path, response_model=many, responses=REFUSALS, openapi_extra=batch, include_in_schema=shown)(
            predict_batch
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

    page = render_page(contract).encode()

    @app.get("/", include_in_schema=False)
    async def client_page() -> Response:
        return Response(page, headers=HEADERS, media_type="text/html")

    app.mount("/page", StaticFiles(directory=STATIC), name="page")

    async def refuse(_: Request, refused: Exception) -> Response:
        assert isinstance(refused, Refused)
        parts.metrics.refused.labels(contract.use_case, str(refused.status)).inc()
        # a body that was not read to its end must not be taken for the next request
        headers = {"connection": "close"} if refused.status in (408, 413) else None
        content = orjson.dumps({"detail": refused.problems}, default=str, option=orjson.OPT_NON_STR_KEYS)
        return Response(content, refused.status, headers, JSON)

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    app.add_exception_handler(Refused, refuse)
    app.add_exception_handler(ClientDisconnect, gone)
    add_schemas(app, [requests.one, requests.batch])
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
