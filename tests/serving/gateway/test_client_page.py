"""The client page in a real browser: asked with a model, asked with the rules, in both languages, on a phone."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from lakeloop.access.generated import token_file
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.settings import Settings
from serving.gateway.page.render import render_page
from serving.gateway.page.texts import TEXTS, later_texts
from serving.gateway.process import RunningGateway
from tests.browser import ELSEWHERE
from tests.use_case_copies import USE_CASES
from tests.warm_programs import running_gateway


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(browser: Browser, gateway: RunningGateway, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The open page; at the end it must have asked nobody but the gateway and complained about nothing."""
    opened = browser.new_page(viewport={"width": request.param, "height": 844}, locale="en-GB")
    complaints: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda sent: asked.append(sent.url))
    opened.goto(gateway.url)
    expect(opened.locator("#model")).to_have_text("Model version 1 is ready.")
    yield opened
    assert complaints == []
    assert all(url.startswith((gateway.url, "data:")) for url in asked)
    opened.close()


@pytest.mark.long
def test_who_may_only_read_is_told_so_and_logs_out_again(browser: Browser, settings: Settings) -> None:
    asking = settings.model_copy(update={"auth": "on"})
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-GB")
    with running_gateway(asking) as gateway:
        url = gateway.url.replace("127.0.0.1", ELSEWHERE)
        page.goto(url)
        page.get_by_label("Your token").fill(token_file(asking, "read").read_text().strip())
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#message")).to_have_text(TEXTS["en"]["may_not_ask"])
        expect(page.locator("#curl")).to_contain_text('"Authorization: Bearer $TOKEN"')
        page.get_by_role("link", name="Account").click()
        expect(page.locator("body")).to_contain_text("You are read, with the role read")
        page.go_back()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Your token")).to_be_visible()
        page.goto(url)
        assert page.url.endswith("/login?next=%2F")
    page.close()


def test_the_model_answers_with_probabilities_as_bars(page: Page, gateway: RunningGateway) -> None:
    page.get_by_label("Age of the driver", exact=True).fill("33.5")
    page.get_by_role("switch", name="The driver took part in a safety training").check()
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#who")).to_have_text("The model answers")
    expect(page.locator("#reason")).to_have_text(TEXTS["en"]["ok"])
    expect(page.locator("#version")).to_have_text("1")
    request = {
        "driver": {"training": 1, "age": 33.5, "miles": 125},
        "vehicle": {"emergency_braking": 0, "braking_distance": 51, "power": 100},
    }
    told = httpx.post(f"{gateway.url}/predict/", json=request, timeout=60).json()
    expect(page.locator("#prediction")).to_have_text(told["prediction"])
    rows = page.locator("#bars li")
    expect(rows).to_have_count(3)
    for index, (name, share) in enumerate(told["probabilities"].items()):
        expect(rows.nth(index)).to_contain_text(name)
        expect(rows.nth(index).locator(".share")).to_have_text(f"{share * 100:.1f}%")
        wide = rows.nth(index).locator(".bar").evaluate("bar => parseFloat(bar.style.width)")
        assert wide == pytest.approx(share * 100, abs=0.01)
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#empty")).to_be_visible()


def test_an_answer_is_explained_when_somebody_asks(page: Page, gateway: RunningGateway) -> None:
    page.get_by_label("Age of the driver", exact=True).fill("33.5")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#explanation")).to_be_hidden()
    page.get_by_label("Age of the driver", exact=True).fill("80")  # what is explained is the answer that is shown
    page.get_by_role("button", name="Explain this answer").click()
    expect(page.locator("#explained")).to_contain_text("On average the model gives", timeout=60_000)
    request = {
        "driver": {"training": 0, "age": 33.5, "miles": 125},
        "vehicle": {"emergency_braking": 0, "braking_distance": 51, "power": 100},
    }
    told = httpx.post(f"{gateway.url}/explain/", json=request, timeout=60).json()
    rows = page.locator("#parts li")
    expect(rows).to_have_count(6)
    largest = abs(told["contributions"][0]["contribution"])
    for index, part in enumerate(told["contributions"]):
        size = 100 * part["contribution"]
        expect(rows.nth(index).locator(".share")).to_have_text(f"{size:+.1f}" if abs(size) >= 0.05 else "0.0")
        bar = rows.nth(index).locator(".bar")
        assert bar.evaluate("bar => parseFloat(bar.style.width)") == pytest.approx(abs(size) / largest / 2, abs=0.01)
        assert bar.evaluate("bar => bar.className") == ("bar down" if size < 0 else "bar up")
    expect(page.locator("#parts")).to_contain_text("33.5 years")
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room
    page.locator("#language").click()
    expect(page.locator("#explained")).to_contain_text("Im Mittel gibt das Modell")
    expect(page.locator("#parts")).to_contain_text("33,5 Jahre")
    page.get_by_role("button", name="Fragen").click()
    expect(page.locator("#explanation")).to_be_hidden()


