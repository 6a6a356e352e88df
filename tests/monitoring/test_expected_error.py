"""The error of numbers before their truth: it follows inputs to where a model errs more, and not a moved concept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.error_trees import MISSING, ErrorColumn, ErrorTrees
from lakeloop.exceptions import LakeloopError
from monitoring.expected_error import ErrorCalibration, _learnt, calibrate_errors, expected_error
from tests.use_case_copies import USE_CASES, changed_contract

ROWS = 2_000
RMSE = {"  champion_margin: 5": "  champion_margin: 5\n  decides: root_mean_squared_error"}


@pytest.fixture(scope="module")
def rentals() -> Contract:
    return load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")


def other_gate(folder: Path, changes: dict[str, str]) -> Contract:
    folder.mkdir(exist_ok=True)
    (folder / "rules.py").write_text("def usual(row): ...\n")
    return changed_contract(folder, "rentals", changes)


def hours(seed: int, rain: float = 0.2, rows: int = ROWS) -> pd.DataFrame:
    """Hours whose truth a model misses by 30 on average in the rain, else by 5, and more where more is answered."""
    draw = np.random.default_rng(seed)
    prediction = draw.uniform(0, 400, rows)
    sky = draw.choice(["clear", "rain"], rows, p=[1 - rain, rain])
    usual = np.where(sky == "rain", 30.0, 5.0) * (0.5 + prediction / 400)
    off = draw.exponential(usual) * draw.choice([-1, 1], rows)
    return pd.DataFrame({
        "hour": draw.integers(0, 24, rows), "temperature": draw.normal(12, 8, rows), "sky": sky,
        "workday": draw.integers(0, 2, rows), "prediction": prediction, "demand": prediction + off,
    })  # fmt: skip


def learnt(contract: Contract, rows: pd.DataFrame) -> ErrorCalibration:
    return calibrate_errors(contract, "7", rows.drop(columns="prediction"), rows["prediction"].to_numpy())


def realised(rows: pd.DataFrame) -> pd.Series:
    return rows["prediction"] - rows["demand"]


def test_more_rain_lets_expect_more_error_and_as_much_as_comes(rentals: Contract) -> None:
    known = learnt(rentals, hours(1))
    assert (known.method, known.metric, known.rows) == ("boosted trees", "mean_absolute_error", ROWS)
    assert known.error == pytest.approx(realised(hours(1)).abs().mean())
    for rain in (0.2, 0.8):
        window = hours(2, rain)
        estimate = expected_error(known, window)
        assert estimate.error == pytest.approx(realised(window).abs().mean(), abs=3 * estimate.standard_error)
    assert expected_error(known, hours(2, 0.8)).error > 2 * known.error
    assert expected_error(known, hours(2).assign(demand=1e6)) == expected_error(known, hours(2)), (
        "concept drift escapes"
    )


def test_answers_of_rules_do_not_count(rentals: Contract) -> None:
    known, window = learnt(rentals, hours(1)), hours(2, rows=200)
    ruled = pd.concat([window, window.assign(prediction=None, sky="rain")])
    assert expected_error(known, ruled).rows == 200
    assert expected_error(known, ruled).error == pytest.approx(expected_error(known, window).error)
    assert np.isnan(expected_error(known, window.assign(prediction=None)).error)


def test_where_squares_decide_it_is_the_root_of_their_mean(rentals: Contract, tmp_path: Path) -> None:
    known = learnt(other_gate(tmp_path, RMSE), hours(1))
    window = hours(3)
    wanted = np.sqrt((realised(window) ** 2).mean())
    estimate = expected_error(known, window)
    assert known.metric == "root_mean_squared_error"
    assert estimate.error == pytest.approx(wanted, abs=3 * estimate.standard_error) and estimate.standard_error < 5


def test_of_few_rows_the_mean_alone_is_learnt_and_of_none_nothing(rentals: Contract) -> None:
    few = learnt(rentals, hours(1, rows=99))
    assert (few.method, few.trees.trees) == ("constant", ())
    assert expected_error(few, hours(2, 0.8)).error == pytest.approx(few.error)
    with pytest.raises(LakeloopError, match="no held-out rows"):
        learnt(rentals, hours(1).head(0))


def test_the_kept_trees_answer_as_those_that_were_grown(rentals: Contract) -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    rows = hours(1).assign(temperature=lambda frame: frame["temperature"].mask(frame["hour"] == 3))
    loss = realised(rows).abs().to_numpy()
    kept = ErrorTrees.model_validate_json(_learnt(rentals, rows, loss).model_dump_json())
    encoded = np.column_stack([column.encoded(rows[column.name]) for column in kept.columns])
    grown = GradientBoostingRegressor(
        n_estimators=60, max_depth=3, learning_rate=0.1, min_samples_leaf=40, random_state=0
    ).fit(encoded, loss)
    assert kept.expected(rows) == pytest.approx(np.maximum(grown.predict(encoded), 0))
    assert len(kept.model_dump_json()) < 100_000


def test_texts_are_places_by_error_and_what_is_missing_or_unknown_lies_before_all() -> None:
    sky = ErrorColumn(name="sky", values=("clear", "rain"))
    assert sky.encoded(pd.Series(["rain", "clear", "hail", None])).tolist() == [1, 0, -1, -1]
    number = ErrorColumn(name="temperature").encoded(pd.Series([1.5, None, float("nan")], dtype=object))
    assert number.tolist() == [1.5, np.float32(MISSING), np.float32(MISSING)]


def test_the_error_that_is_watched_and_its_bound_are_the_gates(rentals: Contract, tmp_path: Path) -> None:
    assert (rentals.gate.watched_error, rentals.gate.error_bound) == ("mean_absolute_error", 60)
    squares = other_gate(tmp_path, RMSE)
    assert squares.gate.watched_error == "root_mean_squared_error"
    assert squares.gate.error_bound is None, "its only bound is of a slice"
    by_share = RMSE | {"  champion_margin: 5": "  champion_margin: 0.1\n  decides: r2_score"}
    other = other_gate(tmp_path / "other", by_share)
    assert other.gate.watched_error == "mean_absolute_error"
