"""Weights cross to the pipeline as a file that is named by what is in it."""

from pathlib import Path

import numpy as np
import pytest

from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.exports import settings_in
from tfx_pipeline.training.row_weights import effective_rows, load_row_weights, save_row_weights, weights_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, "insurance")


def test_weights_come_back_as_they_were_and_the_same_ones_are_the_same_file(use_case: UseCase) -> None:
    weights = {"b,1": 0.1 + 0.2, "a": 1e-9, 'c "x"': 10.0}
    path = save_row_weights(use_case, weights)
    assert load_row_weights(path) == weights
    assert save_row_weights(use_case, dict(reversed(weights.items()))) == path
    assert save_row_weights(use_case, weights | {"a": 2e-9}) != path


def test_a_changed_file_is_refused(use_case: UseCase) -> None:
    path = save_row_weights(use_case, {"a": 1.0})
    path.write_text(path.read_text().replace("1.0", "2.0"))
    with pytest.raises(WrongUseError, match="was changed"):
        load_row_weights(path)
    with pytest.raises(WrongUseError, match="no row weights"):
        load_row_weights(path.with_name("none.csv"))


def test_weights_are_found_by_key_in_any_order_and_a_row_without_one_is_named() -> None:
    weights = {"a": 1.0, "b": 2.0}
    assert weights_of(["b", "a", "b"], weights).tolist() == [2.0, 1.0, 2.0]
    with pytest.raises(LakeloopError, match=r"1 of 2 rows have no weight, e\.g\. c"):
        weights_of(["a", "c"], weights)


def test_effective_rows_are_all_where_weights_are_equal_and_one_where_one_row_has_all() -> None:
    assert effective_rows(np.full(50, 3.0)) == pytest.approx(50)
    assert effective_rows(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert effective_rows(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
