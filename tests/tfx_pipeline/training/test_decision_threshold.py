"""The threshold is the best there is on the rows it is chosen on, whatever it is chosen by."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from lakeloop.contract import DecisionThreshold
from lakeloop.exceptions import LakeloopError
from lakeloop.threshold import class_ids_at
from tfx_pipeline.training.decision_threshold import NEVER, choose_threshold, chosen_elsewhere

SCORES = {"f1": f1_score, "balanced_accuracy": balanced_accuracy_score, "recall": recall_score,
          "precision": precision_score, "accuracy": lambda has, got: (has == got).mean()}  # fmt: skip


def drawn(rows: int, seed: int = 0, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are calibrated, and whether the rows have the class; in `steps` as those of trees are."""
    draw = np.random.default_rng(seed)
    probabilities = draw.beta(1, 4, rows).astype(np.float32)
    if steps is not None:
        probabilities = (np.round(probabilities * steps) / steps).astype(np.float32)
    return probabilities, draw.random(rows) < probabilities


def chosen(decision: dict[str, object], probabilities: np.ndarray, has: np.ndarray) -> tuple[float, np.ndarray]:
    at = choose_threshold(DecisionThreshold.model_validate(decision), "yes", probabilities, has).at
    return at, probabilities >= np.float32(at)


@pytest.mark.parametrize("steps", [None, 7])
@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "accuracy"])
def test_no_other_threshold_has_a_better_metric(metric: str, steps: int | None) -> None:
    probabilities, has = drawn(400, 1, steps)
    _, got = chosen({"metric": metric}, probabilities, has)
    others = [SCORES[metric](has, probabilities >= one) for one in [*np.unique(probabilities), 1.1]]
    assert SCORES[metric](has, got) == pytest.approx(max(others))


@pytest.mark.parametrize(("metric", "held", "value"), [("recall", "precision", 0.5), ("precision", "recall", 0.7)])
def test_the_one_is_best_where_the_other_is_held(metric: str, held: str, value: float) -> None:
    probabilities, has = drawn(400, 2)
    _, got = chosen({"metric": metric, "at": {held: value}}, probabilities, has)
    assert SCORES[held](has, got) >= value
    possible = [probabilities >= one for one in np.unique(probabilities)]
    best = max(SCORES[metric](has, one) for one in possible if SCORES[held](has, one) >= value)
    assert SCORES[metric](has, got) == pytest.approx(best)


def test_by_cost_it_lies_where_theory_has_it_for_probabilities_that_can_be_believed() -> None:
    """Elkan 2001: cost of a false positive over that of both errors."""
    at, _ = chosen({"cost": {"false_positive": 1.0, "false_negative": 4.0}}, *drawn(60_000, 3))
    assert at == pytest.approx(1 / 5, abs=0.04)


@pytest.mark.parametrize("steps", [None, 7])
def test_of_one_that_somebody_else_chose_the_same_is_told(steps: int | None) -> None:
    probabilities, has = drawn(400, 4, steps)
    for decision in ({"metric": "f1"}, {"cost": {"false_positive": 1.0, "false_negative": 4.0}}):
        wanted = DecisionThreshold.model_validate(decision)
        best = choose_threshold(wanted, "yes", probabilities, has)
        assert chosen_elsewhere(wanted, "yes", best.at, probabilities, has) == best
    other = chosen_elsewhere(DecisionThreshold(metric="recall", at={"precision": 0.5}), "yes", 0.3, probabilities, has)
    got = probabilities >= np.float32(0.3)
    assert other.reached == f"recall {recall_score(has, got):.3f}, precision {precision_score(has, got):.3f}"
    assert chosen_elsewhere(DecisionThreshold(metric="recall", at={"precision": 0.5}), "yes", 2.0, probabilities,
                            has).reached == "recall 0.000, precision 0.000"  # fmt: skip


def test_it_parts_the_rows_in_float32_as_the_graph_does() -> None:
    close = np.float32(0.25)
    probabilities = np.array([0.1, close, np.nextafter(close, np.float32(1)), 0.9], np.float32)
    has = np.array([False, False, True, True])
    at, got = chosen({"metric": "accuracy"}, probabilities, has)
    assert got.tolist() == has.tolist() and np.float32(at) == at
    both = np.column_stack([1 - probabilities, probabilities])
    assert class_ids_at(at, 1, both).tolist() == [0, 0, 1, 1]
    assert class_ids_at(at, 0, both[:, ::-1]).tolist() == [1, 1, 0, 0]


def test_answering_always_or_never_is_possible_where_it_is_the_cheapest() -> None:
    probabilities, has = np.full(100, 0.5, np.float32), np.arange(100) < 50
    always, got = chosen({"cost": {"false_positive": 1.0, "false_negative": 9.0}}, probabilities, has)
    assert always == 0.0 and got.all()
    never, got = chosen({"cost": {"false_positive": 9.0, "false_negative": 1.0}}, probabilities, has)
    assert never == NEVER > 1 and not got.any()
    found = choose_threshold(
        DecisionThreshold.model_validate({"cost": {"false_positive": 9.0, "false_negative": 1.0}}), "yes",
        probabilities, has,
    )  # fmt: skip
    assert found.text == "never yes" and found.rows == 100


def test_of_equals_the_one_with_the_better_other_is_taken() -> None:
    probabilities = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    has = np.array([False, True, True, True])
    at, _ = chosen({"metric": "recall", "at": {"precision": 0.7}}, probabilities, has)
    assert 0.1 < at < 0.2, "all four would reach precision .75 with the same recall"


def test_what_no_point_reaches_is_said_with_what_could_be_had() -> None:
    probabilities, has = drawn(2_000, 4, steps=5)
    with pytest.raises(LakeloopError) as error:
        chosen({"metric": "recall", "at": {"precision": 0.999}}, probabilities, has)
    told = str(error.value)
    assert "no threshold gives `yes` precision 0.999 on the 2,000 held-out rows it is chosen on" in told
    assert "the best that can be had is 0." in told and "with recall 0." in told
    assert "Write `label.decision.at.precision` below that" in told


def test_rows_of_one_class_give_none() -> None:
    with pytest.raises(LakeloopError, match=r"of these 9 have it 0; deliver more rows, or leave `label\.decision` out"):
        chosen({"metric": "f1"}, np.linspace(0, 1, 9, dtype=np.float32), np.zeros(9, bool))


def test_rows_that_count_more_are_as_if_there_were_more_of_them() -> None:
    probabilities, has = drawn(300, 6)
    weights = np.random.default_rng(7).integers(1, 4, 300)
    wanted = DecisionThreshold.model_validate({"cost": {"false_positive": 1.0, "false_negative": 3.0}})
    weighed = choose_threshold(wanted, "yes", probabilities, has, weights.astype(float))
    repeated = choose_threshold(wanted, "yes", np.repeat(probabilities, weights), np.repeat(has, weights))
    assert (weighed.at, weighed.reached, weighed.rows) == (repeated.at, repeated.reached, 300)
    assert weighed.reached != choose_threshold(wanted, "yes", probabilities, has).reached
