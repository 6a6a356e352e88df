"""The page of clusters: drawn, as numbers, and who is in which."""

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from console.report.cluster_figures import centres
from lakehouse.gold.clustering import Clustering, ThingValues
from lakehouse.gold.clusters import cluster_rows, clusters_table
from lakehouse.read.clusters import read_clusters
from lakehouse.storage.small_tables import replace_rows
from lakeloop.contract import Clusters, Contract
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.browser import served, watched
from tests.console.pages.conftest import pages

TELEPHONE = 390
TERMS = Clusters(of="garage", columns=("age", "power"), count=2)


@pytest.fixture
def clustered(settings: Settings, contract: Contract) -> UseCase:
    """A table of six garages in two clusters and one left out, as the ingest writes it."""
    use_case = UseCase(settings, contract.model_copy(update={"clusters": TERMS}))
    values = np.array([[20.0, 200], [22, 210], [21, 190], [60, 80], [62, 70], [61, 75]])
    found = ThingValues(tuple("abcdef"), TERMS.columns, values, {"g": "it has no value of `age`"}, {})
    scaled = found.standardised(values)
    middles = np.array([scaled[:3].mean(axis=0), scaled[3:].mean(axis=0)])
    made = Clustering(np.array([0, 0, 0, 1, 1, 1]), middles, np.zeros(6), 0.97, {2: 0.97})
    facts = {"clusters": 2, "silhouette": 0.97, "first": "2023-01", "last": "2023-01", "silver_version": 1,
             "contract_sha256": TERMS.sha256}  # fmt: skip
    replace_rows(use_case, clusters_table(contract, TERMS), cluster_rows("garage", found, made, [3, 1], facts))
    return use_case


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
