"""The page of a challenge, as text and in a browser, and who may end one from a model's page."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from lakeloop.access.acting import authorization
from lakeloop.access.guard import guarded
from lakeloop.access.tokens import create_token
from lakeloop.contract import Contract
from lakeloop.releases import decide, read_entries, read_release
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.browser import served, watched
from tests.challenges import asked, class_answer, write_log
from tests.console.pages.conftest import OLD, SERVES, pages, pushed


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


@pytest.mark.parametrize(("action", "champion"), [("promote", OLD), ("abort", SERVES)])
def test_who_may_decide_ends_a_challenge_from_the_models_page_and_nobody_else(
    told: Settings, contract: Contract, action: str, champion: str
) -> None:
    pushed(told, OLD)
    decide(told, "insurance", "challenge", OLD, "bob", "a try")
    asking = told.model_copy(update={"auth": "on"})
    people = {"rita": "read", "anton": "ask", "dora": "decide"}
    shown = {name: authorization(create_token(asking, name, role, "a test")) for name, role in people.items()}
    page, form = f"/models/{OLD}", {"action": action, "why": "we know enough"}
    with TestClient(guarded(pages(asking, contract), asking, "127.0.0.1", "monitor", writes="decide")) as client:
        offered = client.get(page, headers=shown["rita"]).text
        assert f"it challenges version {SERVES}, in the shadow" in offered
        assert ">Promote</button>" in offered and ">Abort</button>" in offered
        for headers, code in (({}, 401), (shown["rita"], 403), (shown["anton"], 403)):
            refused = client.post(f"{page}/release", data=form, headers=headers, follow_redirects=False)
            assert refused.status_code == code and "the role decide" in refused.json()["detail"][0]["msg"]
        assert [entry.who for entry in read_entries(told, "insurance")] == ["bob"]
        done = client.post(f"{page}/release", data=form, headers=shown["dora"], follow_redirects=False)
        assert (done.status_code, done.headers["location"]) == (303, f"{page}#release")
        assert ">Abort</button>" not in client.get(page, headers=shown["rita"]).text
    entry, state = read_entries(told, "insurance")[-1], read_release(told, "insurance")
    assert (entry.action, entry.version, entry.who, entry.why) == (action, OLD, "dora", "we know enough")
    assert (state.champion, state.challenger) == (champion, "")
