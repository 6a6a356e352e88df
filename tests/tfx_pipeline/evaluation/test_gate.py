"""The gate's checks one by one, each bound from both sides; numpy only."""

import subprocess
import sys

import numpy as np
import pytest

from lakeloop.contract import Between, Gate, MaxProbability
from lakeloop.gate_check import GateCheck
from lakeloop.interval import wilson_interval
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, ModelAnswers
from tfx_pipeline.evaluation.gate import NAIVE, GateReport, check_again, check_gate


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
    assert names(report) == {"accuracy_train", "accuracy_eval", NAIVE} and report.passed


@pytest.mark.parametrize(("train", "passed"), [(939, True), (941, False)])
def test_train_and_eval_must_lie_close_together(train: int, passed: bool) -> None:
    gate = ACCURACY.model_copy(update={"train_eval_gap_below": 0.05})
    report = check_gate(gate, {TRAIN: answers(train, 1000), EVAL: answers(890, 1000)})
    assert check(report, "train_eval_gap").passed is passed
    assert check(report, "train_eval_gap").value == pytest.approx(train / 1000 - 0.89)


def test_where_another_metric_decides_the_gap_is_of_that() -> None:
    train, held_out = answers(950, 1_000, highest=0.95), answers(940, 1_000, highest=0.6)
    gate = Gate.model_validate({"decides": "log_loss", "train_eval_gap_below": 0.1, "beats_naive": False})
    report = check_gate(gate, {TRAIN: train, EVAL: held_out})
    found = check(report, "train_eval_gap")
    assert found.value == pytest.approx(report.decided[EVAL] - report.decided[TRAIN]) and not found.passed
    assert check(check_again(gate.model_copy(update={"train_eval_gap_below": 1.5}), report), "train_eval_gap").passed
    by_accuracy = gate.model_copy(update={"decides": "accuracy"})
    assert check_gate(by_accuracy, {TRAIN: train, EVAL: held_out}).passed


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
    report = check_gate(gate, {TRAIN: answers(880, 1000), EVAL: answers(correct, 1000)}, champion=answers(880, 1000))
    assert check(report, "not_worse_than_champion").passed is passed
    assert report.champion_accuracy == 0.88


def test_with_weights_named_checks_and_the_champion_go_by_them_and_the_accuracy_does_not() -> None:
    gate = Gate.model_validate(
        {**ACCURACY.model_dump(exclude_none=True), "champion_margin": 0.01,
         "checks": ({"metric": "accuracy", "above": 0.7},)}
    )  # fmt: skip
    plain = answers(900, 1000)
    weights = np.where(np.arange(1000) < 900, 1.0, 3.0)
    weighted = ModelAnswers(plain.labels, plain.probabilities, weights)
    assert weighted.accuracy == 0.9 and weighted.weighted_accuracy == pytest.approx(0.75)
    better = answers(908, 1000)  # 8 of the heavy rows too: 924 of 1,200
    champion = ModelAnswers(better.labels, better.probabilities, weights)
    report = check_gate(gate, {TRAIN: weighted, EVAL: weighted}, champion)
    assert check(report, "not_worse_than_champion").value == pytest.approx(0.75)
    assert not check(report, "not_worse_than_champion").passed
    assert "weighted" in check(report, "not_worse_than_champion").bound
    assert check(report, "accuracy_eval").value == 0.9 and check(report, "accuracy_eval").passed
    assert check(report, "accuracy on eval").value == check(report, NAIVE).value == pytest.approx(0.75)
    assert report.weighted_accuracy == pytest.approx({TRAIN: 0.75, EVAL: 0.75})
    assert check_gate(gate, {TRAIN: plain, EVAL: plain}, answers(908, 1000)).passed


def test_a_single_set_omits_the_checks_that_need_two_and_no_champion_is_not_compared() -> None:
    gate = ACCURACY.model_copy(update={"train_eval_gap_below": 0.05, "champion_margin": 0.01})
    report = check_gate(gate, {"month 12": answers(900, 1000)})
    assert names(report) == {"accuracy_month 12", "accuracy_month 12_plausible"}
    assert report.interval_set == "month 12"


