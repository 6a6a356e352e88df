"""A person's approval of a decision that waits: applied once, and with who and when on record."""

from collections.abc import Callable

import pytest

from lakeloop.contract import Contract, Gate
from lakeloop.decision import Choice, Decision, ScoredCandidate
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.gate_check import GateCheck
from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.releases import decide
from lakeloop.switches import active_switches
from operations.retraining.approval import Approval, changed_gate, parse_requirements
from operations.retraining.record import RetrainRecord, state_of
from operations.retraining.record_table import add_record, load_record
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.stages import approve, push
from tests.operations.retraining.conftest import AT, gate_report
from tfx_pipeline.evaluation.gate import check_again


@pytest.fixture
def waiting(work: Workplace, gated_run: Callable[..., tuple[GateCheck, ...]]) -> Decision:
    """A decision whose two candidates failed by a share, the first by little."""
    candidates = [
        ScoredCandidate(name=name, what=name, run_id=f"run-{name}", score=score, checks=gated_run(f"run-{name}", share))
        for name, share, score in (("newest", 0.43, 0.9), ("all", 0.5, 0.92))
    ]
    decision = Decision(
        decision_id="d1", use_case="insurance", at=AT, clock=60, strategy="auto", trigger="ground_truth",
        champion="17", champion_score=0.8, with_truth=True, judged_on="300 rows", candidates=tuple(candidates),
        outcome="none passed", reason="every candidate failed the gate", decided_by="airflow",
    )  # fmt: skip
    keep(work, decision)
    return decision


def keep(work: Workplace, decision: Decision) -> None:
    add_record(work.use_case, RetrainRecord(
            decision_id=decision.decision_id, use_case="insurance", state=state_of(decision), at=AT,
            request=RetrainRequest(), decision=decision,
        ))  # fmt: skip


def chosen(choice: Choice, **more: object) -> Approval:
    return Approval(choice, by="demo", at=AT, **more)  # type: ignore[arg-type]


def approved(work: Workplace, decision_id: str, approval: Approval) -> Decision:
    return approve(work, load_record(work.use_case, decision_id), approval).the_decision


def test_keeping_the_champion_is_put_down_once(work: Workplace, waiting: Decision) -> None:
    kept = approved(work, "d1", chosen("keep", why="wait for more truth"))
    assert (kept.outcome, kept.choice, kept.chosen_by, kept.chosen_at) == ("kept", "keep", "demo", AT)
    assert kept.choice_details == "wait for more truth" and not kept.waits
    record = load_record(work.use_case, "d1")
    assert (record.state, record.next_step) == ("decided", "record")
    again = approved(work, "d1", Approval("keep", by="somebody else"))
    assert again == kept == load_record(work.use_case, "d1").decision
    with pytest.raises(WrongUseError, match="answered already: keep the champion, by demo"):
        approved(work, "d1", chosen("promote"))


def test_falling_back_switches_the_model_off_for_the_segment_once(work: Workplace, waiting: Decision) -> None:
    done = approved(work, "d1", chosen("fallback", segment="age < 25"))
    assert done.outcome == "fell back" and "age < 25" in done.reason
    approved(work, "d1", chosen("fallback", segment="age < 25"))
    (switch,) = active_switches(work.use_case)
    assert (switch.segment, switch.who) == ("age < 25", "demo") and "d1" in switch.why


def test_a_wrong_segment_leaves_the_question_open(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(WrongUseError, match="segment"):
        approved(work, "d1", chosen("fallback", segment="height < 2"))
    assert load_record(work.use_case, "d1").decision == waiting
    assert active_switches(work.use_case) == ()


def test_a_changed_requirement_is_judged_on_what_was_measured(
    work: Workplace, waiting: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    blessed: list[str] = []
    monkeypatch.setattr(
        "operations.retraining.approval._bless", lambda settings, decision: blessed.append(decision.winner)
    )
    done = approved(work, "d1", chosen("change", requirements={"class_share_tolerance": 0.3}))
    assert (done.outcome, done.winner) == ("promoted", "newest")
    newest, whole = done.candidates
    assert newest.passed and not whole.passed, "0.43 lies within 30 % of a third, 0.5 does not"
    assert newest.checks[-1].bound == "0.233 to 0.433"
    assert blessed == ["newest"]
    record = load_record(work.use_case, "d1")
    assert (record.state, record.next_step) == ("pushing", "push")


def test_a_requirement_nobody_meets_leaves_the_question_open(work: Workplace, waiting: Decision) -> None:
    done = approved(work, "d1", chosen("change", requirements={"class_share_tolerance": 0.21}))
    assert done.outcome == "none passed" and done.waits and done.chosen_by == "demo"
    assert load_record(work.use_case, "d1").state == "waiting"
    assert approved(work, "d1", chosen("keep")).outcome == "kept"


def test_promoting_needs_a_candidate_the_gate_has_checked(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(WrongUseError, match="no candidate 'best' to promote; there are newest, all"):
        approved(work, "d1", chosen("promote", candidate="best"))


def test_a_pinned_champion_is_replaced_by_no_approval_and_no_push(work: Workplace, waiting: Decision) -> None:
    settings = work.use_case.settings
    folder = models_folder(settings, "insurance") / "17"
    folder.mkdir(parents=True)
    (folder / SAVED_MODEL).touch()
    decide(settings, "insurance", "pin", "17", "ann", "the year's end")
    with pytest.raises(WrongUseError, match=r"version 17 is pinned \(ann: the year's end\), so nothing replaces it"):
        approved(work, "d1", chosen("promote", candidate="all"))
    assert load_record(work.use_case, "d1").state == "waiting"
    keep(work, waiting.model_copy(update={"decision_id": "d2", "outcome": "promoted", "winner": "all"}))
    held = push(work, load_record(work.use_case, "d2"))
    assert held.state == "waiting" and held.the_decision.outcome == "recommended"
    assert "`lakeloop decide -u insurance d2 --choice promote`" in held.the_decision.reason


def test_what_was_never_asked_is_said(work: Workplace, waiting: Decision) -> None:
    with pytest.raises(NotFoundError, match=r"no decision d2 .* newest are d1"):
        approved(work, "d2", chosen("keep"))
    settled = waiting.model_copy(update={"decision_id": "d3", "outcome": "promoted", "winner": "all", "version": "18"})
    keep(work, settled)
    with pytest.raises(WrongUseError, match="asks nobody: promoted"):
        approved(work, "d3", chosen("keep"))


def test_bounds_are_named_as_in_the_contract(contract: Contract) -> None:
    assert contract.gate.bounds["accuracy.above"] == 0.85
    assert parse_requirements(contract.gate, ["accuracy.above=0.8"]) == {"accuracy.above": 0.8}
    assert changed_gate(contract.gate, {"accuracy.above": 0.8}).accuracy.above == 0.8
    for text, words in (("units=1", "no bound 'units'"), ("accuracy.above=2", "accuracy"), ("accuracy.above", "NAME")):
        with pytest.raises(WrongUseError, match=words):
            parse_requirements(contract.gate, [text])
    named = Gate.model_validate({"checks": ({"metric": "roc_auc", "above": 0.8},)})
    assert changed_gate(named, {"checks.0.above": 0.7}).checks[0].above == 0.7
    with pytest.raises(WrongUseError, match=r"no bound 'checks.1.above'; it has checks.0.above"):
        changed_gate(named, {"checks.1.above": 0.7})


def test_the_same_gate_checks_a_report_the_same(contract: Contract) -> None:
    again = check_again(contract.gate, gate_report(0.43))
    assert {c.name for c in again.failed} == {"share_low"}
    assert check_again(contract.gate, again) == again
