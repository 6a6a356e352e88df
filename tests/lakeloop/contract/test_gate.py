"""The gate's words: metrics by their names, bounds that can be met, and what is offered where a name is wrong."""

from typing import Any

import pytest
from pydantic import ValidationError

from lakeloop.contract import Contract, Gate, MetricCheck
from lakeloop.contract.gate import notes_on_checks
from lakeloop.contract.gate_checks import gate_checks
from lakeloop.contract.metrics import METRICS, SYNONYMS


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ({"metric": "roc_acu", "above": 0.8}, "there is no metric `roc_acu`; did you mean `roc_auc`?"),
        ({"metric": "pr_auc", "above": 0.8}, "did you mean `average_precision`?"),
        ({"metric": "recall_score", "above": 0.8}, "did you mean `recall`?"),
        ({"metric": "AUC", "above": 0.8}, "did you mean `roc_auc`?"),
        ({"metric": "AUCPrecisionRecall", "above": 0.8}, "did you mean `average_precision`?"),
        ({"metric": "SparseCategoricalCrossentropy", "below": 0.8}, "did you mean `log_loss`?"),
        ({"metric": "MeanAbsoluteError", "below": 8}, "did you mean `mean_absolute_error`?"),
        ({"metric": "sensitivity", "above": 0.8}, "did you mean `recall`?"),
        ({"metric": "recall"}, "a check needs a bound"),
        ({"metric": "recall", "above": 1.2}, "`above` is 1.2; `recall` is from 0 to 1"),
        ({"metric": "recall", "above": 0.9, "below": 0.8}, "`above` (0.9) must be smaller than `below` (0.8)"),
        ({"metric": "log_loss", "of": "yes", "below": 1.0}, "`log_loss` is about all classes; leave `of` out"),
        ({"metric": "f1", "at": {"precision": 0.5}, "above": 0.1}, "`recall` at precision"),
        ({"metric": "recall", "at": {"recall": 0.5}, "above": 0.1}, "`precision` at recall"),
        ({"metric": "recall", "gap_below": 0.1}, "say `slice: FEATURE`"),
        ({"metric": "recall", "gap_below": 0.1, "above": 0.2, "slice": "sex"}, "`gap_below` is a check of its own"),
        ({"metric": "recall", "above": 0.2, "slice": {"sex": "f", "age": "old"}}, "one value of it"),
    ],
)
def test_a_check_that_cannot_be_made_is_refused_with_the_remedy(check: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MetricCheck.model_validate(check)
    assert text in str(refused.value)


def test_a_metric_of_one_class_cannot_decide() -> None:
    with pytest.raises(ValidationError, match="`recall` is about one class and cannot decide"):
        Gate.model_validate({"decides": "recall"})
    with pytest.raises(ValidationError, match="did you mean `f1_macro`"):
        Gate.model_validate({"decides": "macro_f1"})


def test_a_thing_is_checked_once_for_its_two_bounds_have_one_name() -> None:
    once = {"metric": "recall", "of": "yes", "above": 0.3}
    with pytest.raises(ValidationError, match="two `checks` are of recall of yes on eval, on the same rows"):
        Gate.model_validate({"checks": (once, {"metric": "recall", "of": "yes", "below": 0.9})})
    assert len(Gate.model_validate({"checks": (once, once | {"slice": "region"}, once | {"on": "train"})}).checks) == 3


def test_a_check_bounded_on_its_good_side_alone_is_known_to_stop_no_bad_model() -> None:
    bounds = [
        {"metric": "r2_score", "below": 0.5}, {"metric": "log_loss", "above": 0.1}, {"metric": "recall", "above": 0.1},
        {"metric": "brier_score", "below": 0.1}, {"metric": "recall", "above": 0.1, "below": 0.9, "on": "train"},
        {"metric": "recall", "slice": "region", "gap_below": 0.1},
    ]  # fmt: skip
    first, second = notes_on_checks(Gate.model_validate({"checks": tuple(bounds)}))
    assert first == ("gate.checks.0: more of `r2_score` is better, and its one bound is `below`, so the worst model "
                     "passes; what it must reach is said by `above`")  # fmt: skip
    assert second.startswith("gate.checks.1: less of `log_loss` is better") and second.endswith("is said by `below`")


def test_margins_are_in_the_unit_of_what_decides() -> None:
    assert Gate.model_validate({"decides": "mean_absolute_error", "train_eval_gap_below": 12.0}).bounds
    with pytest.raises(ValidationError, match="`train_eval_gap_below` is 12; `accuracy` is at most 1"):
        Gate.model_validate({"train_eval_gap_below": 12.0})


def test_every_other_name_leads_to_a_metric_there_is() -> None:
    assert set(SYNONYMS.values()) <= set(METRICS) and not set(SYNONYMS) & set(METRICS)


RAW = {
    "features": {
        "region": {"role": "categorical", "values": ["north", "south"]},
        "said": {"role": "text"},
    },
    "label": {"classes": [{"name": "no"}, {"name": "yes"}]},
}


@pytest.mark.parametrize(
    ("check", "place", "text"),
    [
        ({"of": "yess"}, ("of",), "did you mean `yes`?"),
        ({"slice": "regoin"}, ("slice",), "did you mean `region`?"),
        ({"slice": "said"}, ("slice",), "`said` is a text"),
        ({"slice": {"region": "west"}}, ("slice", "region"), "'west' is not a value of `region`; it has north, south"),
    ],
)
def test_what_a_check_names_must_be_there(check: dict[str, Any], place: tuple[str, ...], text: str) -> None:
    found = dict(gate_checks(RAW | {"gate": {"checks": [{"metric": "recall", "above": 0.1}, check]}}))
    assert set(found) == {("gate", "checks", 1, *place)}
    assert text in found["gate", "checks", 1, *place]


def test_bounds_are_named_by_their_place_and_told_in_words() -> None:
    gate = Gate.model_validate(
        {
            "accuracy": {"above": 0.8},
            "checks": ({"metric": "recall", "of": "yes", "at": {"precision": 0.5}, "above": 0.3},),
        }
    )
    assert gate.bounds == {"accuracy.above": 0.8, "checks.0.above": 0.3}
    assert gate.title_of("checks.0.above") == "recall of yes at precision 0.5 on eval: above"
    assert gate.title_of("accuracy.above") == "accuracy.above"
    assert Gate.model_validate_json(gate.model_dump_json()) == gate


def test_records_of_a_gate_without_named_checks_are_those_of_before(contract: Contract) -> None:
    """They are in the cache keys of runs: a contract that did not change makes no run again."""
    assert set(contract.gate.model_dump(mode="json")) == {
        "accuracy", "train_eval_gap_below", "class_share_tolerance", "max_probability", "champion_margin",
    }  # fmt: skip
