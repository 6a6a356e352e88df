"""The map: drawn without a network, by mouse, thumb and keyboard, with a table of the same numbers."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from console.pages.map import by_choices
from lakeloop.contract import Contract
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.browser import served, watched
from tests.console.pages.conftest import pages
from tests.places import PLACES, harvest_scores, harvests_home, place_key, place_name

MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def harvests(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    use_case = harvests_home(tmp_path_factory.mktemp("harvests"))
    harvest_scores(use_case)
    return use_case


def test_only_a_contract_with_a_place_has_a_map(harvests: UseCase, settings: Settings, contract: Contract) -> None:
    with TestClient(pages(harvests.settings, harvests.contract)) as client:
        assert 'href="/map">Map</a>' in client.get("/").text and client.get("/map").status_code == 200
    with TestClient(pages(settings, contract)) as client:
        assert 'href="/map"' not in client.get("/").text and client.get("/map").status_code == 404


def test_the_page_is_small_and_says_what_the_index_is(harvests: UseCase) -> None:
    with TestClient(pages(harvests.settings, harvests.contract)) as client:
        page = client.get("/map")
        first = client.get("/map/values?of=index&by=&period=")
        shapes = client.get("/map/shapes.json")
        assert len(page.content) + len(first.content) + len(shapes.content) < MOST_BYTES
        assert "<code>100 * poor_share - tonnes</code>" in page.text and place_name(7) in page.text
        assert len(shapes.json()["features"]) == PLACES and len(first.json()["places"]) == PLACES
        wrong = client.get("/map/values?of=mean.rian")
        assert wrong.status_code == 404 and "there are: index, truth" in wrong.text


def test_a_browser_keeps_the_shapes_and_asks_whether_values_changed(harvests: UseCase) -> None:
    with TestClient(pages(harvests.settings, harvests.contract)) as client:
        for address, kept in (("/map/shapes.json", "immutable"), ("/map/values?of=rows", "no-cache")):
            first = client.get(address)
            assert first.headers["content-encoding"] == "gzip" and kept in first.headers["cache-control"]
            assert client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304


def test_the_total_of_a_category_is_its_first_choice_and_values_have_names(harvests: UseCase) -> None:
    place = harvests.contract.place
    assert place is not None
    assert by_choices(place, ["oats", "rye"])[0] == {"value": "", "name": "all"} and by_choices(place, []) == []
    named = place.model_copy(update={"total": "all", "by_names": {"rye": "Bread", "all": "Grain"}})
    assert [one["name"] for one in by_choices(named, ["all", "oats", "rye"])] == [
        "Grain", "every crop, each the same", "Bread", "oats",
    ]  # fmt: skip


def test_without_a_file_of_shapes_the_page_says_so(tmp_path: Path) -> None:
    use_case = harvests_home(tmp_path, shapes=False)
    with TestClient(pages(use_case.settings, use_case.contract)) as client:
        assert "there is no such file in" in client.get("/map").text
        assert client.get("/map/shapes.json").status_code == 404


@pytest.mark.long
def test_without_a_file_of_shapes_the_table_is_there(tmp_path: Path, browser: Browser) -> None:
    use_case = harvests_home(tmp_path, shapes=False)
    with served(pages(use_case.settings, use_case.contract)) as url, watched(browser) as opened:
        page = opened(f"{url}/map", 390)
        expect(page.locator("#table tbody tr")).to_have_count(PLACES)


def test_before_anything_came_the_page_says_what_to_do(harvests: UseCase, tmp_path: Path) -> None:
    empty = harvests.settings.model_copy(update={"home": tmp_path})
    with TestClient(pages(empty, harvests.contract)) as client:
        assert "no row has a place yet; <code>lakeloop lake ingest -u harvests</code>" in client.get("/map").text


def drawn(page: Page, what: str) -> None:
    expect(page.locator("#map")).to_have_attribute("data-drawn", what)


def touch(page: Page, number: int) -> None:
    """Click where a place is, wherever the page was scrolled to."""
    path = page.locator(f'#map [data-place="{place_key(number)}"]')
    path.scroll_into_view_if_needed()
    box = path.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.long), 390])
def test_places_are_coloured_and_one_is_looked_at(harvests: UseCase, browser: Browser, width: int) -> None:
    with served(pages(harvests.settings, harvests.contract)) as url, watched(browser) as opened:
        page = opened(f"{url}/map", width)
        drawn(page, "index  2017 value")  # of 2018 no truth has come
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.get_by_role("button", name="The year before").click()
        drawn(page, "index  2016 value")
        page.get_by_role("button", name="The year after").click()
        drawn(page, "index  2017 value")
        assert page.locator("#map [data-place]").count() == PLACES
        page.get_by_label("Colour").select_option("mean.rain")
        page.get_by_label("Crop").select_option("rye")
        page.get_by_label("change to the year before").check()
        drawn(page, "mean.rain rye 2017 change")
        assert page.evaluate("location.search") == "?of=mean.rain&by=rye&period=2017&change=on"
        rows = page.locator("#table tbody tr")
        expect(rows).to_have_count(PLACES)
        touch(page, 20)
        expect(page.locator("#place-panel")).to_have_attribute("data-drawn", place_key(20))
        assert page.locator("#place-name").text_content() == place_name(20)
        assert page.locator("#history .scatterlayer .trace").count() == 1
        assert page.locator("#answers .scatterlayer .trace").count() == 2  # what was true, what the model said
        assert "mm to the year before" in (page.locator("#place-now").text_content() or "")


def seen_width(page: Page) -> float:
    return float((page.locator("#map svg").get_attribute("viewBox") or "").split()[2])


@pytest.mark.long
def test_two_fingers_zoom_and_one_scrolls_the_page_until_then(harvests: UseCase, browser: Browser) -> None:
    with served(pages(harvests.settings, harvests.contract)) as url, watched(browser) as opened:
        page = opened(f"{url}/map?of=mean.rain", 390)
        drawn(page, "mean.rain  2018 value")
        whole, picture = seen_width(page), page.locator("#map svg")
        assert picture.evaluate("(one) => getComputedStyle(one).touchAction") == "pan-y"
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        fingers = page.context.new_cdp_session(page)
        for kind, half in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60)):
            points = [{"x": x - half, "y": y, "id": 1}, {"x": x + half, "y": y, "id": 2}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert seen_width(page) == pytest.approx(whole / 3, rel=0.1)
        assert picture.evaluate("(one) => getComputedStyle(one).touchAction") == "none"
        assert page.locator("#place-name").text_content() == "No place chosen", "two fingers choose nothing"
        page.get_by_role("button", name="Show all").click()
        assert seen_width(page) == whole
        page.locator("#map").focus()
        page.keyboard.press("+")
        assert seen_width(page) < whole
        page.mouse.move(x, y)
        expect(page.locator(".map-hint")).to_contain_text("mm")


@pytest.mark.long
def test_everything_is_reached_by_the_keyboard(harvests: UseCase, browser: Browser) -> None:
    with served(pages(harvests.settings, harvests.contract)) as url, watched(browser) as opened:
        page = opened(f"{url}/map?of=mean.soil&period=2016&place={place_key(3)}", 1280)
        drawn(page, "mean.soil  2016 value")
        assert page.locator("#place-name").text_content() == place_name(3)
        page.locator("#period").focus()
        page.keyboard.press("ArrowRight")
        drawn(page, "mean.soil  2017 value")
        head = page.get_by_role("button", name="place", exact=True)
        head.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#table th").first).to_have_attribute("aria-sort", "ascending")
        names = page.locator("#table tbody button").all_text_contents()
        assert names == sorted(names)
        page.locator("#table tbody button").nth(5).focus()
        page.keyboard.press("Enter")
        expect(page.locator("#place-name")).to_have_text(names[5])
        expect(page.locator("#table tbody button").nth(5)).to_be_focused()
