"""Which rows are compared on, and who wins."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.contract.metrics import METRICS
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.drawn_rows import sample_period
from lakeloop.release_state import Release, ReleaseEntry
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.retraining.importance import importance
from operations.retraining.selection import best_of, old_truth, outcome_of, unless_pinned

ACCURACY = METRICS["accuracy"]


@pytest.fixture(scope="module")
def rows(contract: Contract) -> pd.DataFrame:
    return with_label(contract, sample_period(UseCase(Settings(use_case="insurance"), contract), 0))


def scored(name: str, passed: bool, score: float | None) -> ScoredCandidate:
    return ScoredCandidate(name=name, what=name, passed=passed, score=score)


def test_the_best_that_passed_wins_not_the_best_of_all() -> None:
    found = best_of([scored("a", False, 0.95), scored("b", True, 0.88), scored("c", True, 0.9)], 0.7, ACCURACY)
    assert found is not None and found.name == "c"


@pytest.mark.parametrize("champion", [0.9, 0.91])
def test_a_candidate_that_is_not_better_than_the_champion_does_not_replace_it(champion: float) -> None:
    assert best_of([scored("a", True, 0.9)], champion, ACCURACY) is None


def test_without_a_champion_whoever_passed_wins() -> None:
    found = best_of([scored("a", True, 0.9)], None, ACCURACY)
    assert found is not None and found.name == "a"
    assert best_of([scored("a", False, 0.9), scored("b", True, None)], None, ACCURACY) is None


def test_old_truth_is_the_held_out_rows_weighted_towards_the_requests(contract: Contract, rows: pd.DataFrame) -> None:
    window = sample_period(UseCase(Settings(use_case="insurance"), contract), 11)
    found = old_truth(contract, rows, importance(contract, rows, window), len(window))
    assert len(found.frame) == 293 and found.frame["policy_id"].map(contract.split.is_eval).all()
    assert found.weights is not None and found.effective is not None
    assert 150 < found.effective < 293
    assert found.what == "293 eval rows of 2023-01, weighted towards the newest 1,500 requests"
    assert old_truth(contract, rows, None, 0).effective is None


def made(candidates: list[ScoredCandidate], champion: float | None, with_truth: bool = True) -> Decision:
    best = best_of(candidates, champion, ACCURACY)
    return Decision(
        decision_id="d", use_case="insurance", at=datetime(2026, 1, 1, tzinfo=UTC), clock=36, strategy="auto",
        trigger="test", champion_score=champion, with_truth=with_truth, judged_on="300 eval rows",
        candidates=tuple(candidates), winner=best.name if best else "", outcome="kept", reason="", decided_by="me",
    )  # fmt: skip


THAN = "better than the champion's 0.850"
BETTER, WORSE, REFUSED = scored("all", True, 0.89), scored("reweight", True, 0.8), scored("newest", False, 0.95)


@pytest.mark.parametrize(
    ("candidates", "promote", "outcome", "words"),
    [
        ([BETTER, REFUSED], True, "promoted", f"candidate all passed the gate and scored 0.890, {THAN}"),
        ([BETTER, REFUSED], False, "recommended", "candidate all passed the gate"),
        ([WORSE, REFUSED], True, "kept", f"candidate reweight passed with 0.800, which is not {THAN}"),
        ([REFUSED], True, "none passed", "every candidate failed the gate"),
        ([], True, "kept", "keep was asked for"),
    ],
)
def test_what_is_done_follows_from_who_passed_and_who_is_better(
    candidates: list[ScoredCandidate], promote: bool, outcome: str, words: str
) -> None:
    found, reason = outcome_of(made(candidates, 0.85), promote)
    assert found == outcome and words in reason


def test_a_pinned_champion_is_not_replaced_and_the_reason_says_so() -> None:
    pin = ReleaseEntry(1, "pin", "5", "5", "ann", "the year's end", "2026-01-01T00:00:00+00:00")
    pinned = Release(champion="5", pin=pin)
    promoted = made([BETTER], 0.85).model_copy(update={"outcome": "promoted", "reason": "all is best"})
    held = unless_pinned(promoted, pinned)
    assert held.outcome == "recommended" and held.waits and held.winner == "all"
    assert held.reason.startswith("all is best; version 5 is pinned (ann: the year's end), so no retrain replaces it")
    assert unless_pinned(promoted, Release(champion="5")) == promoted
    kept = made([WORSE], 0.85)
    assert unless_pinned(kept, pinned) == kept


def test_a_winner_without_newer_truth_is_called_so() -> None:
    assert "compared without new truth" in outcome_of(made([BETTER], 0.85, with_truth=False), True)[1]
    assert "without new truth" not in outcome_of(made([BETTER], None), True)[1]


def test_where_less_is_better_the_lowest_score_wins_and_must_be_below_the_champion_s() -> None:
    loss, candidates = METRICS["log_loss"], [scored("a", True, 0.5), scored("b", True, 0.3), scored("c", True, None)]
    found = best_of(candidates, 0.4, loss)
    assert found is not None and found.name == "b"
    assert best_of(candidates, 0.2, loss) is None
    decision = made(candidates, 0.2).model_copy(update={"decides": "log_loss", "winner": ""})
    assert outcome_of(decision, True)[1].startswith("candidate b passed with 0.300, which is not better than")
