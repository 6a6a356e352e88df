"""The page of a challenge, as text and in a browser."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.browser import served, watched
from tests.challenges import asked, class_answer, write_log
from tests.console.pages.conftest import SERVES


def write_challenge(settings: Settings) -> None:
    use_case = open_use_case(settings)
    names = use_case.contract.label.class_names
    answers = [("high", "high")] * 90 + [("high", "low")] * 10 + [("low", "low")] * 100
    records = [asked(n, *(class_answer(names, name) for name in pair)) for n, pair in enumerate(answers)]
    write_log(use_case, [*records, asked(200, class_answer(names, "low"), None, error="it took 2.1 s")], SERVES)


def test_the_page_of_a_version_that_never_challenged_says_so(told: Settings, client: TestClient) -> None:
    page = client.get(f"/models/{SERVES}/challenge")
    assert page.status_code == 404 and "was asked nothing as a challenger" in page.text
    assert "/challenge" not in client.get(f"/models/{SERVES}").text


@pytest.mark.parametrize("width", [390, 1280])
def test_both_versions_are_compared_and_drawn(told: Settings, site: FastAPI, browser: Browser, width: int) -> None:
    write_challenge(told)
    with served(site) as url, watched(browser) as opened:
        page = opened(f"{url}/models/{SERVES}", width)
        page.get_by_role("link", name="Beside the champion").click()
        for section in ("#agreement", "#answers"):
            page.locator(f"{section} .figure").scroll_into_view_if_needed()
            page.wait_for_selector(f"{section} .main-svg")
        text = " ".join(page.inner_text("main").split())
        for said in ("201 rows asked", "95.0 % of 200 answered alike", "it took 2.1 s", "high low 10",
                     "realised the truth of none of these rows has come yet"):  # fmt: skip
            assert said in text, said
        assert page.evaluate("document.documentElement.scrollWidth") <= width