def test_a_check_the_contract_does_not_name_is_not_made() -> None:
    gate = ACCURACY.model_copy(update={"beats_naive": False})
    report = check_gate(gate, {TRAIN: answers(900, 1000), EVAL: answers(900, 1000)}, answers(990, 1000))
    assert {name.split("_")[0] for name in names(report)} == {"accuracy"}


def unsure(shares: tuple[float, float], rows: int, right_of_rare: float, seed: int = 1) -> ModelAnswers:
    """Answers that say the common class but for a part of the rare one's rows."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(2, rows, p=shares)
    predicted = np.where((labels == 1) & (draw.random(rows) < right_of_rare), 1, 0)
    return ModelAnswers(labels, np.where(predicted[:, None] == np.arange(2), 0.9, 0.1))


@pytest.mark.parametrize(
    ("found", "passed"), [(0.0, False), (0.01, False), (0.5, True)], ids=["constant", "by chance", "knows"]
)
def test_what_is_no_better_than_an_answer_that_knows_no_row_is_refused(found: float, passed: bool) -> None:
    """At 2 % of the rare class a constant answer is right in 98 %, which looks good."""
    gate = Gate(accuracy=Between(above=0.9))
    train, held_out = (unsure((0.98, 0.02), 4_000, found, seed) for seed in (1, 2))
    report = check_gate(gate, {TRAIN: train, EVAL: held_out})
    assert check(report, "accuracy_eval").passed and check(report, "accuracy_eval").value > 0.97
    assert check(report, NAIVE).passed is passed is report.passed
    assert "than that of an answer that knows no row" in check(report, NAIVE).note


def test_of_several_metrics_each_is_a_check_with_its_interval() -> None:
    gate = Gate.model_validate(
        {
            "checks": (
                {"metric": "recall", "of": "yes", "above": 0.35},
                {"metric": "precision", "of": "yes", "above": 0.99, "on": "train"},
                {"metric": "log_loss", "below": 0.01},
                {"metric": "accuracy", "above": 0.5, "below": 0.9},
            ),
            "decides": "average_precision",
        }
    )
    rows = {TRAIN: unsure((0.9, 0.1), 2_000, 0.5, 1), EVAL: unsure((0.9, 0.1), 1_000, 0.5, 2)}
    report = check_gate(gate, rows, class_names=("no", "yes"))
    assert {c.name: c.passed for c in report.checks} == {
        "recall of yes on eval": True,
        "precision of yes on train": True,
        "log_loss on eval": False,
        "accuracy on eval": True,
        "accuracy on eval_plausible": False,
        NAIVE: True,
    }
    low, high = check(report, "recall of yes on eval").interval or (0.0, 0.0)
    assert 0.38 < low < check(report, "recall of yes on eval").value < high < 0.62
    assert {c.name: c.passed for c in check_again(gate, report).checks} == {c.name: c.passed for c in report.checks}
    loose = gate.model_copy(update={"checks": (gate.checks[2].model_copy(update={"below": 1.0}),)})
    assert check(check_again(loose, report), "log_loss on eval").passed


@pytest.mark.parametrize(("wrong", "passed"), [(30, True), (70, False)])
def test_a_slice_that_is_worse_than_its_bound_is_refused_and_named(wrong: int, passed: bool) -> None:
    one = answers(1_000, 1_000)
    labels = one.labels.copy()
    labels[:wrong] = (labels[:wrong] + 1) % 3
    region = np.array([b"north"] * 100 + [b"south"] * 880 + [b"west"] * 20)
    sliced = ModelAnswers(labels, one.probabilities, None, {"region": region})
    gate = Gate.model_validate(
        {"checks": ({"metric": "accuracy", "above": 0.6, "slice": "region"},
                    {"metric": "accuracy", "gap_below": 0.5, "slice": "region"})}
    )  # fmt: skip
    report = check_gate(gate, {TRAIN: sliced, EVAL: sliced})
    found, gap = (check(report, name) for name in ("accuracy on eval where region", "accuracy gap over region on eval"))
    assert found.passed is passed is gap.passed
    assert found.value == pytest.approx(1 - wrong / 100) and found.rows == 100
    assert gap.value == pytest.approx(wrong / 100) and "north" in gap.note and "south" in gap.note
    half = 1.96 * (gap.value * (1 - gap.value) / 100) ** 0.5  # the south is right in all rows
    assert gap.interval == pytest.approx((gap.value - half, gap.value + half), abs=1e-3)
    assert "north" in found.note and "west (20)" in found.note


def test_a_slice_of_too_few_rows_does_not_pass_and_says_so() -> None:
    one = answers(500, 500)
    sliced = ModelAnswers(one.labels, one.probabilities, None, {"region": np.array([b"north"] * 480 + [b"west"] * 20)})
    gate = Gate.model_validate({"checks": ({"metric": "accuracy", "above": 0.1, "slice": {"region": "west"}},)})
    found = check(check_gate(gate, {TRAIN: sliced, EVAL: sliced}), "accuracy on eval where region is west")
    assert not found.passed and "west (20)" in found.note and "min_rows" in found.note
    few = Gate.model_validate({"checks": (gate.checks[0].model_dump() | {"min_rows": 20},)})
    assert check_gate(few, {TRAIN: sliced, EVAL: sliced}).passed


def test_a_slice_whose_rows_say_nothing_of_a_metric_is_left_out_and_named() -> None:
    """No row of the south has the class, so its recall is none; it is not 0."""
    one = unsure((0.5, 0.5), 400, 0.8)
    region = np.where((np.arange(400) < 100) & (one.labels == 0), b"south", b"north")
    sliced = ModelAnswers(one.labels, one.probabilities, None, {"region": region})
    by_region = {"metric": "recall", "of": "yes", "slice": "region"}
    gate = Gate.model_validate(
        {"checks": ({**by_region, "above": 0.6}, {**by_region, "gap_below": 0.1},
                    {"metric": "roc_auc", "above": 0.6, "slice": {"region": "south"}})}
    )  # fmt: skip
    report = check_gate(gate, {EVAL: sliced}, class_names=("no", "yes"))
    lowest, gap, only = report.checks
    south = f"south ({int((region == b'south').sum())})"
    assert lowest.passed and lowest.value > 0.7 and f"say nothing of it: {south}" in lowest.note
    assert not gap.passed and gap.note.startswith("not measured") and not only.passed and south in only.note


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 101.0)], ids=["plain", "weighted"])
def test_what_no_row_says_anything_of_does_not_pass(weights: np.ndarray | None) -> None:
    never = ModelAnswers(np.arange(100) % 2, np.tile([0.9, 0.1], (100, 1)), weights)
    for bound in ("above", "below"):
        gate = Gate.model_validate({"checks": ({"metric": "precision", "of": "yes", bound: 0.5},)})
        (found,) = check_gate(gate, {EVAL: never}, class_names=("no", "yes")).checks
        assert not found.passed and found.note.startswith("not measured: the rows say nothing of it: all rows (100)")


def test_the_newest_period_can_be_asked_for_by_itself() -> None:
    one = answers(800, 1_000)
    period = np.where(np.arange(1_000) < 800, "2024-01", "2024-02")
    dated = ModelAnswers(one.labels, one.probabilities, None, {"month": period})
    gate = Gate.model_validate({"checks": ({"metric": "accuracy", "above": 0.5, "on": "newest"},)})
    found = check(check_gate(gate, {TRAIN: dated, EVAL: dated}, period_column="month"), "accuracy on newest")
    assert not found.passed and found.value == 0 and found.rows == 200


def test_a_threshold_that_no_point_reaches_is_said() -> None:
    rows = unsure((0.5, 0.5), 400, 0.0)
    gate = Gate.model_validate({"checks": ({"metric": "recall", "of": "yes", "at": {"precision": 0.9}, "above": 0.1},)})
    report = check_gate(gate, {TRAIN: rows, EVAL: rows}, class_names=("no", "yes"))
    found = check(report, "recall of yes at precision 0.9 on eval")
    assert not found.passed and found.note == "no threshold gives precision 0.9"


def test_where_less_is_better_the_champion_s_margin_is_on_the_other_side() -> None:
    gate = Gate.model_validate({"decides": "log_loss", "champion_margin": 0.01, "beats_naive": False})
    good, bad = answers(900, 1_000, highest=0.9), answers(900, 1_000, highest=0.999)
    assert check_gate(gate, {EVAL: good}, bad).passed
    refused = check_gate(gate, {EVAL: bad}, good)
    assert not refused.passed and "worse" in check(refused, "not_worse_than_champion").note
    assert not check_again(gate, refused).passed


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
