"""The page in a real browser: it draws offline, on a desktop and on a phone, and says what is not there."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from lakeloop.contract import Contract
from lakeloop.drift_store import replace_lake_reports
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from monitoring.dashboard.panels import panels_of
from monitoring.dashboard.router import dashboard_router
from monitoring.exporter import Exporter
from monitoring.live import Snapshot
from tests.browser import Open, served, watched
from tests.monitoring.dashboard.conftest import drift_report
from tests.monitoring.dashboard.test_present import snapshot


def dashboard(settings: Settings, contract: Contract, shown: Snapshot) -> FastAPI:
    app = FastAPI()
    exporter = Exporter({contract.use_case: (contract, lambda: shown)})
    app.include_router(dashboard_router(UseCase(settings, contract), exporter.text))
    return app


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    with watched(browser) as opened:

        def with_charts(url: str, width: int) -> Page:
            page = opened(f"{url}/dashboard", width)
            page.wait_for_selector("#chart-latency")
            return page

        yield with_charts


@pytest.mark.parametrize("width", [1280, 390])
def test_it_draws_every_panel_offline(with_past: Settings, contract: Contract, open_page: Open, width: int) -> None:
    with served(dashboard(with_past, contract, snapshot(contract))) as url:
        page = open_page(url, width)
        page.wait_for_selector("#chart-scores .legend")
        assert page.locator("#tile-dataset_drift b").inner_text() == "stable"
        assert page.locator("#tile-drifted_columns b").inner_text() == "1 of 6"
        assert page.locator(".js-plotly-plot").count() == 5
        assert page.locator(".chart, .tile").count() == len(panels_of("classification"))
        assert "age 0.2500" in page.locator("#chart-scores .now").inner_text()
        assert (page.locator("#chart-scores .legend").text_content() or "").count("threshold") == 1
        assert "the gateway at http://127.0.0.1:9 does not answer" in page.locator("#problems").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        why = page.locator("#chart-latency .blank").inner_text()
        assert "gold keeps no latencies" in why and "LAKELOOP_PROMETHEUS_URL" in why
        lines = "document.querySelector('#chart-accuracy .plot').data"
        told = page.evaluate(f"{lines}.find((line) => line.name === 'realised').text")
        assert told == ["80.0 % of 90; 95 %: 70.6 % to 87.0 %", ""]


def test_of_many_features_those_that_matter_are_drawn_and_the_rest_is_one_click_away(
    with_past: Settings, contract: Contract, open_page: Open
) -> None:
    report = drift_report(contract, 4)
    far = report.features[0]
    features = tuple(far.model_copy(update={"column": f"f{n}", "score": 0.1 + n / 100}) for n in range(20))
    many = [report.model_copy(update={"features": features})]
    replace_lake_reports(UseCase(with_past, contract), many, "month", ["2023-05"])
    with served(dashboard(with_past, contract, snapshot(contract))) as url:
        page = open_page(url, 1280)
        names = (
            "document.querySelector('#chart-scores .plot').data.map((line) => line.name).filter((n) => n[0] === 'f')"
        )
        page.wait_for_selector("#chart-scores .legend")
        assert page.evaluate(names) == [f"f{n}" for n in range(12, 20)]
        page.get_by_role("button", name="Show 14 more").click()
        expect(page.get_by_role("button", name="Show the 8 furthest alone")).to_be_visible()
        assert page.evaluate(names) == [f"f{n}" for n in range(20)]
        labels = page.locator("#chart-share g.xtick text").all_text_contents()
        assert labels == ["2023-02", "2023-03", "2023-04", "2023-05"], "each of few periods has one"


def test_before_anything_happened_it_says_so(empty: Settings, contract: Contract, open_page: Open) -> None:
    with served(dashboard(empty, contract, Snapshot())) as url:
        page = open_page(url, 390)
        assert page.locator("#empty").is_visible()
        assert page.locator("#tile-dataset_drift b").inner_text() == "no data"
        assert page.locator("#tile-drifted_columns b").inner_text() == "not measured yet"
        assert page.locator("#tile-model_available b").inner_text() == "no data"
        assert page.locator("#chart-share .blank").inner_text() == "no month yet: lakeloop drift"
        assert page.locator("#chart-accuracy .blank").inner_text() == "no month yet: lakeloop lake ingest"
        assert page.locator(".js-plotly-plot").count() == 0


def test_a_history_that_cannot_be_read_is_named_and_the_rest_is_shown(with_past: Settings, contract: Contract) -> None:
    log = with_past.home / "lake" / "gold" / contract.use_case / "performance" / "_delta_log"
    for file in log.iterdir():
        file.write_text("broken\n")
    data = TestClient(dashboard(with_past, contract, snapshot(contract))).get("/dashboard/data").json()
    assert any("history cannot be read" in problem for problem in data["problems"])
    assert next(panel for panel in data["panels"] if panel["key"] == "requests")["values"]


def test_no_other_file_is_served(empty: Settings, contract: Contract) -> None:
    app = FastAPI()
    app.include_router(dashboard_router(UseCase(empty, contract), lambda: b""))
    client = TestClient(app)
    assert client.get("/dashboard/static/plotly.min.js").status_code == 200
    assert client.get("/dashboard/static/dashboard.html").status_code == 404
    assert client.get("/dashboard/static/..%2frouter.py").status_code == 404
