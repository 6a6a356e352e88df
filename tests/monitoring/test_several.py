"""Several use cases under one monitor: each with its pages, its series and its lock, and a folder that is followed."""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from fastapi import APIRouter

from console.pages.router import Present, pages_router
from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, open_use_case
from monitoring.drift.reference import NoReference
from monitoring.live import LiveMonitor
from monitoring.monitor_lock import only_monitor
from monitoring.page_place import PagePlace
from monitoring.service import make_app
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
    listener = listen("127.0.0.1", 0, "monitor")
    ready = threading.Event()
    app = make_app(LiveUseCases(settings), pages=pages)
    server = HttpServer(http_config(app, lifespan="on", grace_seconds=2), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(240)
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(30)
    listener.close()


def states(client: httpx.Client) -> dict[str, str]:
    return {name: one["status"] for name, one in watched(str(client.base_url)).items()}


def watched(url: str) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in httpx.get(f"{url}/health", timeout=60).json()["use_cases"]}


def test_each_has_its_pages_its_health_and_its_series(service: httpx.Client) -> None:
    assert service.get("/health").json()["use_case"] == "rides"
    assert service.get("/stays/health").json()["use_case"] == "stays"
    told = service.get("/claims/health")
    assert told.status_code == 404
    assert told.json()["detail"][0]["msg"] == "there is no use case 'claims' here; there are rides, stays"
    titles = {
        name: open_use_case(load_settings(use_cases=EXAMPLES), name).contract.title for name in ("rides", "stays")
    }
    for page in ("/", "/dashboard", "/features", "/rides/features"):
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

    contract = folder / "stays" / CONTRACT_FILE
    good = contract.read_text()
    contract.write_text(good + "\nno_such_section: 1\n")
    problem = eventually(lambda: service.get("/stays/health").json()["contract_problem"])
    assert "no_such_section" in problem and service.get("/stays/").status_code == 200
    eventually(lambda: states(service)["rides"] == "ok")
    contract.write_text(good.replace("title: ", "title: Changed ", 1))
    eventually(lambda: "Changed " in service.get("/stays/").text)


def test_one_that_another_process_watches_is_told_and_left_alone(settings: Settings) -> None:
    with only_monitor(open_use_case(settings, "stays")):
        app = make_app(LiveUseCases(settings))
        listener = listen("127.0.0.1", 0, "monitor")
        ready = threading.Event()
        server = HttpServer(http_config(app, lifespan="on", grace_seconds=2), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(240)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            found = eventually(lambda: watched(url).get("rides", {}).get("status") == "ok" and watched(url))
        finally:
            server.should_exit = True
            thread.join(30)
            listener.close()
    assert found["stays"]["status"] == "refused" and "another monitor" in found["stays"]["problem"]
