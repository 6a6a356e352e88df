"""The pages say what is there, what is not and why; in a browser they draw it without a network."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from console.pages.run_cache import KnownRuns
from console.pages.start import for_browser
from lakehouse.gold.decisions import record_decision
from lakeloop.access.acting import system_user
from lakeloop.atomic_file import write_text
from lakeloop.contract import Contract
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import LakeloopError
from lakeloop.releases import decide, read_entries, read_release
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.drift.reference import Reference
from operations.batch_scoring.records import ScoringRecord, records_folder
from operations.drift.windows import read_window
from operations.retraining.record import RetrainRecord
from operations.retraining.record_table import add_record
from operations.retraining.request import RetrainRequest
from tests.browser import served, watched
from tests.console.pages.conftest import OLD, SERVES, pages, pushed, record
from tests.waiting import eventually
from tests.weather_rides import weather_use_case
from tfx_pipeline.runs.run_record import run_folder, save_run


def test_before_anything_happened_the_start_page_says_what_to_do(client: TestClient) -> None:
    page = client.get("/").text
    assert 'href="http://testserver:8080"' in page
    for command in ("lakeloop lake ingest", "lakeloop train", "lakeloop drift", "lakeloop retrain"):
        assert command in page
    missing = client.get("/models/17")
    assert (
        missing.status_code == 404 and "no run&#39;s record tells of model version 17; there are: none" in missing.text
    )


def test_the_pages_of_a_use_case_of_the_wall_clock_tell_the_real_time(settings: Settings, contract: Contract) -> None:
    at = settings.model_copy(update={"now": datetime(2025, 11, 15, tzinfo=UTC)})
    with TestClient(pages(at, contract.model_copy(update={"clock": "wall"}))) as client:
        start, features = (client.get(path).text for path in ("/", "/features"))
    assert "<b>2025-11</b><span>month by the wall clock (number 34), until 2025-12-01 00:00 UTC</span>" in start
    assert "nothing came yet; by the wall clock (2025-11-15 00:00 UTC) 2025-10 is due" in features


def test_the_start_page_tells_what_was_scored_and_why_rules_answered(use_case: UseCase, client: TestClient) -> None:
    assert "Scores of whole tables" not in client.get("/").text
    scoring = ScoringRecord(
        scoring="20261130-1", table="silver/policies", version=3, model="7", switched_off="age < 20", rows=2000,
        answered_by={"model": 1500, "rules": 500}, reasons={"ok": 1500, "out of range": 300, "low confidence": 200},
        ended="2026-11-30T09:00:00+00:00", file="/home/scores.csv",
    )  # fmt: skip
    write_text(records_folder(use_case) / "20261130-1.json", scoring.model_dump_json())
    page = " ".join(client.get("/").text.split())
    for text in ("Scores of whole tables", "silver/policies@3", "2026-11-30 09:00 UTC", "25.0 %", "age &lt; 20",
                 "out of range: 300, low confidence: 200", ">scores.csv<", "Files are in"):  # fmt: skip
        assert text in page, text


def test_the_start_page_tells_rejected_rows_by_reason(use_case: UseCase, client: TestClient) -> None:
    came = [{"source": s, "file": "a", "rows": 200, "batch": 1, "state": "taken"} for s in ("policies", "claims")]
    write_deltalake(use_case.table("bronze/deliveries"), pa.Table.from_pylist(came))
    bad = [{"source": s, "batch": 1, "reason": "`age` is NaN"} for s in ["policies"] * 16 + ["claims"]]
    write_deltalake(use_case.table("silver/rejects"), pa.Table.from_pylist(bad))
    page = client.get("/").text
    assert '<b class="fail">8.0 %</b><span>of the newest rows of policies were rejected' in page
    assert "policies: 16 of 200 rows (8.0 %) were rejected: <code>age</code> is NaN 16 (8.0 %)" in page
    assert "claims: 1 of 200 rows (0.5 %) was rejected" in page and "0.5 %</b>" not in page


def test_the_start_page_tells_what_was_mended_in_the_newest_files(use_case: UseCase, client: TestClient) -> None:
    assert "Mended values" not in client.get("/").text
    one = {"source": "policies", "column": "age", "mended": "zeros in front put back", "delivered": "7", "meant": "07"}
    rows = [one | {"file": f"p{number}", "rows": 1000, "batch": 1 + number // 2} for number in range(4)]
    rows.append(one | {"file": "p3", "rows": 1, "batch": 2, "column": "", "mended": "rows became one", "meant": None})
    write_deltalake(use_case.table("silver/mended"), pa.Table.from_pylist(rows))
    page = client.get("/").text
    said = (
        "<code>age</code>: zeros in front put back in 2,000 rows of 2 files (<code>7</code>, read as <code>07</code>)"
    )
    assert said in page and "<li>rows became one in 1 row of 1 file (<code>7</code>)</li>" in page


def test_the_start_page_tells_rows_that_wait_and_those_that_do_in_vain(tmp_path: Path) -> None:
    rides = weather_use_case(tmp_path, "areas")
    waits = [{"period": period, "waits_for": "areas"} for period in ("2024-01-01", "2024-01-02", "2024-01-02")]
    write_deltalake(rides.table("silver/waiting"), pa.Table.from_pylist(waits))
    complete = [{"period": "2024-01-01"}] * 3
    write_deltalake(rides.table("silver/rides"), pa.Table.from_pylist(complete))
    with TestClient(pages(rides.settings, rides.contract)) as client:
        page = client.get("/").text
    assert '<b class="fail">25.0 %</b><span>of the rows of 2024-01-01 wait for a row of areas that is overdue' in page
    assert "3 rows wait for a row of areas, which has a feature that rides must have; taken up when it comes" in page
    assert "; overdue for 1 of them (25.0 % of the rows of 2024-01-01)" in page


def test_the_page_of_a_decision_that_was_not_made_says_how_far_it_came(
    settings: Settings, contract: Contract, client: TestClient
) -> None:
    request = RetrainRequest(decided_by="me")
    killed = RetrainRecord(
        decision_id="d1", use_case="insurance", at=datetime.now(UTC), trigger="drift", request=request
    )
    add_record(UseCase(settings, contract), killed)
    start = client.get("/").text
    assert "Retrains without a decision" in start and '<a href="/decisions/d1">d1</a>' in start
    assert '<span class="fail">killed</span>: nobody is at it any more' in start
    page = client.get("/decisions/d1")
    assert (
        page.status_code == 404
        and "because of drift, was killed when it was begun: the open events are taken" in page.text
    )


def test_the_start_page_says_that_a_decision_waits_for_a_person(use_case: UseCase, client: TestClient) -> None:
    refused = ScoredCandidate(name="newest", what="trained on the newest month", run_id="r1")
    made = Decision(
        decision_id="d7", use_case=use_case.name, at=datetime.now(UTC), clock=25, strategy="auto", trigger="drift",
        with_truth=True, candidates=(refused,), outcome="none passed", reason="none passed", decided_by="me",
    )  # fmt: skip
    record_decision(use_case, made)
    page = client.get("/").text
    assert 'waits for a person, the newest <a href="/decisions/d7">d7</a>' in page
    assert "none passed: <b" in page and "Retrains without a decision" not in page


def test_the_start_page_tells_versions_runs_and_drift(told: Settings, client: TestClient) -> None:
    page = client.get("/").text
    rows = {line.split('"')[0]: line for line in page.split('<a href="/models/')[2:]}  # the first is the tile
    assert "serves" in rows[SERVES] and "removed" in rows[OLD]
    assert "2023-11-14 22:13 UTC" in rows[OLD]
    decide(told, "insurance", "pin", SERVES, "ann", "the year's end")
    page = client.get("/").text
    assert '<b class="pass">serves</b>, pinned' in page
    assert "What was decided of versions" in page and "year&#39;s end" in page
    assert "1 run that was not pushed" in page and "accuracy_eval 0.610" in page
    assert ">drift</b><span>requests of 2023-03" in page
    assert "its accuracy on 293 eval rows, 0.840 to 0.920 with 95 % confidence" in page


@pytest.mark.parametrize(
    ("serving", "shown"),
    [(SERVES, f'<a href="/models/{SERVES}">{SERVES}</a>'), ("", "none"), (None, "not known yet")],
)
def test_the_start_page_and_a_models_page_agree_on_what_serves(
    told: Settings, contract: Contract, serving: str | None, shown: str
) -> None:
    with TestClient(pages(told, contract, serving=serving)) as client:
        assert f"<b>{shown}</b><span>model version that serves" in client.get("/").text
        assert ("it serves now" in client.get(f"/models/{SERVES}").text) == (serving == SERVES)
        assert "it serves now" not in client.get(f"/models/{OLD}").text


def test_a_hand_is_laid_on_a_release_from_a_models_page(told: Settings, client: TestClient) -> None:
    pushed(told, OLD)
    page, form = f"/models/{SERVES}", f"/models/{SERVES}/release"
    assert "It is the champion since 2023-11-14 22:14 UTC." in client.get(page).text
    done = client.post(form, data={"action": "rollback", "why": "it is <slow>"}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, f"{page}#release")
    state = read_release(told, "insurance")
    assert state.champion == OLD and state.by is not None
    assert (state.by.who, state.by.why) == (system_user(), "it is <slow>")
    old = client.get(f"/models/{OLD}").text
    assert re.search(rf"champion since [\d-]{{10}} \d\d:\d\d UTC, by {system_user()}: it is &lt;slow&gt;\.", old)
    assert ">Roll back</button>" in old
    assert ">Promote</button>" in client.get(page).text and ">Roll back</button>" not in client.get(page).text


@pytest.mark.parametrize(
    ("version", "form", "headers", "code", "said"),
    [
        (SERVES, {"action": "pin"}, {}, 400, "say why"),
        (SERVES, {"action": "drop", "why": "x"}, {}, 400, "is none of promote, pin, unpin"),
        (SERVES, {"action": "promote", "why": "x"}, {}, 400, "serves already"),
        (OLD, {"action": "abort", "why": "x"}, {}, 400, f"no version of insurance challenges version {SERVES}"),
        (OLD, {"action": "rollback", "why": "x"}, {}, 409, f"version {OLD} does not serve any more"),
        ("9", {"action": "pin", "why": "x"}, {}, 404, "there is no pushed version 9"),
        (SERVES, {"action": "pin", "why": "x"}, {"origin": "http://evil.example"}, 403, "a page of another site"),
        (SERVES, {"action": "pin", "why": "x"}, {"sec-fetch-site": "cross-site"}, 403, "a page of another site"),
    ],
)
def test_a_release_that_is_not_possible_is_a_sentence_and_changes_nothing(
    told: Settings,
    client: TestClient,
    version: str,
    form: dict[str, str],
    headers: dict[str, str],
    code: int,
    said: str,
) -> None:
    pushed(told, OLD)
    answer = client.post(f"/models/{version}/release", data=form, headers=headers)
    assert answer.status_code == code and said in answer.text
    assert read_entries(told, "insurance") == []


@pytest.mark.parametrize("width", [390, 1280])
def test_a_release_is_asked_for_its_reason_and_confirmed_in_a_browser(
    told: Settings, site: FastAPI, browser: Browser, width: int
) -> None:
    pushed(told, OLD)
    with served(site) as url, watched(browser) as opened:
        page = opened(f"{url}/models/{SERVES}", width)
        asked = list[str]()
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
        button = page.get_by_role("button", name="Pin")
        button.click()
        assert asked == [], "a browser asks for the reason first"
        page.get_by_label("Why").fill("the year's end")
        button.click()
        page.get_by_text("It is pinned by").wait_for()
        assert asked == [f"Pin version {SERVES}?"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert read_release(told, "insurance").pinned


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("http://127.0.0.1:8080", "http://lake.example.org:8080"),
        ("http://models:8501/v1/models/x", "http://lake.example.org:8501/v1/models/x"),
        ("https://airflow.example.org", "https://airflow.example.org"),
    ],
)
def test_links_lead_where_the_browser_finds_them(url: str, link: str) -> None:
    assert for_browser(url, "lake.example.org") == link


def test_a_new_run_and_a_broken_record_are_seen_at_the_next_look(
    told: Settings, contract: Contract, manifest: Path, client: TestClient
) -> None:
    assert "/runs/late" not in client.get("/").text
    save_run(open_use_case(told), record(contract, manifest, "late"))
    (run_folder(open_use_case(told), "old") / "run.json").write_text("{", encoding="utf-8")
    page = client.get("/").text
    assert 'href="/runs/late"' in page and "is not a run record" in page and OLD not in page


def test_records_are_read_once(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = KnownRuns(open_use_case(told))
    before = runs.all()
    monkeypatch.setattr("console.pages.run_cache.load_run", lambda *_: pytest.fail("it was read again"))
    assert runs.all() == before and len(before) == 3


def test_a_models_page_shows_gate_slices_drift_and_what_is_not_known(told: Settings, client: TestClient) -> None:
    page = client.get(f"/models/{SERVES}").text
    assert "training = 1" in page and "out of bounds, behind the champion" in page and "-0.1000" in page
    assert "0.67 to 0.89" in page, "51 rows of the slice leave much open"
    assert f"/models/{SERVES}/windows/2023-03/evidently" in page
    within = "2023-03/evidently?first=2023-03-01T00%3A00%3A00%2B00%3A00&amp;last=2023-03-14T00%3A00%3A00%2B00%3A00"
    assert "1 smaller window<" in page and within in page and "2023-03-01 00:00 to 2023-03-14 00:00" in page
    assert "age 0.200" in page and page.count("Not known:") == 1  # the schema: no such file here
    assert (
        "As TensorFlow Data Validation counted them on the export." in page and page.count("<td>braking_distance") > 0
    )
    assert "majority: the commonest class, always" in page and "rules: " not in page
    beside = page.partition("Beside it, on the same eval rows")[2].partition("</table>")[0]
    assert "+0.4400" in beside and "-0.0200" in beside, "the model's 0.88 less the baselines'"
    assert "By log loss, which decides, it has 0.3100." in page
    decided = page.partition("which decides, it has")[2].partition("</table>")[0]
    assert "+0.7800" in decided and "-0.0100" in decided, "of a loss less is better"
    assert "on 293 of 293 eval rows" in page and '<td>age</td><td class="n">+0.2000</td>' in page
    assert (
        "over 90 eval rows, each against 50 training rows" in page and '<td>age</td><td class="n">0.2100</td>' in page
    )
    old = client.get(f"/models/{OLD}").text
    assert "Nobody has explained its answers" in old and "Shapley" not in old
    assert "Nobody has measured it" in old and "Permutation importance" not in old
    assert f"<code>lakeloop report --version {OLD}</code> does" in old
    assert "No month of requests to this model was measured yet." in old
    refused = client.get("/runs/refused").text
    assert "Refused by the quality gate." in refused and "It never served." in refused


def test_a_models_card_is_a_click_from_its_page(told: Settings, client: TestClient) -> None:
    assert f'href="/models/{SERVES}/card"' in client.get(f"/models/{SERVES}").text
    assert "Model card" not in client.get("/runs/refused").text
    page = client.get(f"/models/{SERVES}/card").text
    assert (
        "training = 1" in page and "1,207 rows of gold/training" in page and f'href="/models/{SERVES}/card.md"' in page
    )
    assert "(permutation importance)" in page and "moves the probability of each class away from its mean" in page
    text = client.get(f"/models/{SERVES}/card.md")
    assert text.headers["content-type"].startswith("text/markdown") and "## Ethical considerations" in text.text
    for missing in ("/models/17/card", "/models/17/card.md"):
        answer = client.get(missing)
        assert answer.status_code == 404 and f"there are: {OLD}, {SERVES}" in answer.text


@pytest.mark.parametrize("width", [1280, 390])
def test_a_models_card_can_be_read_on_a_narrow_page(
    told: Settings, site: FastAPI, browser: Browser, width: int
) -> None:
    with served(site) as url, watched(browser) as opened:
        page = opened(f"{url}/models/{SERVES}/card", width)
        assert page.locator("section h2").count() == 9
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_month_is_counted_in_a_process_of_its_own(
    told: Settings, site: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(told.home))
    with TestClient(site) as client:
        address = f"/models/{SERVES}/windows/2023-03"
        assert client.get(address).status_code == 202
        answer = eventually(lambda: None if (asked := client.get(address)).status_code == 202 else asked)
        assert answer.status_code == 503 and "there is no ML Metadata" in answer.text  # and so no schema
        assert client.get(address).status_code == 202  # another try
    assert not [p for p in psutil.Process().children(recursive=True) if "window statistics" in command_of(p)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return ""


def test_an_unknown_month_says_which_were_measured(told: Settings, client: TestClient) -> None:
    answer = client.get(f"/models/{SERVES}/windows/2031-01")
    assert answer.status_code == 404 and "measured: 2023-02, 2023-03" in answer.text
    nobody = client.get(f"/models/{SERVES}/windows/2023-02/evidently")
    assert nobody.status_code == 404 and "lakeloop lake stream" in nobody.text


def test_requests_the_rules_answered_belong_to_the_model_that_answered_most(told: Settings, contract: Contract) -> None:
    assert len(read_window(UseCase(told, contract), SERVES, "2023-03")) == 50
    assert len(read_window(UseCase(told, contract), OLD, "2023-03")) == 10
    some = read_window(
        UseCase(told, contract), SERVES, "2023-03", "2023-03-01T00:00:00+00:00", "2023-03-05T00:00:00+00:00"
    )
    assert sorted(set(some["at"])) == [f"2023-03-0{day}T00:00:00+00:00" for day in range(1, 6)]
    assert some["prediction"].isna().sum() == (some.index >= 50).sum()


@pytest.mark.parametrize(
    ("of", "answer", "said"),
    [
        ("01a20119-686f-700f-ba5a-59be680ba920", 303, "/lineage/prediction/"),
        ("gold/training@3", 303, "/lineage/table/gold/training%403"),
        (SERVES, 303, f"/lineage/model/{SERVES}"),
        ("claims-2023-01.csv", 303, "/lineage/file/claims-2023-01.csv"),
        ("by-rules", 303, "/lineage/prediction/by-rules"),
    ],
)
def test_what_a_text_names_is_found_out(told: Settings, client: TestClient, of: str, answer: int, said: str) -> None:
    asked = client.get("/lineage", params={"of": of}, follow_redirects=False)
    assert asked.status_code == answer and asked.headers["location"].startswith(said)


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/lineage/model/5", 404, "there is no ML Metadata"),
        ("/lineage/cake/5", 400, "has no lineage; there are prediction, model"),
        ("/lineage/table/gold/training@x", 400, "version&#39;s number"),
        ("/decisions/d9", 404, "nothing was decided yet"),
        ("/windows/now", 404, "no model serves"),
        (
            f"/models/{SERVES}/windows/2023-03/evidently?first=x&last=y",
            400,
            "goes from <code>first</code> to <code>last",
        ),
        (
            f"/models/{SERVES}/windows/2023-03/evidently?first=2023-03-01T00:00:00Z",
            400,
            "goes from <code>first<",
        ),
        ("/static/start.html", 404, "there is no start.html here"),
    ],
)
def test_what_is_not_there_is_a_sentence(told: Settings, client: TestClient, path: str, code: int, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == code and said in answer.text, answer.text[:800]


def test_features_are_told_with_where_they_come_from(told: Settings, contract: Contract, client: TestClient) -> None:
    page = client.get("/features").text
    for name, feature in contract.features.items():
        assert f'<section id="{name}">' in page and feature.description in page
    assert "silver/policies, column age" in page and "Not known: " in page  # nothing was delivered to this home


@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_work_offline_in_a_browser(told: Settings, site: FastAPI, browser: Browser, width: int) -> None:
    with served(site) as url, watched(browser) as opened:
        start = opened(url, width)
        start.wait_for_selector(".figure .main-svg")
        start.wait_for_selector(".services .silent")
        assert start.evaluate("document.documentElement.scrollWidth") <= width
        start.get_by_role("link", name=SERVES).last.click()
        start.locator("#slices .figure").scroll_into_view_if_needed()
        start.wait_for_selector("#slices .main-svg")
        assert start.evaluate("document.documentElement.scrollWidth") <= width


def test_evidentlys_own_report_of_the_newest_requests_opens_offline(
    told: Settings, contract: Contract, browser: Browser
) -> None:
    features = list(contract.features)
    before, now = (sample_period(UseCase(told, contract), month)[features] for month in (0, 12))
    known = Reference(SERVES, "a" * 64, before, pd.Series(["high", "low", "medium"] * 500))
    asked = now.assign(prediction=["high"] * 800 + [None] * 700, at="2024-01-01T00:00:00+00:00")
    with served(pages(told, contract, lambda: (known, asked))) as url, watched(browser) as opened:
        page = opened(f"{url}/windows/now", 1280)
        page.wait_for_selector("text=Drift in column 'miles'")
        text = page.inner_text("body")
        assert "Drift score: 0.224" in text and "Count of Drifted Columns: count\n2" in text.replace("\n\n", "\n")


def test_no_reference_is_told(told: Settings, contract: Contract) -> None:
    from monitoring.drift.evidently_page import evidently_page
    from monitoring.drift.reference import NoReference

    with pytest.raises(LakeloopError, match="its export was removed"):
        evidently_page(NoReference("7", "its export was removed"), pd.DataFrame({"at": []}), contract)


def test_where_services_ask_who_acts_pages_show_a_way_out(settings: Settings, contract: Contract) -> None:
    asking = settings.model_copy(update={"auth": "on"})
    shown, plain = (TestClient(pages(of, contract)).get("/features").text for of in (asking, settings))
    assert '<form class="account" method="post" action="/logout">' in shown and "/logout" not in plain
