"""Which candidates are tried, by what is known; no data, no model."""

import pytest

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from operations.retraining.candidates import Candidate, Evidence, candidates_for

OLD = ((0, 0), 3)
DRIFTED = ("miles", "emergency_braking", "age")
NEW_TRUTH = Evidence(labelled=tuple(range(13)), champion_periods=(0,), old=OLD, drifted=DRIFTED, requests=1500)
NO_TRUTH = Evidence(labelled=(0,), champion_periods=(0,), old=OLD, drifted=DRIFTED, requests=1500)


def names(found: list[Candidate]) -> list[str]:
    return [candidate.name for candidate in found]


def test_with_newer_truth_the_newest_month_and_all_months_are_tried(contract: Contract) -> None:
    newest, whole = candidates_for("auto", contract, NEW_TRUTH)
    assert NEW_TRUTH.new_truth
    assert (newest.name, newest.periods, newest.version) == ("newest", (12, 12), None)
    assert (whole.name, whole.periods, whole.version) == ("all", None, None)


def test_truth_that_was_corrected_is_new_truth_though_no_month_is_newer(contract: Contract) -> None:
    known = Evidence(
        labelled=tuple(range(13)), champion_periods=tuple(range(13)), old=(None, 3), changed=715, requests=1500
    )
    assert known.new_truth and not known.newer_period
    newest, whole = candidates_for("auto", contract, known)
    assert (newest.periods, whole.periods, whole.version) == ((12, 12), None, None), "as the table is now"
    (tuned,) = candidates_for("tune", contract, known)
    assert tuned.version is None, "not on the rows of then"
    assert not Evidence(labelled=(), champion_periods=(0,), old=(None, 3), changed=1500).new_truth, "all was withdrawn"


def test_without_newer_truth_old_labels_are_used_in_four_ways(contract: Contract) -> None:
    found = candidates_for("auto", contract, NO_TRUTH)
    assert not NO_TRUTH.new_truth
    assert names(found) == ["drop miles emergency_braking age", "drop miles", "reweight", "resample"]
    assert [c.drop for c in found] == [DRIFTED, ("miles",), (), ()]
    assert [c.weighting for c in found] == ["none", "none", "reweight", "resample"]
    assert {(c.periods, c.version) for c in found} == {OLD}, "on the champion's own rows, which are in the cache"


def test_a_single_drifted_feature_gives_a_single_drop(contract: Contract) -> None:
    known = Evidence(labelled=(0,), champion_periods=(0,), old=OLD, drifted=("age",))
    assert names(candidates_for("auto", contract, known)) == ["drop age"]


def test_where_every_feature_drifted_only_the_worst_is_dropped(contract: Contract) -> None:
    known = Evidence(labelled=(0,), champion_periods=(0,), old=OLD, drifted=tuple(contract.features))
    assert names(candidates_for("drop", contract, known)) == ["drop training"]


def test_the_only_feature_is_kept_though_it_drifted(contract: Contract) -> None:
    one = contract.model_copy(update={"features": {"age": contract.features["age"]}})
    known = Evidence(labelled=(0,), champion_periods=(0,), old=OLD, drifted=("age",), requests=1500)
    assert names(candidates_for("auto", one, known)) == ["reweight", "resample"]
    with pytest.raises(WrongUseError, match="the only feature has drifted"):
        candidates_for("drop", one, known)


def test_before_the_first_champion_all_truth_is_new(contract: Contract) -> None:
    assert names(candidates_for("auto", contract, Evidence(labelled=(0,)))) == ["newest"]
    assert names(candidates_for("auto", contract, Evidence(labelled=(0, 1)))) == ["newest", "all"]


def test_a_split_by_time_leaves_nothing_to_train_on_in_the_newest_period_alone(contract: Contract) -> None:
    by_time = contract.model_copy(update={"split": contract.split.model_copy(update={"by": "time"})})
    assert names(candidates_for("auto", by_time, NEW_TRUTH)) == ["all"]
    assert names(candidates_for("auto", by_time, Evidence(labelled=(0,)))) == ["all"]
    assert names(candidates_for("all", by_time, NEW_TRUTH)) == ["all"]
    with pytest.raises(WrongUseError, match="month 12 alone cannot be trained on: a split by time holds the newest"):
        candidates_for("newest", by_time, NEW_TRUTH)


def test_a_champion_whose_rows_are_gone_is_taken_to_know_nothing(contract: Contract) -> None:
    known = Evidence(labelled=(0, 1), champion_periods=(), old=None, drifted=(), requests=1500)
    assert names(candidates_for("auto", contract, known)) == ["newest", "all"]


def test_old_measures_use_all_labels_where_there_are_newer_ones(contract: Contract) -> None:
    (one,) = candidates_for("reweight", contract, NEW_TRUTH)
    assert (one.periods, one.version) == (None, None) and "all labelled months" in one.what


def test_months_asked_for_replace_the_strategys_own(contract: Contract) -> None:
    (one,) = candidates_for("auto", contract, NEW_TRUTH, (3, 7))
    assert (one.name, one.periods) == ("months 3-7", (3, 7))
    (tuned,) = candidates_for("tune", contract, NEW_TRUTH, (36, 36), trials=4)
    assert (tuned.periods, tuned.trials) == ((36, 36), 4) and "months 36" in tuned.what


def test_a_model_of_each_kind_is_tried_on_the_same_rows(contract: Contract) -> None:
    found = candidates_for("kinds", contract, NO_TRUTH)
    assert [(c.name, c.kind) for c in found] == [("network", "network"), ("trees", "trees")]
    assert {(c.periods, c.version) for c in found} == {OLD}
    assert {c.kind for c in candidates_for("auto", contract, NO_TRUTH)} == {""}, "others take what is asked for"


def test_keep_tries_nothing(contract: Contract) -> None:
    assert candidates_for("keep", contract, NO_TRUTH) == []


@pytest.mark.parametrize(
    ("strategy", "known", "words"),
    [
        ("all", Evidence(labelled=()), "no labelled row"),
        ("drop", Evidence(labelled=(0,), champion_periods=(0,), old=OLD), "no feature has drifted"),
        ("reweight", Evidence(labelled=(0,), champion_periods=(0,), old=OLD), "lakeloop lake stream"),
        ("auto", Evidence(labelled=(0,), champion_periods=(0,), old=OLD), "nothing can be better"),
    ],
)
def test_what_is_missing_is_said(contract: Contract, strategy: str, known: Evidence, words: str) -> None:
    with pytest.raises(WrongUseError, match=words):
        candidates_for(strategy, contract, known)  # type: ignore[arg-type]
