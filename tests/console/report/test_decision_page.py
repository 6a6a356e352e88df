"""A decision's page shows the whole record and needs nobody's network."""

import re
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser

from console.report.decision_page import write_decision
from lakeloop.contract import Contract
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.gate_check import GateCheck

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHECKS = (GateCheck(name="accuracy_eval", value=0.8877, bound="> 0.85", passed=True),)
FAILED = (GateCheck(name="share_low", value=0.4111, bound="0.267 to 0.400", passed=False),)


def decision(**changes: object) -> Decision:
    return Decision(
        decision_id="d1",
        use_case="insurance",
        at=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
        clock=11,
        strategy="auto",
        trigger="drift",
        event_ids=("7",),
        champion="17",
        champion_score=0.871,
        with_truth=False,
        judged_on="293 eval rows",
        judged_rows=293,
        effective_rows=235.6,
        drifted=("miles",),
        candidates=(
            ScoredCandidate(name="drop miles", what="without miles", run_id="r1", score=0.81, checks=FAILED),
            ScoredCandidate(
                name="reweight", what="<b>weighed</b>", run_id="r2", passed=True, score=0.89, checks=CHECKS
            ),
            ScoredCandidate(name="tune", what="tuned", error="the Trainer failed"),
        ),
        winner="reweight",
        outcome="recommended",
        reason="reweight passed the gate",
        decided_by="ann",
    ).model_copy(update=changes)


def test_the_page_shows_the_whole_record(contract: Contract, tmp_path: Path) -> None:
    text = write_decision(decision(), contract, tmp_path / "d1.html").read_text(encoding="utf-8")
    for expected in ("0.8877", "0.4111", "share_low", "0.267 to 0.400", "r1", "ann", "(event 7)", "236 rows",
                     "the Trainer failed", "Compared without truth",
                     "decide -u insurance d1 --choice fallback"):  # fmt: skip
        assert expected in text, expected
    assert "<b>weighed</b>" not in text and "&lt;b&gt;weighed" in text
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', text)


def test_a_decision_to_keep_has_a_page_without_candidates(contract: Contract, tmp_path: Path) -> None:
    kept = decision(strategy="keep", candidates=(), winner="", outcome="kept", champion_score=None, judged_on="")
    text = write_decision(kept, contract, tmp_path / "d1.html").read_text(encoding="utf-8")
    assert "the champion stays" in text and "<h2>Candidates</h2>" not in text


def test_a_page_with_newer_truth_shows_the_champions_own_checks(contract: Contract, tmp_path: Path) -> None:
    compared = decision(with_truth=True, champion_checks=FAILED, champion_judged_on="month 12", outcome="promoted")
    text = write_decision(compared, contract, tmp_path / "d1.html").read_text(encoding="utf-8")
    assert "The champion on month 12" in text and "Compared without truth" not in text
    assert "What can be done now" not in text


def test_a_page_says_what_a_person_answered(contract: Contract, tmp_path: Path) -> None:
    answer = {"choice": "promote", "choice_details": "tune: it is urgent", "chosen_by": "eve", "chosen_at": NOON}
    text = write_decision(decision(outcome="promoted", **answer), contract, tmp_path / "d1.html").read_text()
    assert "promote (tune: it is urgent), by eve, 2026-01-01 12:00 UTC" in text and "lakeloop decide" not in text


def test_every_candidate_of_a_drift_can_be_seen_on_a_desktop(
    browser: Browser, contract: Contract, tmp_path: Path
) -> None:
    """`auto` without truth tries four, and one is named after all features that drifted."""
    bound = ">= 0.887 (champion 0.897, weighted)"
    checks = (GateCheck(name="not_worse_than_champion", value=0.5652, bound=bound, passed=False),)
    names = ("drop miles age emergency_braking", "drop miles", "reweight", "resample")
    tried = tuple(ScoredCandidate(name=name, what="w", run_id="r1", score=0.6, checks=checks) for name in names)
    page_file = write_decision(decision(candidates=tried, winner=""), contract, tmp_path / "d1.html")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(page_file.as_uri())
    hidden = "boxes => boxes.map(box => box.scrollWidth - box.clientWidth)"
    assert set(page.locator(".scroll").evaluate_all(hidden)) == {0}
