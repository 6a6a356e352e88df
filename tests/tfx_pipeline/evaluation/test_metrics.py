"""Named metrics are scikit-learn's, and their intervals those that resampling the rows gives."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from lakeloop.contract import MetricCheck
from lakeloop.contract.metrics import METRICS
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.metrics import measure, measure_metric
from tfx_pipeline.evaluation.naive import constant_answers, naive_answers

OF_CLASSES = [name for name, metric in METRICS.items() if metric.task == "classification"]
THREE, TWO = ("low", "middle", "high"), ("no", "yes")


def answers(classes: int, rows: int = 4_000, seed: int = 1, weighted: bool = False, skill: float = 1.2) -> ModelAnswers:
    """Answers that are often right, with many ties and a rare last class."""
    draw = np.random.default_rng(seed)
    shares = np.array([0.6, 0.3, 0.1] if classes == 3 else [0.85, 0.15])
    labels = draw.choice(classes, rows, p=shares)
    scores = draw.normal(size=(rows, classes)) + skill * np.eye(classes)[labels] + np.log(shares)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    probabilities = np.round(probabilities, 2) + 1e-3
    weights = draw.uniform(0.2, 3, rows) if weighted else None
    costs = tuple(tuple(float(abs(i - j) * (1 + i)) for j in range(classes)) for i in range(classes))
    return ModelAnswers(labels, probabilities / probabilities.sum(axis=1, keepdims=True), weights, costs=costs)


def _ovr(score: Callable[..., float], one: ModelAnswers) -> float:
    classes = one.probabilities.shape[1]
    of = [classes - 1] if classes == 2 else range(classes)
    return float(np.mean([score(one.labels == c, one.probabilities[:, c], sample_weight=one.weights) for c in of]))


def _calibration_error(one: ModelAnswers) -> float:
    highest, right = one.probabilities.max(axis=1), one.right
    weights = np.ones(len(right)) if one.weights is None else one.weights
    bins = np.minimum((highest * 10).astype(int), 9)
    parts = [abs(np.sum((weights * (highest - right))[bins == b])) for b in range(10)]
    return float(sum(parts) / weights.sum())


def _brier(one: ModelAnswers) -> float:
    if one.probabilities.shape[1] == 2:
        return float(sk.brier_score_loss(one.labels, one.probabilities[:, 1], sample_weight=one.weights))
    squares = ((one.probabilities - np.eye(3)[one.labels]) ** 2).sum(axis=1)
    return float(np.average(squares, weights=one.weights))


OTHERS: dict[str, Callable[[ModelAnswers], float]] = {
    "accuracy": lambda a: sk.accuracy_score(a.labels, a.probabilities.argmax(1), sample_weight=a.weights),
    "balanced_accuracy": lambda a: sk.balanced_accuracy_score(
        a.labels, a.probabilities.argmax(1), sample_weight=a.weights
    ),
    "f1_macro": lambda a: sk.f1_score(
        a.labels, a.probabilities.argmax(1), average="macro", sample_weight=a.weights, zero_division=0
    ),
    "f1_weighted": lambda a: sk.f1_score(
        a.labels, a.probabilities.argmax(1), average="weighted", sample_weight=a.weights, zero_division=0
    ),
    "log_loss": lambda a: sk.log_loss(a.labels, a.probabilities, sample_weight=a.weights),
    "brier_score": _brier,
    "calibration_error": _calibration_error,
    "roc_auc": lambda a: _ovr(sk.roc_auc_score, a),
    "average_precision": lambda a: _ovr(sk.average_precision_score, a),
    "mean_class_distance": lambda a: sk.mean_absolute_error(
        a.labels, a.probabilities.argmax(1), sample_weight=a.weights
    ),
    "cohen_kappa_score": lambda a: sk.cohen_kappa_score(
        a.labels, a.probabilities.argmax(1), weights="quadratic", sample_weight=a.weights
    ),
    "mean_cost": lambda a: _mean_cost(a),
    "precision": lambda a: _of_last(sk.precision_score, a),
    "recall": lambda a: _of_last(sk.recall_score, a),
    "f1": lambda a: _of_last(sk.f1_score, a),
}


def _mean_cost(one: ModelAnswers) -> float:
    counted = sk.confusion_matrix(one.labels, one.probabilities.argmax(1), sample_weight=one.weights)
    return float((counted * np.array(one.costs)).sum() / counted.sum())


def _of_last(score: Callable[..., float], one: ModelAnswers) -> float:
    last = one.probabilities.shape[1] - 1
    return float(score(one.labels == last, one.probabilities.argmax(1) == last, sample_weight=one.weights))


def named(metric: str, classes: int) -> MetricCheck:
    return MetricCheck.model_validate({"metric": metric, "above": 0.0})


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("metric", OF_CLASSES)
def test_values_are_scikit_learn_s(metric: str, classes: int, weighted: bool) -> None:
    one = answers(classes, weighted=weighted)
    found = measure(named(metric, classes), one, THREE if classes == 3 else TWO)
    assert found.value == pytest.approx(OTHERS[metric](one), abs=1e-9)
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("metric", OF_CLASSES)
def test_intervals_are_those_of_the_bootstrap(metric: str, classes: int) -> None:
    one, names = answers(classes, rows=3_000), THREE if classes == 3 else TWO
    draw = np.random.default_rng(7)
    resampled = [measure(named(metric, classes), one.where(draw.integers(0, 3_000, 3_000)), names) for _ in range(300)]
    low, high = np.quantile([again.value for again in resampled], [0.025, 0.975])
    found = measure(named(metric, classes), one, names).interval
    if metric == "calibration_error":  # where a bin is nearly right, its distance folds at 0: resampling adds to it
        assert 0.8 < (found[1] - found[0]) / (high - low) < 1.4 and found[0] < low < found[1]
        return
    assert found[1] - found[0] == pytest.approx(high - low, rel=0.2)
    assert found == pytest.approx((low, high), abs=0.3 * (high - low))


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "average_precision", "f1_macro", "log_loss"])
def test_how_far_two_models_are_apart_is_known_better_than_each_of_them(metric: str) -> None:
    draw = np.random.default_rng(3)
    one = answers(3, rows=3_000)
    blurred = one.probabilities * draw.uniform(0.9, 1.1, one.probabilities.shape)
    other = ModelAnswers(one.labels, blurred / blurred.sum(axis=1, keepdims=True))
    mine, theirs = measure_metric(METRICS[metric], one), measure_metric(METRICS[metric], other)
    gain, (low, high) = mine.better_by(theirs)
    assert low < gain < high and high - low < 0.5 * (mine.interval[1] - mine.interval[0])
    gains = []
    for _ in range(300):
        rows = draw.integers(0, 3_000, 3_000)
        again = [measure_metric(METRICS[metric], a.where(rows)) for a in (one, other)]
        gains.append(again[0].better_by(again[1])[0])
    assert high - low == pytest.approx(np.subtract(*np.quantile(gains, [0.975, 0.025])), rel=0.25)
    assert theirs.better_by(mine)[0] == pytest.approx(-gain)


def test_what_knows_no_row_is_the_shares_of_train_for_every_row() -> None:
    train, held_out = answers(2, seed=1), answers(2, seed=2)
    naive = constant_answers(train, held_out)
    assert naive.probabilities[0] == pytest.approx([np.mean(train.labels == 0), np.mean(train.labels == 1)])
    assert measure_metric(METRICS["accuracy"], naive).value == pytest.approx(np.mean(held_out.labels == 0))
    assert measure_metric(METRICS["roc_auc"], naive, 1).value == 0.5


@pytest.mark.parametrize(("precision", "skill", "reached"), [(0.5, 0.8, True), (0.999, 0.0, False)])
def test_recall_at_a_precision_is_the_most_that_any_threshold_gives(
    precision: float, skill: float, reached: bool
) -> None:
    one = answers(2, skill=skill)
    check = MetricCheck.model_validate({"metric": "recall", "of": "yes", "at": {"precision": precision}, "above": 0.1})
    found = measure(check, one, TWO)
    precisions, recalls, _ = sk.precision_recall_curve(one.labels == 1, one.probabilities[:, 1])
    possible = recalls[:-1][precisions[:-1] >= precision]
    assert found.reached is reached is bool(len(possible))
    assert found.value == pytest.approx(possible.max() if reached else 0.0)


def test_precision_at_a_recall_is_the_most_that_any_threshold_gives() -> None:
    one = answers(3)
    check = MetricCheck.model_validate({"metric": "precision", "of": "high", "at": {"recall": 0.4}, "above": 0.1})
    precisions, recalls, _ = sk.precision_recall_curve(one.labels == 2, one.probabilities[:, 2])
    assert measure(check, one, THREE).value == pytest.approx(precisions[:-1][recalls[:-1] >= 0.4].max())


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "f1_macro", "recall", "precision"])
def test_rows_of_one_class_alone_break_nothing(metric: str) -> None:
    one = answers(2, rows=200)
    only = one.where(one.labels == 0)
    found = measure(named(metric, 2), only, TWO)
    assert 0 <= found.value <= 1 and np.isfinite(found.interval).all()


def test_ordered_classes_know_near_from_far_and_what_a_constant_answer_is_worth() -> None:
    labels = np.repeat([0, 1, 2], [45, 30, 25])
    near, far = (ModelAnswers(labels, np.eye(3)[given]) for given in (np.abs(labels - 1), 2 - labels))
    distance, kappa = METRICS["mean_class_distance"], METRICS["cohen_kappa_score"]
    assert measure_metric(distance, near).value < measure_metric(distance, far).value
    naive = naive_answers(distance, near, near)
    assert isinstance(naive, ModelAnswers) and set(naive.answered.tolist()) == {1}
    assert measure_metric(distance, naive).value == pytest.approx(0.7), "the middle one is nearest to all"
    assert measure_metric(kappa, naive).value == 0.0
    one = ModelAnswers(np.zeros(5, np.int64), np.eye(3)[np.zeros(5, int)])
    assert measure_metric(kappa, one).value == 0.0, "there is nothing to tell apart"
