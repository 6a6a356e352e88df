"""What a threshold moves in the gate: what is answered, and no probability; measured on rows it was not chosen on."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sklearn

from lakeloop.contract import Gate, MetricCheck
from lakeloop.contract.metrics import METRICS
from lakeloop.threshold import class_ids_at
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, ModelAnswers
from tfx_pipeline.evaluation.gate import check_again, check_gate
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.naive import naive_answers

COSTS = ((0.0, 1.0), (5.0, 0.0))
AT = 0.3


def answers(rows: int = 2_000, seed: int = 0, at: float | None = AT, **changes: object) -> ModelAnswers:
    draw = np.random.default_rng(seed)
    known = draw.beta(1, 3, rows)
    labels = (draw.random(rows) < known).astype(np.int64)
    both = np.column_stack([1 - known, known])
    ids = None if at is None else class_ids_at(at, 1, both)
    return replace(ModelAnswers(labels, both, class_ids=ids, costs=COSTS), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "f1_macro"])
def test_metrics_of_answers_are_scikit_learns_at_the_threshold(name: str) -> None:
    one = answers()
    function = getattr(sklearn, "f1_score" if name.startswith("f1") else f"{name}_score")
    macro = {"average": "macro"} if name == "f1_macro" else {}
    got = one.probabilities[:, 1] >= AT
    assert measure_metric(METRICS[name], one).value == pytest.approx(function(one.labels, got, **macro))
    assert measure_metric(METRICS[name], answers(at=None)).value != measure_metric(METRICS[name], one).value


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier_score", "calibration_error"])
def test_metrics_of_probabilities_do_not_move(name: str) -> None:
    held = np.arange(2_000) % 2 == 0
    plain, moved = (measure_metric(METRICS[name], one, 1) for one in (answers(at=None), answers(calibrated=held)))
    assert moved.value == plain.value and len(moved.influence) == 2_000


def test_the_mean_cost_is_that_of_the_confusion_matrix_and_has_an_interval() -> None:
    one = answers()
    counted = sklearn.confusion_matrix(one.labels, one.answered)
    found = measure_metric(METRICS["mean_cost"], one)
    assert found.value == pytest.approx((counted * np.array(COSTS)).sum() / 2_000)
    assert found.interval[0] < found.value < found.interval[1]
    gain, (low, _) = found.better_by(measure_metric(METRICS["mean_cost"], answers(at=None)))
    assert gain > 0 and low > 0, "a dear error is made less often"


def test_what_is_answered_is_measured_on_the_rows_it_was_not_chosen_on() -> None:
    held = np.arange(2_000) < 1_500
    one = answers(calibrated=held)
    rest = answers().where(~held)
    assert one.accuracy == rest.accuracy != answers().accuracy
    assert measure_metric(METRICS["recall"], one).value == measure_metric(METRICS["recall"], rest).value
    assert measure_metric(METRICS["recall"], one).counted == rest.labels.sum()
    report = check_gate(Gate(accuracy={"above": 0.5}), {TRAIN: answers(seed=1), EVAL: one})  # type: ignore[arg-type]
    assert report.rows == {TRAIN: 2_000, EVAL: 500}
    (check,) = [check for check in report.checks if check.name == "accuracy_eval"]
    assert check.rows == 500 and check.value == rest.accuracy
    assert answers(calibrated=np.ones(2_000, bool)).accuracy == answers().accuracy, (
        "where there are no others, all tell"
    )


def test_a_slice_and_the_shares_of_the_classes_are_of_what_was_answered() -> None:
    region = np.array([b"north", b"south"] * 1_000)
    one = answers(columns={"region": region}, calibrated=np.arange(2_000) % 4 == 0)
    gate = Gate(class_share_tolerance=0.5, checks=(MetricCheck(metric="recall", above=0.1, slice={"region": "north"}),))
    report = check_gate(gate, {EVAL: one}, class_names=("no", "yes"))
    values = {check.name: check for check in report.checks}
    assert values["share_yes"].value == pytest.approx((one.probabilities[:, 1] >= AT).mean())
    north = one.where(region == b"north").telling
    check = values["recall on eval where region is north"]
    assert check.value == pytest.approx(sklearn.recall_score(north.labels, north.answered)) and check.rows == 500


def test_a_slice_has_as_many_rows_as_tell() -> None:
    region = np.where(np.arange(2_000) < 100, b"north", b"south")
    one = answers(columns={"region": region}, calibrated=np.arange(2_000) % 4 != 0)
    check = {"metric": "recall", "above": 0.0, "slice": "region", "min_rows": 50}
    (left,) = check_gate(Gate.model_validate({"checks": (check,)}), {EVAL: one}, class_names=("no", "yes")).checks
    assert left.passed and "left out, of fewer than 50 rows: north (25)" in left.note
    ranked = check | {"metric": "roc_auc"}
    (whole,) = check_gate(Gate.model_validate({"checks": (ranked,)}), {EVAL: one}, class_names=("no", "yes")).checks
    assert "left out" not in whole.note, "probabilities are of all rows"


def test_where_errors_have_a_cost_that_is_told_and_the_cheapest_class_is_to_be_beaten() -> None:
    gate = Gate(decides="mean_cost", champion_margin=0.01)
    train, one = answers(seed=1), answers(seed=2)
    report = check_gate(gate, {TRAIN: train, EVAL: one}, champion=answers(seed=2, at=None))
    assert report.metric == "mean_cost" and report.by_set == report.scores and set(report.accuracy) == {TRAIN, EVAL}
    naive, champion = report.checks
    rare = one.labels.mean()
    assert naive.passed and naive.bound == f"better than {min(5 * rare, 1 - rare):.3f}"
    assert champion.passed and report.champions == measure_metric(METRICS["mean_cost"], answers(seed=2, at=None)).value
    assert report.better_than(1.0) == pytest.approx(1.0 - report.scores[EVAL])
    again = check_again(gate.model_copy(update={"champion_margin": 0.0}), report)
    assert [check.passed for check in again.checks] == [True, True] and again.checks[1].bound.startswith("<= ")


def test_a_model_that_knows_nothing_does_not_pass_by_its_threshold() -> None:
    draw = np.random.default_rng(5)
    labels, known = (draw.random(2_000) < 0.2).astype(np.int64), draw.random(2_000)
    both = np.column_stack([1 - known, known])
    one = ModelAnswers(labels, both, class_ids=class_ids_at(0.02, 1, both), costs=COSTS)
    (check,) = check_gate(Gate(decides="mean_cost"), {TRAIN: one, EVAL: one}).checks
    assert not check.passed


def test_the_naive_answer_by_the_accuracy_is_the_commonest_class() -> None:
    one = answers()
    naive = naive_answers(METRICS["accuracy"], one, one)
    assert isinstance(naive, ModelAnswers) and naive.accuracy == pytest.approx((one.labels == 0).mean())
