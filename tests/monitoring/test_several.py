"""Several use cases under one monitor: each with its pages, its series and its lock, and a folder that is followed."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from fastapi import APIRouter
from starlette.routing import Mount, Route

from console.pages.router import Present, pages_router
from lakeloop.access.guard import OPEN
from lakeloop.access.login import LOGIN, LOGOUT
from lakeloop.contract.place import Place
from lakeloop.contract.reserved_names import PATHS
from lakeloop.contract.section import NAME
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, open_use_case
from monitoring.dashboard.router import dashboard_router
from monitoring.drift.reference import NoReference
from monitoring.live import LiveMonitor
from monitoring.monitor_lock import only_monitor
from monitoring.page_place import PagePlace
from monitoring.service import make_app
from serving.gateway import served_case
from serving.gateway.app import make_app as make_gateway
from tests.monitoring.running_service import running
from tests.waiting import eventually

EXAMPLES = PROJECT / "tests/use_cases"


def pages(case: UseCase, live: LiveMonitor, place: PagePlace) -> APIRouter:
    return pages_router(case, Present(lambda: "", lambda: (NoReference("", ""), pd.DataFrame())), place)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("stays", "rides"):
        shutil.copytree(EXAMPLES / name, tmp_path / "use_cases" / name)
    return tmp_path / "use_cases"


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    return load_settings(
        home=tmp_path / "home", use_cases=folder, use_case="rides", model_server_url="http://127.0.0.1:9"
    )


@pytest.fixture
def service(settings: Settings) -> Iterator[httpx.Client]:
    with running(make_app(LiveUseCases(settings), pages=pages)) as client:
        yield client


def states(client: httpx.Client) -> dict[str, str]:
    return {name: one["status"] for name, one in watched(client).items()}


def watched(client: httpx.Client) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in client.get("/health").json()["use_cases"]}


def test_each_has_its_pages_its_health_and_its_series(service: httpx.Client) -> None:
    assert service.get("/health").json()["use_case"] == "rides"
    assert service.get("/stays/health").json()["use_case"] == "stays"
    told = service.get("/claims/health")
    assert told.status_code == 404
    assert told.json()["detail"][0]["msg"] == "there is no use case 'claims' here; there are rides, stays"
    titles = {
        name: open_use_case(load_settings(use_cases=EXAMPLES), name).contract.title for name in ("rides", "stays")
    }
    for page in ("/", "/dashboard", "/features", "/rides/features", "/rides/dashboard", "/rides/"):
        assert f"<h1>{titles['rides']}</h1>" in service.get(page).text or titles["rides"] in service.get(page).text
    for page in ("/stays/", "/stays/dashboard", "/stays/features", "/stays/lineage"):
        text = service.get(page).text
        assert f'<option value="/stays/" selected>{titles["stays"]}</option>' in text, page
        links = re.findall(r'(?:href|src|action|data-window)="(/[^"]*)"', text)
        assert links and all(link.startswith(("/stays/", "/docs", "/metrics")) for link in links), links
        loaded = [link for link in links if "/static/" in link]
        assert loaded and all(service.get(link).status_code == 200 for link in loaded)
    metrics = service.get("/metrics").text
    for name in ("rides", "stays"):
        assert f'use_case="{name}"' in metrics
    assert metrics.count("# HELP number_of_columns") == 1


def test_the_folder_is_followed(service: httpx.Client, folder: Path) -> None:
    shutil.copytree(EXAMPLES / "churn", folder / "churn")
    eventually(lambda: states(service).get("churn") == "ok")
    assert service.get("/churn/dashboard").status_code == 200
    shutil.rmtree(folder / "churn")
    eventually(lambda: "churn" not in states(service))
    (folder / "half").mkdir()
    (folder / "half" / CONTRACT_FILE).write_text("use_case: half\nfeetures: {}\n")
    eventually(lambda: states(service).get("half") == "refused")
    for page in ("/", "/stays/"):
        told = service.get(page).text
        assert "<code>half</code> is not watched" in told and "did you mean" in told
    (folder / "models").mkdir()
    named = (EXAMPLES / "churn" / CONTRACT_FILE).read_text().replace("use_case: churn", "use_case: models")
    (folder / "models" / CONTRACT_FILE).write_text(named)
    eventually(lambda: states(service).get("models") == "refused")
    assert "is a path of the gateway or the monitor itself, as are alerts" in service.get("/").text

    contract = folder / "stays" / CONTRACT_FILE
    good = contract.read_text()
    contract.write_text(good + "\nno_such_section: 1\n")
    problem = eventually(lambda: service.get("/stays/health").json()["contract_problem"])
    assert "no_such_section" in problem
    page = service.get("/stays/").text
    assert "what was in force before goes on" in page and "no_such_section" in page
    assert "no_such_section" not in service.get("/").text, "it is nobody else's problem"
    eventually(lambda: states(service)["rides"] == "ok")
    contract.write_text(good.replace("title: ", "title: Changed ", 1))
    eventually(lambda: "Changed " in service.get("/stays/").text)


def test_no_use_case_can_have_the_name_of_a_path_of_gateway_or_monitor(settings: Settings) -> None:
    churn = settings.model_copy(update={"use_cases": EXAMPLES, "use_case": "churn", "served_use_cases": "churn"})
    monitor = make_app(LiveUseCases(settings.model_copy(update={"served_use_cases": "rides"})))
    gateway = make_gateway(LiveUseCases(churn)).app
    place = Place(longitude="usage", latitude="usage", cell=1.0)  # without one there is no map
    case = UseCase(churn, open_use_case(churn).contract.model_copy(update={"place": place}))
    routers = (dashboard_router(case, lambda: b""), pages(case, LiveMonitor(case), PagePlace()))
    routes = [route for found in (monitor, gateway, *routers) for route in found.routes]
    own = [route.path for route in routes if isinstance(route, Route | Mount)]
    assert len(own) == len(routes)
    own += [served_case.ONE, served_case.BATCH, served_case.EXPLAIN, LOGIN, LOGOUT, *OPEN]
    first = {path.strip("/").partition("/")[0] for path in own}
    assert {name for name in first if re.match(NAME, name)} == set(PATHS)


def test_one_that_another_process_watches_is_told_and_left_alone(settings: Settings) -> None:
    with only_monitor(open_use_case(settings, "stays")), running(make_app(LiveUseCases(settings))) as client:
        eventually(lambda: states(client)["rides"] == "ok")
        told = watched(client)["stays"]
        assert told["status"] == "refused" and "another monitor" in told["problem"]
