"""The page of an answer in a real browser: at phone and desktop width, clicked, without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.report.lineage_page import write_lineage
from lakeloop.contract import Contract
from operations.lineage.graph import LineageDraft


@pytest.fixture
def address(contract: Contract, tmp_path: Path) -> str:
    """Twelve files in a table, a model of it, and a request."""
    draft = LineageDraft()
    draft.add("request", "request 1", facts={"answer": "low", "page": "http://127.0.0.1:8080/dags/x"})
    draft.add("version", "version 7", "model version 7", {"rows": 1500})
    draft.add("gold", "gold/training@3")
    for number in range(12):
        draft.link(draft.add("file", f"claims/claims-2023-{number + 1:02}.csv batch {number}"), "gold/training@3")
    draft.link("gold/training@3", "version 7")
    draft.link("version 7", "request 1")
    return write_lineage(draft.finish("version 7"), contract, tmp_path / "lineage.html").as_uri()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.problems = []  # type: ignore[attr-defined]
    opened.on("console", lambda message: message.type == "error" and opened.problems.append(message.text))  # type: ignore[attr-defined]
    opened.on("request", lambda request: request.url.startswith("http") and opened.problems.append(request.url))  # type: ignore[attr-defined]
    yield opened
    opened.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_it_shows_the_subject_and_what_is_clicked(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.locator("#name")).to_have_text("model version 7")
    assert page.locator(".item.from").count() == 13 and page.locator(".item.to").count() == 1
    page.locator(".item", has_text="request 1").click()
    expect(page.locator("#name")).to_have_text("request 1")
    expect(page.locator("#facts dd").first).to_have_text("low")
    expect(page.locator("#facts a")).to_have_attribute("href", "http://127.0.0.1:8080/dags/x")
    assert page.locator(".item.from").count() == 14
    page.locator(".item", has_text="claims-2023-01").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_contain_text("claims-2023-01")
    assert page.locator(".item.apart").count() == 11
    assert page.problems == []  # type: ignore[attr-defined]
