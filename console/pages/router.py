"""The pages as routes: /, /models/…, /runs/…, /decisions/…, /windows/…, /clusters, /lineage/… and what they load."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pandas as pd
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from console.pages.challenge import challenge_values
from console.pages.clusters import clusters_values
from console.pages.counting import Counting
from console.pages.map import map_page, values_json
from console.pages.model import model_page, window_statistics
from console.pages.release import DOES, decide_by_form, release_of
from console.pages.run_cache import KnownRuns
from console.pages.site import EVIDENTLY_POLICY, HEADERS, STATIC, Site
from console.pages.start import for_browser, services, start_page
from console.report import figures
from console.report.contribution_figures import contribution_figures
from console.report.decision_page import decision_values
from console.report.lineage_page import lineage_values
from console.report.model_card_page import card_markdown, card_of, card_values
from lakeloop.exceptions import BusyError, LakeloopError, NotAllowedError, NotFoundError, WrongUseError
from lakeloop.kept_content import kept_content
from lakeloop.model_folders import pushed_at
from lakeloop.static_files import add_static_files
from lakeloop.use_case import UseCase
from monitoring.drift.evidently_page import evidently_page
from monitoring.drift.reference import NoReference, Reference
from monitoring.page_place import ALONE, PagePlace
from operations.baselines import MEANINGS
from operations.challenge_comparison import has_challenged
from operations.drift.windows import find_window, read_window, reference_of_window
from operations.features.catalogue import describe_features
from operations.lineage.ask import kind_of, trace
from operations.places.values import PlaceTables
from operations.retraining.undecided import find_decided
from tfx_pipeline.runs.run_record import RunRecord

SHOWN = 20
"""Lines of a long table; the rest is a click away."""
ANSWER_SECONDS = 1.0


@dataclass(frozen=True)
class Present:
    """What the monitor knows at this moment: the version that serves, and the newest requests with their reference.

    `serving` gives '' where none serves, and None until the model server was asked.
    """

    serving: Callable[[], str | None]
    window: Callable[[], tuple[Reference | NoReference, pd.DataFrame]]


def pages_router(use_case: UseCase, present: Present, place: PagePlace = ALONE) -> APIRouter:
    """All pages of a use case, at their place. Unknown models, runs, periods and ids answer 404 with what there is."""
    contract = use_case.contract
    site, runs, counting = Site(contract, place, use_case.settings.asks_who), KnownRuns(use_case), Counting(use_case)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        first = asyncio.create_task(asyncio.to_thread(start_page, use_case, runs, ""))  # what it imports
        yield
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.to_thread(counting.stop)

    router = APIRouter(include_in_schema=False, lifespan=lifespan)

    def html(template: str, **values: object) -> HTMLResponse:
        return HTMLResponse(site.page(template, **values), headers=HEADERS)

    def missing(heading: str, problem: LakeloopError) -> HTMLResponse:
        page = site.page("problem.html", heading=heading, problem=str(problem))
        return HTMLResponse(page, 400 if isinstance(problem, WrongUseError) else 404, headers=HEADERS)

    @router.get("/")
    def start(request: Request, all: bool = False) -> HTMLResponse:
        page = start_page(use_case, runs, present.serving())
        pushed = [line.run for line in reversed(page.versions) if line.run is not None]
        pictures = {
            "versions": figures.score_by_version(pushed, contract.gate.shown, contract.gate.bound_shown),
            "drift": figures.drift_by_period(page.windows),
        }
        shown = (
            max(map(len, (page.versions, page.decisions, page.undecided, page.releases, page.scorings)))
            if all
            else SHOWN
        )
        host = request.url.hostname or "127.0.0.1"
        links = {name: (for_browser(url, host), what) for name, (url, what) in services(use_case).items()}
        told = sorted(place.problems().items())
        return html("start.html", page=page, pictures=pictures, services=links, shown=shown, not_in_force=told)

    @router.get("/features")
    def features() -> HTMLResponse:
        return html("features.html", features=describe_features(use_case, present.serving()))

    if contract.place is not None:
        places = PlaceTables(use_case, contract.place)

        @router.get("/map")
        def map_() -> HTMLResponse:
            return html("map.html", **map_page(use_case, places))

        @router.get("/map/values")
        def values(request: Request, of: str, by: str | None = None, period: str = "") -> Response:
            try:
                content = values_json(places.of(of, by, period)).encode()
            except WrongUseError as problem:
                return PlainTextResponse(str(problem), 404)
            return kept_content(request, content, "application/json", "no-cache")

        @router.get("/map/shapes.json")
        def shapes(request: Request) -> Response:
            """What its address ends with is of the file, so a browser need not ask again."""
            try:
                found = places.shapes()
            except LakeloopError as problem:
                return PlainTextResponse(str(problem), 404)
            kept = "private, max-age=31536000, immutable"
            return kept_content(request, found.geojson.encode(), "application/geo+json", kept)

    @router.get("/clusters")
    def clusters() -> HTMLResponse:
        """Which things are alike, where the contract says that they are clustered."""
        try:
            return html("clusters.html", **clusters_values(use_case))
        except NotFoundError as problem:
            return missing("Clusters", problem)

    @router.get("/services")
    async def answering() -> dict[str, bool]:
        """Which of the other services answers."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            listed = services(use_case)
            answers = await asyncio.gather(*(_answers(client, url) for url, _ in listed.values()))
        return dict(zip(listed, answers, strict=True))

    def model_html(run: RunRecord, lineage: str) -> HTMLResponse:
        page = model_page(use_case, run)
        pictures = {
            "training": figures.training_curve(run.history, run.parameters.model.step),
            "drift": figures.drift_by_period(page.windows),
        }
        if page.statistics:
            pictures["statistics"] = figures.statistics_by_split(contract, page.statistics)
        if run.evaluation is not None:
            pictures["slices"] = figures.score_by_slice(run.evaluation)
        if run.importance is not None:
            pictures["importance"] = figures.importance_bars(run.importance)
        if run.contributions is not None:
            pictures |= contribution_figures(run.contributions)
        pushed = f"Pushed {pushed_at(run.pushed_version)}" if run.pushed_version else ""
        serving = run.pushed_version != "" and run.pushed_version == present.serving()
        return html(
            "model.html", page=page, pictures=pictures, pushed=pushed, lineage=lineage, statistics=page.statistics,
            measured=None, window_anomalies=(), serving=serving, baselines=MEANINGS, does=DOES,
            release=release_of(use_case, run.pushed_version) if run.pushed_version else None,
            challenged=run.pushed_version != "" and has_challenged(use_case, run.pushed_version),
        )  # fmt: skip

    def unknown_model(version: str) -> HTMLResponse:
        known = ", ".join(record.pushed_version for record in runs.all() if record.pushed_version) or "none"
        problem = NotFoundError(f"no run's record tells of model version {version}; there are: {known}")
        return missing(f"Model version {version}", problem)

    @router.get("/models/{version}")
    def model(version: str) -> HTMLResponse:
        run = runs.of_version(version)
        return (
            unknown_model(version)
            if run is None
            else model_html(run, f"{place.root}/lineage/model/{version}?embedded=1")
        )

    @router.post("/models/{version}/release")
    async def decide(version: str, request: Request) -> Response:
        try:
            await asyncio.to_thread(decide_by_form, use_case, version, await request.body(), request.scope)
        except LakeloopError as problem:
            page = missing(f"Model version {version}", problem)
            kinds = ((NotAllowedError, 403), (BusyError, 409))
            page.status_code = next((code for kind, code in kinds if isinstance(problem, kind)), page.status_code)
            return page
        return RedirectResponse(f"{place.root}/models/{version}#release", 303)

    @router.get("/models/{version}/card")
    def card(version: str) -> HTMLResponse:
        run = runs.of_version(version)
        if run is None:
            return unknown_model(version)
        values = card_values(card_of(use_case, run), run)
        return html("model_card.html", frame="site.html", served=True, **values)

    @router.get("/models/{version}/card.md")
    def card_text(version: str) -> Response:
        run = runs.of_version(version)
        if run is None:
            return unknown_model(version)
        return PlainTextResponse(card_markdown(card_of(use_case, run)), media_type="text/markdown")

    @router.get("/models/{version}/challenge")
    def challenge(version: str) -> HTMLResponse:
        """What it answered beside the champion, before it served or instead of serving."""
        try:
            return html("challenge.html", **challenge_values(use_case, version))
        except NotFoundError as problem:
            return missing(f"Challenge of version {version}", problem)

    @router.get("/runs/{run_id}")
    def run_(run_id: str) -> HTMLResponse:
        run = next((record for record in runs.all() if record.run_id == run_id), None)
        if run is None:
            return missing(
                f"Run {run_id}", NotFoundError(f"there is no run {run_id}; the start page lists the known ones")
            )
        return model_html(run, f"{place.root}/lineage/run/{quote(run_id)}?embedded=1")

    @router.get("/decisions/{decision_id}")
    def decision(decision_id: str) -> HTMLResponse:
        try:
            found = find_decided(use_case, decision_id)
        except NotFoundError as problem:
            return missing(f"Decision {decision_id}", problem)
        return html("decision.html", frame="site.html", served=True, **decision_values(found))

    @router.get("/models/{version}/windows/{period}")
    def window(version: str, period: str) -> Response:
        """A window's statistics as a fragment of the model's page; 202 while they are counted."""
        run = runs.of_version(version)
        try:
            measured = find_window(use_case, period, version)
            found = None if run is None else window_statistics(use_case, run, measured)
        except NotFoundError as problem:
            return PlainTextResponse(str(problem), 404)
        if found is None:
            problem_text = counting.ask(version, period)
            return PlainTextResponse(problem_text or "they are counted", 503 if problem_text else 202)
        pictures = {"statistics": figures.statistics_by_split(contract, found.statistics)}
        return html(
            "statistics.html", measured=measured, window_anomalies=found.anomalies, statistics=found.statistics,
            pictures=pictures,
        )  # fmt: skip

    @router.get("/models/{version}/windows/{period}/evidently")
    def evidently(version: str, period: str, first: str = "", last: str = "") -> HTMLResponse:
        """Evidently's own report of a period, or of a window in it: by its first and last moment."""
        try:
            rows = read_window(use_case, version, period, first, last)
            page = evidently_page(reference_of_window(use_case, version, period), rows, contract)
        except LakeloopError as problem:
            return missing(f"Requests of {period}", problem)
        return HTMLResponse(page, headers={"content-security-policy": EVIDENTLY_POLICY})

    @router.get("/windows/now")
    def newest() -> HTMLResponse:
        """Evidently's own report of the newest requests."""
        try:
            page = evidently_page(*present.window(), contract)
        except LakeloopError as problem:
            return missing("The newest requests", problem)
        return HTMLResponse(page, headers={"content-security-policy": EVIDENTLY_POLICY})

    @router.get("/lineage")
    def ask(of: str = "") -> Response:
        try:
            kind = kind_of(use_case, of.strip()) if of.strip() else ""
        except LakeloopError as problem:
            page = site.page("ask.html", of=of, problem=str(problem))
            return HTMLResponse(page, 400 if isinstance(problem, WrongUseError) else 404, headers=HEADERS)
        if kind:
            return RedirectResponse(f"{place.root}/lineage/{kind}/{quote(of.strip())}", 303)
        return html("ask.html", of="", problem="")

    @router.get("/lineage/{kind}/{subject:path}")
    def lineage(kind: str, subject: str, embedded: bool = False) -> HTMLResponse:
        try:
            found = trace(use_case, kind, subject)
        except LakeloopError as problem:
            page = missing("Lineage", problem)
            page.status_code = 200 if embedded else page.status_code  # part of a page that is there
            return page
        return html("lineage.html", frame="site.html", served=True, embedded=embedded, **lineage_values(found))

    add_static_files(router, "/static", STATIC)
    return router


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code < 500
    except httpx.HTTPError:
        return False
