"""A retrain's states: where it may go from each, and what it says it is still to do."""

from collections.abc import Callable
from typing import get_args

import pytest

from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.exceptions import WrongUseError
from operations.retraining.record import AT_WORK, STATES, TRANSITIONS, RetrainRecord, RetrainState, state_of
from operations.retraining.request import RetrainRequest
from tests.operations.retraining.conftest import AT

ALL_STATES: tuple[RetrainState, ...] = get_args(RetrainState)


def record(state: RetrainState = "begun", **more: object) -> RetrainRecord:
    return RetrainRecord(decision_id="d1", use_case="insurance", state=state, at=AT, request=RetrainRequest(), **more)  # type: ignore[arg-type]


def decision(outcome: str, **more: object) -> Decision:
    scored = (ScoredCandidate(name="newest", what="w", run_id="r1"),)
    return Decision(
        decision_id="d1", use_case="insurance", at=AT, clock=1, strategy="auto", trigger="drift", with_truth=True,
        candidates=scored, outcome=outcome, reason="", decided_by="me", **more,
    )  # type: ignore[arg-type]  # fmt: skip


def test_every_state_has_words_and_ways_and_can_be_reached() -> None:
    assert set(STATES) == set(TRANSITIONS) == set(ALL_STATES)
    reached = {after for ways in TRANSITIONS.values() for after in ways}
    assert reached == set(ALL_STATES)
    # Whatever is at work can end: by its own way, or because nobody goes on with it.
    assert all({"failed", "recorded"} & set(TRANSITIONS[state]) for state in AT_WORK)


def test_a_way_that_there_is_not_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        WrongUseError, match=r"d1 is begun \(the open events are taken.*cannot become recorded.*planned"
    ):
        record("begun").recorded(decision("kept"))
    with pytest.raises(WrongUseError, match=r"d1 is waiting .*cannot become failed; what may follow: waiting, pushing"):
        record("waiting").to("failed")


@pytest.mark.parametrize("state", ALL_STATES)
def test_a_record_may_stay_what_it_is(state: RetrainState) -> None:
    assert record(state).to(state) == record(state)


@pytest.mark.parametrize(
    ("made", "state", "step"),
    [
        (decision("none passed"), "waiting", "ask"),
        (decision("none passed", choice="change"), "waiting", "record"),
        (decision("recommended"), "waiting", "record"),
        (decision("promoted"), "pushing", "push"),
        (decision("promoted", version="18"), "decided", "push"),
        (decision("kept"), "decided", "record"),
        (decision("fell back", choice="fallback"), "decided", "record"),
    ],
    ids=["none passed", "none passes even so", "not to be promoted", "won", "pushed", "kept", "fell back"],
)
def test_a_decision_says_what_follows(made: Decision, state: RetrainState, step: str) -> None:
    assert state_of(made) == state
    compared = record("scoring").decided(made)
    assert (compared.state, compared.next_step) == (state, step)


def test_what_is_recorded_stays_so_until_something_else_is_decided() -> None:
    over = record("recorded", decision=decision("kept"))
    assert over.decided(decision("kept")) is over
    assert over.decided(decision("promoted")).state == "pushing"


def test_a_begin_that_is_repeated_does_not_take_a_retrain_back(planned: Callable[..., RetrainRecord]) -> None:
    request = RetrainRequest("newest")
    assert planned("run-1").begun_again("drift", request, ()).state == "planned"
    assert record("failed").begun_again("drift", request, ()).state == "begun"
