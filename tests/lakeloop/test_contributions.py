"""What features contributed to an answer: exact where theory says what it must be, and always adding up to it."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from lakeloop.contributions import MOST_MIXTURES, Contributions, coalitions_of, contributions
from lakeloop.exceptions import LakeloopError

Columns = dict[str, np.ndarray]
DRAWN = np.random.default_rng(3)


def names(count: int) -> list[str]:
    return [f"x{number}" for number in range(count)]


def rows(count: int, features: int) -> Columns:
    return {name: DRAWN.normal(size=count) for name in names(features)}


def adds_up(found: Contributions) -> bool:
    return bool(np.allclose(found.base + sum(found.by_feature.values()), found.answer))


@pytest.mark.parametrize("features", [1, 2, 6, 30])
def test_of_a_linear_model_they_are_weight_times_distance_from_the_mean(features: int) -> None:
    weights = np.column_stack([np.arange(features) + 1.0, -np.arange(features) / 2])
    background, row = rows(50, features), {name: float(place) for place, name in enumerate(names(features))}

    def ask(columns: Columns) -> np.ndarray:
        return np.column_stack([columns[name] for name in names(features)]) @ weights + 7

    found = contributions(ask, row, background, names(features))
    mean = {name: values.mean() for name, values in background.items()}
    for name, weight in zip(names(features), weights, strict=True):
        assert found.by_feature[name] == pytest.approx(weight * (row[name] - mean[name]), abs=1e-6)
    assert found.base == pytest.approx(ask({name: np.array([value]) for name, value in mean.items()})[0])
    assert adds_up(found)


def test_they_are_the_shapley_values_by_their_definition() -> None:
    background, row = rows(20, 4), dict.fromkeys(names(4), 1.5)

    def ask(columns: Columns) -> np.ndarray:
        a, b, c, d = (columns[name] for name in names(4))
        return np.column_stack([np.tanh(a * b) + c, np.where(d > 0, a * c, b)])

    def value(coalition: tuple[str, ...]) -> np.ndarray:
        mixed = {n: np.full(20, row[n]) if n in coalition else values for n, values in background.items()}
        return ask(mixed).mean(axis=0)

    def shapley(name: str) -> np.ndarray:
        others = [other for other in names(4) if other != name]
        return sum(
            math.factorial(size) * math.factorial(3 - size) / 24 * (value((*known, name)) - value(known))
            for size in range(4)
            for known in itertools.combinations(others, size)
        )

    found = contributions(ask, row, background, names(4))
    for name in names(4):
        assert found.by_feature[name] == pytest.approx(shapley(name), abs=1e-9)


def test_categories_and_gaps_are_asked_as_they_are_and_what_is_not_explained_stays() -> None:
    background: Columns = {
        "plan": np.array(["a", "b", None, "a"], object), "usage": np.array([1.0, 2.0, 3.0, 4.0]),
        "fixed": np.array(["x", "x", "y", "y"]),
    }  # fmt: skip
    seen: set[Any] = set()

    def ask(columns: Columns) -> np.ndarray:
        seen.update(columns["plan"])
        assert set(columns["fixed"]) == {"longer"}
        return np.where(columns["plan"] == "a long plan", 10.0, 0.0) * columns["usage"]

    found = contributions(ask, {"plan": "a long plan", "usage": 5.0, "fixed": "longer"}, background, ["plan", "usage"])
    assert seen == {"a", "b", None, "a long plan"}
    assert (found.base, found.answer) == (0.0, 50.0) and adds_up(found)
    assert found.by_feature["plan"] == pytest.approx(37.5) and found.by_feature["usage"] == pytest.approx(12.5)


def test_nothing_to_explain_and_nothing_that_matters() -> None:
    background, row = rows(10, 3), dict.fromkeys(names(3), 1.0)
    constant = contributions(lambda columns: np.full(len(columns["x0"]), 0.25), row, background, names(3))
    assert all(np.allclose(value, 0) for value in constant.by_feature.values()) and constant.base == 0.25
    assert contributions(lambda columns: columns["x0"], row, background, []).by_feature == {}


def test_the_model_is_asked_about_a_bounded_number_of_rows_however_many_features_there_are() -> None:
    assert [coalitions_of(count) for count in (0, 1, 2, 6, 8, 9, 20, 500)] == [0, 0, 2, 62, 254, 400, 400, 2000]
    asked: list[int] = []

    def ask(columns: Columns) -> np.ndarray:
        asked.append(len(columns["x0"]))
        return np.sum(list(columns.values()), axis=0) ** 2 / 100

    for count in (6, 30, 200):
        asked.clear()
        found = contributions(ask, dict.fromkeys(names(count), 1.0), rows(50, count), names(count))
        assert adds_up(found) and len(asked) == 3, "nobody is known, all are known, and the coalitions in one call"
        assert sum(asked) <= MOST_MIXTURES + 2 * 50


def test_the_same_question_has_the_same_answer_and_nobody_else_s_draws_change() -> None:
    background, row = rows(50, 20), dict.fromkeys(names(20), 1.0)

    def ask(columns: Columns) -> np.ndarray:
        return np.prod([1 + values / 4 for values in columns.values()], axis=0)

    np.random.seed(5)
    drawn = np.random.random(2)
    np.random.seed(5)
    first = contributions(ask, row, background, names(20))
    assert np.random.random(2).tolist() == drawn.tolist()
    again = contributions(ask, row, background, names(20))
    assert all(np.array_equal(first.by_feature[name], again.by_feature[name]) for name in names(20))


def test_an_answer_that_is_no_number_is_said() -> None:
    def ask(columns: Columns) -> np.ndarray:
        return np.where(columns["x0"] > 0, np.nan, 1.0)

    with pytest.raises(LakeloopError, match="is no number"):
        contributions(ask, {"x0": -1.0, "x1": 1.0}, rows(50, 2), names(2))