def test_an_answer_of_the_rules_names_them_and_a_model_that_is_away_is_said(page: Page) -> None:
    page.get_by_label("Power of the engine", exact=True).fill("300")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("button", name="Explain this answer").click()
    expect(page.locator("#explained")).to_contain_text("the rules gave it (rules.py:risk_group)")
    expect(page.locator("#parts")).to_be_hidden()
    said = page.evaluate(
        """() => { [explanation, problem] = [null, {key: "explain_failed", words: "no connection"}];
        showExplanation(); return by("explain-problem").textContent; }"""
    )
    assert said == f"{TEXTS['en']['explain_failed']} no connection"


def test_the_curl_line_is_the_same_request(page: Page) -> None:
    page.get_by_label("Power of the engine", exact=True).fill("120.5")
    line = page.locator("#curl").inner_text()
    assert '"power":120.5' in line and line.startswith("curl -H 'Content-Type: application/json'")


def test_the_rules_answer_and_say_why_in_german(page: Page) -> None:
    page.get_by_label("Power of the engine", exact=True).fill("300")
    page.locator("#language").click()
    page.get_by_role("button", name="Fragen").click()
    expect(page.locator("#who")).to_have_text("Die Regeln antworten")
    expect(page.locator("#reason")).to_have_text(TEXTS["de"]["out of range"])
    detail = page.locator("#detail")
    expect(detail).to_have_text("Motorleistung ist 300, das Modell beantwortet 50 bis unter 250")
    expect(detail).to_have_attribute("lang", "de")
    expect(page.locator("#no-bars")).to_be_visible()
    expect(page.locator("#version")).to_have_text("keine")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.reload()
    expect(page.locator("#ask")).to_have_text("Fragen")
    page.locator("#language").click()
    page.get_by_label("Power of the engine", exact=True).fill("300")
    page.get_by_role("button", name="Ask").click()
    expect(detail).to_have_text("power is 300, the model answers 50 to below 250")
    expect(detail).to_have_attribute("lang", "en")


def test_the_contract_s_own_words_are_translated_and_come_back(page: Page) -> None:
    shown = "() => [...document.querySelectorAll('h1, legend, label, .unit')].map((e) => e.textContent)"
    english = page.evaluate(shown)
    page.locator("#language").click()
    german = page.evaluate(shown)
    assert {"Risikogruppe in der Autoversicherung", "Mensch", "Auto", "Motorleistung", "Jahre"} <= set(german)
    assert {e for e, g in zip(english, german, strict=True) if e == g} == {"m", "PS"}
    expect(page.get_by_label("Motorleistung", exact=True)).to_have_count(1)
    page.get_by_role("button", name="Fragen").click()
    expect(page.locator("#prediction")).to_have_text(re.compile("hoch|mittel|niedrig"))
    expect(page.locator("#bars li > span:first-child")).to_have_text(["hoch", "mittel", "niedrig"])
    page.locator("#language").click()
    assert page.evaluate(shown) == english


REASONS = {
    "low confidence: 0.45 is below 0.5": "0,45 liegt unter 0,5",
    "segment switched off: age < 25": "age < 25",
    "model unavailable: no answer within 250 ms": "keine Antwort innerhalb von 250 ms",
    "model unavailable: no connection to http://127.0.0.1:9 (ClientConnectorError)": (
        "keine Verbindung zu http://127.0.0.1:9 (ClientConnectorError)"
    ),
    "model unavailable: version 17 is not served any more": "Version 17 gibt es dort nicht mehr",
    "model unavailable: the model server answered 500: a: b\nc": "der Modellserver antwortete 500: a: b\nc",
    "model unavailable: the model server answered 200: something that cannot be read": (
        "der Modellserver antwortete 200 und etwas Unlesbares"
    ),
    "model unavailable: something new": "something new",
    "model switched off": "",
}


