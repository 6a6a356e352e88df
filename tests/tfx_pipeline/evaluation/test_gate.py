"""The gate's checks one by one, each bound from both sides; numpy only."""

import subprocess
import sys

import numpy as np
import pytest

from lakeloop.contract import Between, Gate, MaxProbability
from lakeloop.gate_check import GateCheck
from lakeloop.interval import wilson_interval
from tfx_pipeline.evaluation.gate import EVAL, TRAIN, GateReport, ModelAnswers, check_gate


def answers(correct: int, rows: int, highest: float = 0.8, classes: int = 3) -> ModelAnswers:
    """`rows` answers over all classes evenly, the first `correct` of them right, each with one highest probability."""
    predicted = np.arange(rows) % classes
    labels = np.where(np.arange(rows) < correct, predicted, (predicted + 1) % classes)
    probabilities = np.full((rows, classes), (1 - highest) / (classes - 1))
    probabilities[np.arange(rows), predicted] = highest
    return ModelAnswers(labels, probabilities)


def check(report: GateReport, name: str) -> GateCheck:
    return next(c for c in report.checks if c.name == name)


def names(report: GateReport) -> set[str]:
    return {c.name for c in report.checks}


ACCURACY = Gate(accuracy=Between(above=0.85, below=0.95))


@pytest.mark.parametrize(("correct", "good", "plausible"), [(850, False, True), (851, True, True)])
def test_accuracy_must_lie_above_its_lower_bound(correct: int, good: bool, plausible: bool) -> None:
    report = check_gate(ACCURACY, {TRAIN: answers(900, 1000), EVAL: answers(correct, 1000)})
    assert check(report, "accuracy_eval").passed is good
    assert check(report, "accuracy_eval_plausible").passed is plausible
    assert check(report, "accuracy_train").passed
    assert report.passed is good


@pytest.mark.parametrize(("correct", "plausible"), [(949, True), (950, False)])
def test_accuracy_too_good_to_be_true_is_refused(correct: int, plausible: bool) -> None:
    report = check_gate(ACCURACY, {TRAIN: answers(correct, 1000), EVAL: answers(900, 1000)})
    assert check(report, "accuracy_train_plausible").passed is plausible
    assert report.passed is plausible


def test_without_an_upper_bound_nothing_is_too_good() -> None:
    report = check_gate(Gate(accuracy=Between(above=0.85)), {TRAIN: answers(1000, 1000), EVAL: answers(1000, 1000)})
    assert names(report) == {"accuracy_train", "accuracy_eval"} and report.passed


@pytest.mark.parametrize(("train", "passed"), [(939, True), (941, False)])
def test_train_and_eval_must_lie_close_together(train: int, passed: bool) -> None:
    gate = ACCURACY.model_copy(update={"train_eval_gap_below": 0.05})
    report = check_gate(gate, {TRAIN: answers(train, 1000), EVAL: answers(890, 1000)})
    assert check(report, "train_eval_gap").passed is passed
    assert check(report, "train_eval_gap").value == pytest.approx(train / 1000 - 0.89)


def shares(*counts: int) -> ModelAnswers:
    predicted = np.repeat(np.arange(len(counts)), counts)
    return ModelAnswers(predicted, np.eye(len(counts))[predicted])


@pytest.mark.parametrize(
    ("counts", "passed"),
    [((80, 100, 120), (True, True, True)), ((79, 100, 121), (False, True, False))],
)
def test_each_class_must_be_predicted_for_its_share_within_the_tolerance(
    counts: tuple[int, ...], passed: tuple[bool, ...]
) -> None:
    gate = ACCURACY.model_copy(update={"class_share_tolerance": 0.2})
    report = check_gate(gate, {"month 3": shares(*counts)}, class_names=("high", "medium", "low"))
    assert tuple(check(report, f"share_{n}").passed for n in ("high", "medium", "low")) == passed
    assert check(report, "share_high").value == pytest.approx(counts[0] / 300)


