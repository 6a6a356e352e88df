"""Metrics of numbers are scikit-learn's, their intervals those of resampling, and the gate holds models to them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from lakeloop.contract import Gate, MetricCheck
from lakeloop.contract.metrics import METRICS
from tfx_pipeline.evaluation.answers import NumberAnswers
from tfx_pipeline.evaluation.gate import check_again, check_gate
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.naive import naive_answers

OF_NUMBERS = [name for name, metric in METRICS.items() if metric.task == "regression"]
LEVEL = 0.8


def answers(rows: int = 4_000, seed: int = 1, error: float = 4.0, weighted: bool = False) -> NumberAnswers:
    draw = np.random.default_rng(seed)
    labels = draw.gamma(4, 5, rows) + 1
    predictions = labels + draw.normal(0, error, rows) * (labels / 20)
    half = draw.uniform(0.5, 2, rows) * error
    region = draw.choice([b"north", b"south"], rows)
    weights = draw.uniform(0.2, 3, rows) if weighted else None
    return NumberAnswers(
        labels, predictions, predictions - half, predictions + half, LEVEL, None, weights, {"region": region}
    )


def _pinball(one: NumberAnswers) -> float:
    ends = ((one.lower, (1 - LEVEL) / 2), (one.upper, (1 + LEVEL) / 2))
    return float(np.mean([sk.mean_pinball_loss(one.labels, e, alpha=a, sample_weight=one.weights) for e, a in ends]))


OTHERS: dict[str, Callable[[NumberAnswers], float]] = {
    "mean_absolute_error": lambda a: sk.mean_absolute_error(a.labels, a.predictions, sample_weight=a.weights),
    "root_mean_squared_error": lambda a: sk.root_mean_squared_error(a.labels, a.predictions, sample_weight=a.weights),
    "mean_absolute_percentage_error": lambda a: sk.mean_absolute_percentage_error(
        a.labels, a.predictions, sample_weight=a.weights
    ),
    "mean_poisson_deviance": lambda a: sk.mean_poisson_deviance(a.labels, a.predictions, sample_weight=a.weights),
    "r2_score": lambda a: sk.r2_score(a.labels, a.predictions, sample_weight=a.weights),
    "mean_pinball_loss": _pinball,
    "interval_coverage": lambda a: np.average((a.labels >= a.lower) & (a.labels <= a.upper), weights=a.weights),
    "mean_interval_width": lambda a: np.average(a.upper - a.lower, weights=a.weights),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_values_are_scikit_learns(name: str, weighted: bool) -> None:
    one = answers(weighted=weighted)
    assert measure_metric(METRICS[name], one).value == pytest.approx(OTHERS[name](one), rel=1e-9)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_intervals_are_those_of_resampled_rows(name: str) -> None:
    one, draw = answers(rows=1_500), np.random.default_rng(3)
    found = [OTHERS[name](one.where(draw.integers(0, 1_500, 1_500))) for _ in range(300)]
    low, high = measure_metric(METRICS[name], one).interval
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(found), rel=0.2)
    assert low < OTHERS[name](one) < high


@pytest.mark.parametrize("name", ["mean_absolute_error", "root_mean_squared_error", "r2_score"])
def test_a_lead_on_the_same_rows_is_known_more_closely_than_each_score(name: str) -> None:
    one = answers()
    nearer = replace(one, predictions=one.labels + 0.95 * one.errors)
    gain, (low, high) = measure_metric(METRICS[name], nearer).better_by(measure_metric(METRICS[name], one))
    assert gain > 0 and low > 0
    ends = measure_metric(METRICS[name], one).interval
    assert high - low < (ends[1] - ends[0]) / 5


def test_the_deviance_of_counts_knows_none_and_an_answer_of_0() -> None:
    labels, predictions = np.array([0.0, 0, 3, 3]), np.array([0.5, 0, 3, 0])
    one = NumberAnswers(labels, predictions, predictions, predictions, LEVEL)
    found = measure_metric(METRICS["mean_poisson_deviance"], one)
    first = sk.mean_poisson_deviance([0.0], [0.5])
    assert found.value * 4 - first == pytest.approx(2 * (3 * np.log(3 / np.finfo(float).eps) - 3))
    of_most = replace(one, predictions=np.array([0.5, 1e-9, 3, 3]))
    assert measure_metric(METRICS["mean_poisson_deviance"], of_most).value == pytest.approx(first / 4)


def test_an_interval_is_measured_on_rows_that_it_was_not_learnt_from() -> None:
    one = answers()
    learnt = np.arange(len(one.labels)) % 2 == 0
    wide = replace(
        one,
        lower=np.where(learnt, -1e6, one.labels + 1),
        upper=np.where(learnt, 1e6, one.labels + 2),
        calibrated=learnt,
    )
    measured = measure_metric(METRICS["interval_coverage"], wide)
    assert measured.value == 0 and measured.counted == 2_000
    assert measure_metric(METRICS["mean_interval_width"], wide).value == pytest.approx(1)
    assert len(measure_metric(METRICS["mean_pinball_loss"], wide).influence) == 2_000
    assert len(measure_metric(METRICS["mean_absolute_error"], wide).influence) == 4_000


@pytest.mark.parametrize(
    ("name", "best"),
    [("mean_absolute_error", np.median), ("root_mean_squared_error", np.mean), ("r2_score", np.mean),
     ("mean_poisson_deviance", np.mean)],
)  # fmt: skip
def test_the_naive_number_is_the_best_of_train_for_its_metric(name: str, best: Callable[[np.ndarray], float]) -> None:
    train, rows = answers(seed=2), answers(rows=50)
    naive = naive_answers(METRICS[name], train, rows)
    assert isinstance(naive, NumberAnswers)
    assert naive.predictions == pytest.approx(np.full(50, best(train.labels)))
    assert np.mean((train.labels >= naive.lower[0]) & (train.labels <= naive.upper[0])) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [name for name in OF_NUMBERS if METRICS[name].can_decide])
def test_no_other_number_is_better_on_train_than_the_naive_one(name: str, weighted: bool) -> None:
    train, metric = answers(weighted=weighted, rows=501), METRICS[name]
    naive = naive_answers(metric, train, train)
    assert isinstance(naive, NumberAnswers)
    best = measure_metric(metric, naive).value
    for number in np.quantile(train.labels, np.linspace(0.02, 0.98, 49)):
        other = measure_metric(metric, replace(train, predictions=np.full(501, number))).value
        assert not metric.is_better(other, best + (1e-9 if metric.higher_is_better else -1e-9)), number


GATE = Gate(
    decides="mean_absolute_error",
    champion_margin=0.5,
    checks=(
        MetricCheck(metric="mean_absolute_error", below=5.0),
        MetricCheck(metric="r2_score", above=0.3, slice="region"),
        MetricCheck(metric="interval_coverage", above=0.5, below=0.9999),
        MetricCheck(metric="mean_absolute_error", gap_below=2.0, slice="region"),
    ),
)


def test_a_gate_of_numbers_has_its_named_checks_the_naive_number_and_the_champion() -> None:
    train, held_out = answers(seed=5), answers(seed=6, rows=1_000)
    report = check_gate(GATE, {"train": train, "eval": held_out}, champion=held_out)
    assert report.passed, report.failed
    assert [check.name for check in report.checks] == [
        "mean_absolute_error on eval", "r2_score on eval where region", "interval_coverage on eval",
        "interval_coverage on eval_plausible", "mean_absolute_error gap over region on eval", "better_than_naive",
        "not_worse_than_champion",
    ]  # fmt: skip
    assert report.accuracy == {} and report.metric == "mean_absolute_error" and set(report.scores) == {"train", "eval"}
    low, high = report.interval
    assert low < report.scores["eval"] < high and report.better_than(100.0) == 100.0 - report.scores["eval"]
    stricter = GATE.model_copy(update={"checks": (MetricCheck(metric="mean_absolute_error", below=1.0),)})
    assert [check.name for check in check_again(stricter, report).failed] == ["mean_absolute_error on eval"]


def test_a_gap_of_numbers_is_in_the_unit_of_what_decides() -> None:
    train, held_out = answers(seed=5, error=1.0), answers(seed=6, error=4.0, rows=1_000)
    gate = Gate.model_validate({"decides": "mean_absolute_error", "train_eval_gap_below": 1.5})
    report = check_gate(gate, {"train": train, "eval": held_out})
    (gap,) = [check for check in report.checks if check.name == "train_eval_gap"]
    assert gap.value == pytest.approx(report.scores["eval"] - report.scores["train"]) and not gap.passed


def test_one_number_for_every_row_is_refused_and_so_is_one_that_is_worse_than_the_champion() -> None:
    train, held_out = answers(seed=5), answers(seed=6, rows=1_000)
    constant = replace(held_out, predictions=np.full(1_000, np.median(train.labels)))
    failed = check_gate(GATE, {"train": train, "eval": constant}, champion=held_out).failed
    assert {"better_than_naive", "not_worse_than_champion"} < {check.name for check in failed}
    (behind,) = [check for check in failed if check.name == "not_worse_than_champion"]
    assert behind.bound.startswith("<= ") and "worse than the champion's" in behind.note


def test_a_slice_of_too_few_rows_is_said_and_does_not_pass() -> None:
    held_out = answers(rows=40)
    check = MetricCheck(metric="mean_absolute_error", below=50.0, slice="region", min_rows=1_000)
    report = check_gate(GATE.model_copy(update={"checks": (check,)}), {"eval": held_out})
    (made,) = report.checks
    assert not made.passed and made.note.startswith("not measured: ")
