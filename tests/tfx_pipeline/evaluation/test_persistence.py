"""The forecast that all stays as it is: what it answers, and a gate that a model passes only where it knows more."""

from dataclasses import replace

import numpy as np
import pytest

from lakeloop.contract import Gate, LabelClass
from lakeloop.contract.label_classes import When
from lakeloop.contract.metrics import METRICS
from lakeloop.contract.persistence import Persistence
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, Answers, ModelAnswers, NumberAnswers
from tfx_pipeline.evaluation.gate import NAIVE, check_gate
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.naive import naive_answers, persistence_answers

LOW_OR_HIGH = Persistence(
    feature="rate", classes=(LabelClass(name="low", when=When(below=0.3)), LabelClass(name="high"))
)
AS_NUMBER = Persistence(feature="rate")
ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]


def years(rows: int, stays: float, seed: int) -> ModelAnswers:
    """Rows of which a share keeps its class, beside what they have now; the answers know nothing."""
    random = np.random.default_rng(seed)
    now = random.random(rows)
    later = (now >= 0.3) ^ (random.random(rows) > stays)
    return ModelAnswers(later.astype(np.int64), np.full((rows, 2), 0.5), columns={"rate": now.astype(np.float32)})


def model(rows: ModelAnswers, right: float) -> ModelAnswers:
    """Answers of which a share is right, whatever the rows have now."""
    knows = np.random.default_rng(7).random(len(rows.labels)) < right
    probabilities = np.full((len(rows.labels), 2), 0.1)
    probabilities[np.arange(len(rows.labels)), np.where(knows, rows.labels, 1 - rows.labels)] = 0.9
    return replace(rows, probabilities=probabilities)


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (np.array([0.1, 0.3, 0.9, np.nan]), [0, 1, 1, -1]),
        (np.array([0.1, 0.3, 0.9, np.nan], np.float32), [0, 1, 1, -1]),
        (np.array([0.1, None, 0.9], object), [0, -1, 1]),
    ],
    ids=["doubles", "as examples have them", "as frames have them"],
)
def test_a_value_has_the_class_that_it_would_have_as_the_truth(values: np.ndarray, ids: list[int]) -> None:
    assert LOW_OR_HIGH.answers(values).tolist() == ids


def test_texts_and_whole_numbers_are_read_as_examples_have_them() -> None:
    named = Persistence(
        feature="level",
        classes=tuple(LabelClass(name=name, when=When(equals=name)) for name in ("low", "high")),
    )
    assert named.answers(np.array([b"high", b"low", b"", b"unheard of"], object)).tolist() == [1, 0, -1, -1]
    numbers = AS_NUMBER.answers(np.array([3, -(2**63), 5]))
    assert numbers[[0, 2]].tolist() == [3.0, 5.0] and np.isnan(numbers[1])


def test_beside_a_class_stands_how_often_it_was_followed_by_each() -> None:
    train, rows = years(4_000, 0.9, 1), years(1_000, 0.9, 2)
    same = persistence_answers(ACCURACY, LOW_OR_HIGH, train, rows)
    assert isinstance(same, ModelAnswers)
    assert same.answered.tolist() == (rows.columns["rate"] >= np.float32(0.3)).astype(int).tolist()
    assert same.probabilities[same.answered == 1][0] == pytest.approx([0.1, 0.9], abs=0.02)
    assert measure_metric(LOG_LOSS, same).value < measure_metric(LOG_LOSS, naive_answers(LOG_LOSS, train, rows)).value


def test_a_row_that_has_nothing_now_is_answered_as_if_no_row_were_known() -> None:
    train = years(1_000, 0.9, 1)
    rows = replace(train, columns={"rate": np.full(1_000, np.nan)})
    same, constant = persistence_answers(ACCURACY, LOW_OR_HIGH, train, rows), naive_answers(ACCURACY, train, rows)
    assert isinstance(same, ModelAnswers) and isinstance(constant, ModelAnswers)
    assert np.array_equal(same.answered, constant.answered)
    assert np.allclose(same.probabilities, constant.probabilities)


def test_a_number_stays_as_it_is_and_its_interval_holds_what_it_held_in_train() -> None:
    random = np.random.default_rng(3)
    now = random.random(2_000) * 100

    def numbers(later: np.ndarray) -> NumberAnswers:
        return NumberAnswers(later, later, later, later, 0.8, columns={"rate": now})

    train, rows = (numbers(now + random.normal(0, 5, 2_000)) for _ in range(2))
    same = persistence_answers(METRICS["mean_absolute_error"], AS_NUMBER, train, rows)
    assert isinstance(same, NumberAnswers) and np.array_equal(same.predictions, now)
    assert np.mean((rows.labels >= same.lower) & (rows.labels <= same.upper)) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(("right", "passes"), [(0.85, False), (0.9, False), (0.97, True)])
def test_the_gate_refuses_a_model_that_is_no_better_than_what_rows_have_now(right: float, passes: bool) -> None:
    """All three are far better than an answer that knows no row, which is right in 7 of 10."""
    rows: dict[str, Answers] = {TRAIN: model(years(4_000, 0.9, 1), right), EVAL: model(years(1_000, 0.9, 2), right)}
    gate = Gate.model_validate({"accuracy": {"above": 0.5}})
    found = {one.name: one for one in check_gate(gate, rows, persistence=LOW_OR_HIGH).checks}[NAIVE]
    assert found.passed is passes
    assert found.bound.startswith("better than 0.89") and found.bound.endswith(", `rate` as it is")
    assert "an answer that knows no row has 0.6" in found.note
    assert {one.name: one for one in check_gate(gate, rows).checks}[NAIVE].passed, "without it, each would pass"


def test_where_nothing_stays_the_answer_that_knows_no_row_is_what_has_to_be_beaten() -> None:
    rows: dict[str, Answers] = {TRAIN: model(years(4_000, 0.1, 1), 0.9), EVAL: model(years(1_000, 0.1, 2), 0.9)}
    found = {one.name: one for one in check_gate(Gate(), rows, persistence=LOW_OR_HIGH).checks}[NAIVE]
    assert found.passed and found.bound.count(",") == 0 and "; `rate` as it is has 0.1" in found.note
