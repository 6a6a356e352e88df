"""The gateway as an ASGI application: the answers of all its use cases, and FastAPI for all else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import generate_latest
from starlette.staticfiles import StaticFiles

from lakeloop.live_use_cases import LiveUseCases
from serving.exceptions import RefusedRequestError
from serving.gateway.answer_model import GatewayHealth, Health, Ping, Refusal
from serving.gateway.answer_routes import AnswerRoutes, refusal_response
from serving.gateway.metrics import Together
from serving.gateway.openapi import describe
from serving.gateway.page.render import HEADERS, STATIC
from serving.gateway.refusal import refusal
from serving.gateway.served_cases import ServedCases

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def make_app(live: LiveUseCases) -> AnswerRoutes:
    """The application of all use cases of a folder, which it follows.

    Raises:
        LakeloopError: none of them can be served; the text says why.
    """
    cases = ServedCases(live)
    return AnswerRoutes(_framework(cases), cases.routes)


def _framework(cases: ServedCases) -> FastAPI:
    """All but the answers: documentation, health, metrics and the client pages."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await cases.start()
        try:
            yield
        finally:
            await cases.stop()

    app = FastAPIOffline(redoc_url=None, lifespan=lifespan)
    describe(app, cases.described)

    @app.exception_handler(RefusedRequestError)
    async def refused(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, RefusedRequestError)
        return refusal_response(problem)

    @app.exception_handler(404)
    async def not_found(request: Request, _: Exception) -> Response:
        """A path that nobody has; where its first part should be a use case, tell those there are."""
        name, *rest = request.url.path.strip("/").split("/")
        try:
            text = f"use case {cases.named(name).name} has no {'/'.join(rest)}; /docs tells what there is"
        except RefusedRequestError as unknown:
            return refusal_response(unknown)
        return refusal_response(refusal(404, text))

    @app.get("/ping", response_model=Ping)
    async def ping() -> Ping:
        """The gateway runs."""
        return Ping()

    @app.get("/health")
    async def health() -> GatewayHealth:
        """What the gateway's answers stand on: those without a path of their own, and in short those of all."""
        return cases.health()

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(Together(cases.collectors())), headers={"content-type": PROMETHEUS})

    @app.get("/", include_in_schema=False)
    async def client_page() -> Response:
        return _page(cases.page(cases.default, ""))

    app.mount("/page", StaticFiles(directory=STATIC), name="page")

    @app.get("/{use_case}/health", responses={404: {"model": Refusal, "description": "There is no such use case"}})
    async def health_of(use_case: str) -> Health:
        """What a use case's answers stand on: model, request log, switches, contract."""
        return cases.health_of(cases.named(use_case))

    @app.get("/{use_case}/", include_in_schema=False)
    async def client_page_of(use_case: str) -> Response:
        case = cases.named(use_case)
        return _page(cases.page(case, f"/{case.name}"))

    return app


def _page(content: str) -> Response:
    return Response(content, headers=HEADERS, media_type="text/html")
