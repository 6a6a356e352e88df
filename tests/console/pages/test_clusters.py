"""The page of clusters: drawn, as numbers, and who is in which."""

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from console.report.cluster_figures import centres
from lakehouse.read.clusters import read_clusters
from lakeloop.contract import Contract
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.browser import served, watched
from tests.clustered_garages import clustered_garages
from tests.console.pages.conftest import pages

TELEPHONE = 390


@pytest.fixture
def clustered(settings: Settings, contract: Contract) -> UseCase:
    return clustered_garages(settings, contract)


def test_a_centre_is_drawn_by_how_far_it_lies_off_and_told_in_its_unit(clustered: UseCase) -> None:
    found = read_clusters(clustered)
    assert [(one.number, one.name, one.things) for one in found.clusters] == [
        (1, "high age, low power", ("d", "e", "f")), (3, "low age, high power", ("a", "b", "c"))
    ]  # fmt: skip
    drawn = centres(found)
    assert [bar.name for bar in drawn.data] == ["1: high age, low power", "3: low age, high power"]
    assert list(drawn.data[0].customdata) == pytest.approx([61.0, 75.0])
    assert list(drawn.data[0].x) == pytest.approx([-value for value in drawn.data[1].x])


def test_clusters_have_a_page_that_the_head_of_each_page_leads_to(clustered: UseCase, browser: Browser) -> None:
    with served(pages(clustered.settings, clustered.contract)) as url, watched(browser) as opened:
        page = opened(f"{url}/", TELEPHONE)
        page.get_by_role("link", name="Clusters").click()
        page.wait_for_selector("#centres .main-svg")
        page.get_by_text("left out, 1 thing").click()
        text = " ".join(page.inner_text("main").split())
        for said in ("6 of garage in them, 1 left out", "0.97 silhouette", "1 high age, low power 3 61 75",
                     "g it has no value of age"):  # fmt: skip
            assert said.lower() in text.lower(), said
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE


def test_a_use_case_without_clusters_has_no_link_and_a_page_that_says_so(client: TestClient) -> None:
    assert "/clusters" not in client.get("/").text
    page = client.get("/clusters")
    assert page.status_code == 404 and "there is no gold/clusters in use case insurance" in page.text