def test_shares_and_probabilities_are_taken_over_train_and_eval_together() -> None:
    gate = Gate(
        accuracy=Between(above=0, below=1),
        class_share_tolerance=0.2,
        max_probability=MaxProbability(min_above=0, mean_above=0, max_above=0.5),
    )
    report = check_gate(gate, {TRAIN: shares(100, 100, 70), EVAL: shares(0, 0, 30)})
    assert [check(report, f"share_{i}").value for i in range(3)] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("name", "highest", "passed"),
    [
        ("max_probability_min", (0.401, 0.8, 0.995), True),
        ("max_probability_min", (0.4, 0.8, 0.995), False),
        ("max_probability_mean", (0.5, 0.62, 0.995), True),
        ("max_probability_mean", (0.5, 0.6, 0.995), False),
        ("max_probability_max", (0.5, 0.8, 0.991), True),
        ("max_probability_max", (0.5, 0.8, 0.99), False),
    ],
)
def test_highest_probabilities_must_lie_above_their_bounds(name: str, highest: tuple[float, ...], passed: bool) -> None:
    bounds = MaxProbability(min_above=0.4, mean_above=0.7, max_above=0.99)
    gate = Gate(accuracy=Between(above=0, below=1), max_probability=bounds)
    probabilities = np.array([[p, (1 - p) / 2, (1 - p) / 2] for p in highest])
    report = check_gate(gate, {EVAL: ModelAnswers(np.zeros(3, np.int64), probabilities)})
    assert check(report, name).passed is passed


@pytest.mark.parametrize(("correct", "passed"), [(870, True), (869, False)])
def test_a_challenger_may_be_worse_than_the_champion_by_the_margin_and_no_more(correct: int, passed: bool) -> None:
    gate = ACCURACY.model_copy(update={"champion_margin": 0.01})
    report = check_gate(gate, {TRAIN: answers(880, 1000), EVAL: answers(correct, 1000)}, champion_accuracy=0.88)
    assert check(report, "not_worse_than_champion").passed is passed
    assert report.champion_accuracy == 0.88


def test_with_weights_the_champion_is_compared_by_them_and_nothing_else_is() -> None:
    gate = ACCURACY.model_copy(update={"champion_margin": 0.01})
    plain = answers(900, 1000)
    weights = np.where(np.arange(1000) < 900, 1.0, 3.0)
    weighted = ModelAnswers(plain.labels, plain.probabilities, weights)
    assert weighted.accuracy == 0.9 and weighted.weighted_accuracy == pytest.approx(0.75)
    report = check_gate(gate, {TRAIN: weighted, EVAL: weighted}, champion_accuracy=0.77)
    assert check(report, "not_worse_than_champion").value == pytest.approx(0.75)
    assert not check(report, "not_worse_than_champion").passed
    assert "weighted" in check(report, "not_worse_than_champion").bound
    assert check(report, "accuracy_eval").value == 0.9 and check(report, "accuracy_eval").passed
    assert report.weighted_accuracy == pytest.approx({TRAIN: 0.75, EVAL: 0.75})
    assert check_gate(gate, {TRAIN: plain, EVAL: plain}, 0.77).passed


def test_a_single_set_omits_the_checks_that_need_two_and_no_champion_is_not_compared() -> None:
    gate = ACCURACY.model_copy(update={"train_eval_gap_below": 0.05, "champion_margin": 0.01})
    report = check_gate(gate, {"month 12": answers(900, 1000)})
    assert names(report) == {"accuracy_month 12", "accuracy_month 12_plausible"}
    assert report.interval_set == "month 12"


def test_a_check_the_contract_does_not_name_is_not_made() -> None:
    report = check_gate(ACCURACY, {TRAIN: answers(900, 1000), EVAL: answers(900, 1000)}, champion_accuracy=0.99)
    assert {name.split("_")[0] for name in names(report)} == {"accuracy"}


def test_the_interval_of_a_small_eval_set_is_wide() -> None:
    # 255 of 293 right; Wilson's formula by hand (statsmodels' proportion_confint gives the same).
    assert wilson_interval(255 / 293, 293) == pytest.approx((0.8270, 0.9040), abs=5e-4)
    assert wilson_interval(1.0, 10)[1] == 1.0 and wilson_interval(0.0, 10)[0] == 0.0
    report = check_gate(ACCURACY, {TRAIN: answers(1050, 1207), EVAL: answers(255, 293)})
    assert report.interval == wilson_interval(255 / 293, 293) and report.interval_set == EVAL


def test_a_report_survives_its_json() -> None:
    report = check_gate(ACCURACY, {TRAIN: answers(900, 1000), EVAL: answers(800, 1000)})
    assert GateReport.model_validate_json(report.model_dump_json()) == report
    assert [c.name for c in report.failed] == ["accuracy_eval"]


def test_rows_that_cannot_be_evaluated_are_an_error() -> None:
    with pytest.raises(ValueError, match="no rows"):
        ModelAnswers(np.zeros(0, np.int64), np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"\(n,\) and \(n, classes\)"):
        ModelAnswers(np.zeros(2, np.int64), np.zeros((3, 3)))


def test_gate_run_record_and_runner_import_no_tensorflow() -> None:
    code = "import sys, tfx_pipeline.evaluation.gate\nfrom tfx_pipeline.runs import graph, run_record, runner\n"
    code += "assert not {'tensorflow', 'tfx', 'keras', 'apache_beam'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