def test_every_particular_is_said_in_german(page: Page) -> None:
    """The texts come from the browser's own function; what it has no words for stays English and is marked so."""
    page.locator("#language").click()
    for reason, german in REASONS.items():
        particulars = reason.partition(": ")[2]
        shown = page.evaluate("(text) => { showDetail(text); return by('detail').textContent; }", particulars)
        assert shown == german


def test_a_gateway_without_a_model_says_so_in_german(browser: Browser, settings: Settings) -> None:
    with running_gateway(settings) as alone:
        opened = browser.new_page(locale="de-DE")
        opened.goto(alone.url)
        opened.get_by_role("button", name="Fragen").click()
        expect(opened.locator("#reason")).to_have_text(TEXTS["de"]["model unavailable"])
        expect(opened.locator("#detail")).to_have_text("keine Verbindung zu http://127.0.0.1:9 (ClientConnectorError)")
        opened.close()


def test_what_is_not_allowed_is_said_at_the_field(page: Page) -> None:
    age = page.get_by_label("Age of the driver", exact=True)
    for wrong in ("151", ""):
        age.fill(wrong)
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("alert")).to_have_text(TEXTS["en"]["refused"])
        expect(age).to_have_attribute("aria-invalid", "true")
        expect(age).to_be_focused()
        expect(page.locator("#driver-age-hint")).to_have_text("Allowed: 0 to 150 years")
    page.locator("#language").click()
    expect(page.get_by_role("alert")).to_have_text(TEXTS["de"]["refused"])
    expect(page.locator("#driver-age-hint")).to_contain_text("Erlaubt: 0 bis 150")
    page.locator("#language").click()
    expect(page.locator("#driver-age-hint")).to_have_text("Allowed: 0 to 150 years")
    age.fill("30")
    expect(age).not_to_have_attribute("aria-invalid", "true")
    page.locator("#language").click()
    expect(page.locator("#driver-age")).not_to_have_attribute("aria-invalid", "true")


def test_it_works_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")  # the language
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id")
        seen.append(name)
        if name == "driver-training":
            page.keyboard.press("Space")
        if name == "driver-age-slider":
            page.keyboard.press("ArrowRight")
        if name == "ask":
            page.keyboard.press("Enter")
            break
    assert [name for name in seen if not name.endswith("-slider")] == [
        "driver-training", "driver-age", "driver-miles",
        "vehicle-emergency_braking", "vehicle-braking_distance", "vehicle-power", "ask",
    ]  # fmt: skip
    expect(page.locator("#who")).to_be_visible()
    assert '"training":1,"age":46' in page.locator("#curl").inner_text()


def test_it_fits_and_every_control_has_a_name(page: Page) -> None:
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#result")).to_be_visible()
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room
    nameless = page.evaluate(
        """[...document.querySelectorAll("input, select, button")].filter(
            (control) => !(control.labels?.length || control.ariaLabel || control.textContent.trim())).length"""
    )
    assert nameless == 0


def test_both_languages_say_the_same_things() -> None:
    assert set(TEXTS["en"]) == set(TEXTS["de"])
    assert all(TEXTS["en"][key] != TEXTS["de"][key] or key == "possible" for key in TEXTS["en"])


def test_any_contract_gives_a_page(churn: Contract) -> None:
    page = render_page(churn)
    assert "<option>pro, annual</option>" in page and 'id="usage-slider"' in page


def test_an_answer_for_a_later_period_says_so(churn: Contract) -> None:
    shops = load_contract(USE_CASES["shops"] / "shops" / "contract.yaml")
    page = render_page(shops)
    assert '<p id="ahead" data-text="ahead">The answer is for 1 year later than the values.</p>' in page
    assert "Die Antwort gilt 1 Jahr" in page and 'id="ahead"' not in render_page(churn)
    assert later_texts(3, "week")["de"] == {"ahead": "Die Antwort gilt 3 Wochen später als die Werte."}


def test_a_field_has_room_for_all_the_digits_of_its_number(churn: Contract) -> None:
    usage = churn.features["usage"]
    long = usage.model_copy(update={"valid": (0, 2e10), "example": 17031839100, "type": "int"})
    assert 'class="entry wide"' in render_page(churn.model_copy(update={"features": {"usage": long}}))
    assert 'class="entry wide"' not in render_page(churn)
