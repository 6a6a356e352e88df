"""Metrics of several labels are scikit-learn's, their intervals those of resampling; and what must be beaten."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from lakeloop.contract import Gate, MetricCheck
from lakeloop.contract.metrics import METRICS
from lakeloop.label_sets import has_labels, set_confidences, set_ids
from tfx_pipeline.evaluation.answers import SetAnswers
from tfx_pipeline.evaluation.gate import check_gate
from tfx_pipeline.evaluation.metrics import measure, measure_metric
from tfx_pipeline.evaluation.naive import naive_answers

LABELS = ("billing", "login", "outage")
OF_LABELS = [name for name, metric in METRICS.items() if metric.fits("multilabel")]


def answers(rows: int = 3_000, seed: int = 1, weighted: bool = False, skill: float = 2.0) -> SetAnswers:
    """Answers that are often right, with many ties and a rare last label."""
    draw = np.random.default_rng(seed)
    had = draw.random((rows, 3)) < (0.4, 0.25, 0.06)
    odds = draw.normal(size=had.shape) + skill * (had - 0.6)
    probabilities = np.round(1 / (1 + np.exp(-odds)), 2)
    return SetAnswers(had @ (1, 2, 4), probabilities, draw.uniform(0.2, 3, rows) if weighted else None)


def _bits(one: SetAnswers) -> tuple[np.ndarray, np.ndarray]:
    return has_labels(one.labels, 3).astype(int), has_labels(one.answered, 3).astype(int)


def _f1(average: str) -> Callable[[SetAnswers], float]:
    return lambda a: sk.f1_score(*_bits(a), average=average, sample_weight=a.weights, zero_division=0)


def _mean(score: Callable[..., float]) -> Callable[[SetAnswers], float]:
    """Of the labels' scores by probability the mean."""

    def mean(a: SetAnswers) -> float:
        had = _bits(a)[0]
        return float(np.mean([score(had[:, i], a.probabilities[:, i], sample_weight=a.weights) for i in range(3)]))

    return mean


def _of_last(score: Callable[..., float]) -> Callable[[SetAnswers], float]:
    return lambda a: float(score(*(bits[:, 2] for bits in _bits(a)), sample_weight=a.weights))


OTHERS: dict[str, Callable[[SetAnswers], float]] = {
    "accuracy": lambda a: sk.accuracy_score(*_bits(a), sample_weight=a.weights),
    "precision": _of_last(sk.precision_score), "recall": _of_last(sk.recall_score), "f1": _of_last(sk.f1_score),
    "f1_macro": _f1("macro"), "f1_weighted": _f1("weighted"), "f1_micro": _f1("micro"),
    "hamming_loss": lambda a: sk.hamming_loss(*_bits(a), sample_weight=a.weights),
    "roc_auc": _mean(sk.roc_auc_score), "average_precision": _mean(sk.average_precision_score),
    "log_loss": _mean(sk.log_loss), "brier_score": _mean(sk.brier_score_loss),
}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OF_LABELS)
def test_a_metric_is_scikit_learns(name: str, weighted: bool) -> None:
    one = answers(weighted=weighted)
    assert measure_metric(METRICS[name], one, 2 if METRICS[name].of_class else None).value == pytest.approx(
        OTHERS[name](one), abs=1e-9
    )


@pytest.mark.parametrize("name", [name for name in OF_LABELS if not METRICS[name].of_class])
def test_an_interval_is_as_wide_as_resampling_makes_it(name: str) -> None:
    one, draw = answers(), np.random.default_rng(5)
    measured = measure_metric(METRICS[name], one)
    assert abs(measured.influence.mean()) < 1e-9
    resampled = [OTHERS[name](one.where(draw.integers(0, 3_000, 3_000))) for _ in range(150)]
    low, high = measured.interval
    assert (high - low) / (2 * 1.96) == pytest.approx(np.std(resampled), rel=0.2)


def test_a_check_of_one_label_is_of_that_label_and_at_moves_its_threshold_alone() -> None:
    one = answers()
    found = measure(MetricCheck(metric="recall", of="login", above=0.1), one, LABELS)
    had, gotten = _bits(one)
    assert found.value == pytest.approx(sk.recall_score(had[:, 1], gotten[:, 1]))
    held = measure(MetricCheck(metric="recall", of="login", at={"precision": 0.9}, above=0.1), one, LABELS)
    assert held.reached and held.value < found.value
    two = SetAnswers(one.labels % 4, one.probabilities[:, :2])
    of_both = measure(MetricCheck(metric="roc_auc", above=0.5), two, LABELS[:2])
    assert of_both.value == pytest.approx(np.mean([
        sk.roc_auc_score(has_labels(two.labels, 2)[:, i], two.probabilities[:, i]) for i in (0, 1)
    ]))  # fmt: skip


def test_the_naive_answer_is_the_best_constant_set_by_the_metric() -> None:
    train, rows = answers(), answers(seed=2)
    had = has_labels(train.labels, 3)
    for name in ("accuracy", "f1_micro", "f1_macro", "hamming_loss"):
        naive = naive_answers(METRICS[name], train, rows)
        assert isinstance(naive, SetAnswers) and len(set(naive.answered.tolist())) == 1
        scores = [measure_metric(METRICS[name], SetAnswers(train.labels, train.probabilities,
                  class_ids=np.full(3_000, one))).value for one in range(8)]  # fmt: skip
        best = (max if METRICS[name].higher_is_better else min)(scores)
        assert scores[naive.answered[0]] == pytest.approx(best), name
    assert naive_answers(METRICS["log_loss"], train, rows).probabilities[0] == pytest.approx(had.mean(axis=0))


@pytest.mark.parametrize("decides", ["f1_micro", "hamming_loss", "accuracy", "f1_macro", "log_loss"])
def test_noise_does_not_pass_and_what_tells_labels_does(decides: str) -> None:
    gate = Gate(decides=decides, champion_margin=0.001)
    for skill, passes in ((0.0, False), (4.0, True)):
        rows = {"train": answers(skill=skill), "eval": answers(seed=2, skill=skill)}
        report = check_gate(gate, rows, answers(seed=2, skill=skill), LABELS)
        assert {check.name: check.passed for check in report.checks}["better_than_naive"] is passes
        assert report.accuracy["eval"] == pytest.approx(rows["eval"].right.mean())
    worse = check_gate(gate, rows, answers(seed=2, skill=9.0), LABELS)
    assert "not_worse_than_champion" in [check.name for check in worse.failed]


def test_sets_are_numbers_of_bits() -> None:
    probabilities = np.array([[0.9, 0.5, 0.1], [0.2, 0.4, 0.0]])
    ids = set_ids(probabilities)
    assert ids.tolist() == [3, 0]
    assert has_labels(ids, 3).tolist() == [[True, True, False], [False, False, False]]
    assert set_confidences(ids, probabilities) == pytest.approx([0.9 * 0.5 * 0.9, 0.8 * 0.6 * 1.0])
