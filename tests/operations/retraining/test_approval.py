"""A person's answer to a decision that waits: applied once, and with who and when on record."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.decision import Choice, Decision, JudgedCandidate
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.gate_check import GateCheck
from lakeloop.settings import Settings
from lakeloop.switches import active_switches
from operations.retraining import decision_files as files
from operations.retraining.approval import Approval, answer_decision, changed_gate, gate_numbers, parse_requirements
from operations.retraining.request import Workplace
from tfx_pipeline.evaluation.gate import GateReport, judge_again
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, save_run

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def no_spark(settings: Settings) -> None:
    raise AssertionError("an answer needs no Spark before it is recorded")


@pytest.fixture
def work(contract: Contract, settings: Settings) -> Workplace:
    return Workplace(contract, settings, no_spark)  # type: ignore[arg-type]


def report(share_low: float) -> GateReport:
    """What the gate found: everything holds but, perhaps, one share."""
    shares = {"share_high": 0.3, "share_medium": 1 - 0.3 - share_low, "share_low": share_low}
    checks = [
        {"name": name, "value": value, "bound": "0.267 to 0.400", "passed": value <= 0.4}
        for name, value in shares.items()
    ]
    return GateReport.model_validate(
        {
            "checks": checks, "accuracy": {"train": 0.9, "eval": 0.89}, "rows": {"train": 1200, "eval": 300},
            "interval_set": "eval", "interval": (0.85, 0.92),
        }
    )  # fmt: skip


@pytest.fixture
def waiting(work: Workplace, tmp_path: Path) -> Decision:
    """A decision whose two candidates failed by a share, the first by little."""
    candidates = []
    for name, share, score in (("newest", 0.43, 0.9), ("all", 0.5, 0.92)):
        found = report(share)
        parameters = run_parameters(work.contract, tmp_path / "manifest.json")
        record = RunRecord(run_id=f"run-{name}", use_case="insurance", started="", parameters=parameters, gate=found)
        save_run(work.settings, record.model_copy(update={"blessed": False}))
        checks = tuple(GateCheck(**check.model_dump()) for check in found.checks)
        candidates.append(JudgedCandidate(name=name, what=name, run_id=f"run-{name}", score=score, checks=checks))
    decision = Decision(
        decision_id="d1", use_case="insurance", at=AT, clock=60, strategy="auto", trigger="ground_truth",
        champion="17", champion_score=0.8, with_truth=True, judged_on="300 rows", candidates=tuple(candidates),
        outcome="none passed", reason="every candidate failed the gate", decided_by="airflow",
    )  # fmt: skip
    files.save(work.settings, "d1", files.DECISION, decision)
    return decision


def answer(choice: Choice, **more: object) -> Approval:
    return Approval(choice, by="demo", at=AT, **more)  # type: ignore[arg-type]


def test_keeping_the_champion_is_put_down_once(work: Workplace, waiting: Decision) -> None:
    kept = answer_decision(work, "d1", answer("keep", why="wait for more truth"))
    assert (kept.outcome, kept.choice, kept.chosen_by, kept.chosen_at) == ("kept", "keep", "demo", AT)
    assert kept.choice_details == "wait for more truth" and not kept.waits
    again = answer_decision(work, "d1", Approval("keep", by="somebody else"))
    assert again == kept == files.load_decision(work.settings, "d1")
    with pytest.raises(WrongUseError, match="answered already: keep the champion, by demo"):
        answer_decision(work, "d1", answer("promote"))


def test_falling_back_switches_the_model_off_for_the_segment_once(work: Workplace, waiting: Decision) -> None:
    done = answer_decision(work, "d1", answer("fallback", segment="age < 25"))
    assert done.outcome == "fell back" and "age < 25" in done.reason
    answer_decision(work, "d1", answer("fallback", segment="age < 25"))
    (switch,) = active_switches(work.settings)
    assert (switch.segment, switch.who) == ("age < 25", "demo") and "d1" in switch.why


def test_a_wrong_segment_leaves_the_question_open(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(WrongUseError, match="segment"):
        answer_decision(work, "d1", answer("fallback", segment="height < 2"))
    assert files.load_decision(work.settings, "d1") == waiting
    assert active_switches(work.settings) == ()


def test_a_changed_requirement_is_judged_on_what_was_measured(
    work: Workplace, waiting: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    blessed: list[str] = []
    monkeypatch.setattr(
        "operations.retraining.approval._bless", lambda settings, decision: blessed.append(decision.winner)
    )
    done = answer_decision(work, "d1", answer("change", requirements={"class_share_tolerance": 0.3}))
    assert (done.outcome, done.winner) == ("promoted", "newest")
    newest, whole = done.candidates
    assert newest.passed and not whole.passed, "0.43 lies within 30 % of a third, 0.5 does not"
    assert newest.checks[-1].bound == "0.233 to 0.433"
    assert blessed == ["newest"]


def test_a_requirement_nobody_meets_leaves_the_question_open(work: Workplace, waiting: Decision) -> None:
    done = answer_decision(work, "d1", answer("change", requirements={"class_share_tolerance": 0.21}))
    assert done.outcome == "none passed" and done.waits and done.chosen_by == "demo"
    assert answer_decision(work, "d1", answer("keep")).outcome == "kept"


def test_promoting_needs_a_candidate_that_was_judged(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(WrongUseError, match="no candidate 'best' to promote; there are newest, all"):
        answer_decision(work, "d1", answer("promote", candidate="best"))


def test_what_was_never_asked_is_said(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(NotFoundError, match=r"no decision d2 .* newest are d1"):
        answer_decision(work, "d2", answer("keep"))
    settled = waiting.model_copy(update={"decision_id": "d3", "outcome": "promoted", "winner": "all", "version": "18"})
    files.save(work.settings, "d3", files.DECISION, settled)
    with pytest.raises(WrongUseError, match="asks nobody: promoted"):
        answer_decision(work, "d3", answer("keep"))


def test_bounds_are_named_as_in_the_contract(contract: Contract) -> None:
    assert gate_numbers(contract.gate)["accuracy.above"] == 0.85
    assert parse_requirements(contract.gate, ["accuracy.above=0.8"]) == {"accuracy.above": 0.8}
    assert changed_gate(contract.gate, {"accuracy.above": 0.8}).accuracy.above == 0.8
    for text, words in (("units=1", "no bound 'units'"), ("accuracy.above=2", "accuracy"), ("accuracy.above", "NAME")):
        with pytest.raises(WrongUseError, match=words):
            parse_requirements(contract.gate, [text])


def test_the_same_gate_judges_a_report_the_same(contract: Contract) -> None:
    again = judge_again(contract.gate, report(0.43))
    assert {c.name for c in again.failed} == {"share_low"}
    assert judge_again(contract.gate, again) == again
