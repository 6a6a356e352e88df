"""Every drift test a contract may name gives, on whatever it is shown, the number that Evidently's report gives."""

import os
import warnings
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import DriftTest
from lakeloop.contract.features import NUMERIC_TESTS
from monitoring.drift.distances import P_VALUES, TESTS, is_drift, score

ALLOWED = get_args(DriftTest.model_fields["test"].annotation)
SIZES = ((6000, 1500), (1500, 100), (40, 2500), (12, 10), (1, 1))
"""(rows of the reference, rows now)"""
ROOTS = ("hellinger", "jensenshannon")
"""The root of what rounding leaves of 0 is some 1e-8."""


def numbers(rows: int, moved: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Columns of numbers; `moved` is 0 in the reference."""
    normal = random.normal(size=rows)
    columns = {
        "the same": normal,
        "shifted": normal + moved,
        "wider": normal * (1 + moved),
        "skewed": random.lognormal(moved, 1, rows),
        "whole numbers": random.integers(0, 300, rows) + int(10 * moved),
        "few whole numbers": random.integers(0, 5, rows) + int(moved),
        "20 different": np.arange(rows) % 20 + int(moved),
        "21 different": np.arange(rows) % 21 + int(moved),
        "constant": np.full(rows, 3.5),
        "constant that changed": np.full(rows, 120.0 + moved),
        "became constant": np.full(rows, 1.0) if moved else normal,
        "far away": normal + 1e6 * moved,
        "tiny": normal * 1e-9,
        "apart": normal + 50 * moved,
        "rare": np.where(np.arange(rows) % 1000 == 0, 100.0, 1.0),
    }
    holed = normal + moved
    holed[1 : rows // 3 : 2] = np.nan
    holed[2 : rows // 4 : 4] = [np.inf, -np.inf][: 1 + rows % 2][0]
    return columns | {"missing and infinite": holed}


def categories(rows: int, moved: float, random: np.random.Generator) -> dict[str, list[str | None]]:
    """Columns of categories; some of them are only there, or are not there any more, when something moved."""
    names = np.array(["low", "medium", "high"])
    shares = [0.5, 0.3, 0.2] if moved else [0.2, 0.3, 0.5]
    drawn = random.choice(names, rows, p=shares)
    columns = {
        "the same shares": random.choice(names, rows),
        "other shares": drawn,
        "unseen": np.where(np.arange(rows) % 7 == 0, "new" if moved else "low", drawn),
        "gone": np.where(drawn == "medium", "low", drawn) if moved else drawn,
        "one": np.full(rows, "only"),
        "another one": np.full(rows, "then" if moved else "before"),
        "numbers as text": random.integers(0, 3, rows).astype(str),
        "many": np.char.add("c", random.integers(0, 400, rows).astype(str)),
    }
    holed = [None if place % 3 == 1 else value for place, value in enumerate(drawn.tolist())]
    return {name: list(map(str, values)) for name, values in columns.items()} | {"partly missing": holed}


@pytest.mark.parametrize(("before", "now"), SIZES)
def test_scores_and_what_is_drift_are_evidentlys(before: int, now: int) -> None:
    os.environ.setdefault("DO_NOT_TRACK", "1")  # read when Evidently is imported
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    random = np.random.default_rng(before + now)
    frames = [
        pd.DataFrame({**numbers(rows, moved, random), **categories(rows, moved, random)})
        for rows, moved in ((before, 0.0), (now, 1.3))
    ]
    numeric = list(numbers(1, 0, random))
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in frames[0] if name not in numeric]
    )
    asked = [
        (name, test, 0.05 if test in P_VALUES else 0.1)
        for name in frames[0]
        for test in ALLOWED
        if name in numeric or test not in NUMERIC_TESTS
    ]
    report = Report([ValueDrift(column=c, method=t, threshold=limit) for c, t, limit in asked], include_tests=True)
    reference, current = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
    with warnings.catch_warnings(action="ignore"):
        found = report.run(current, reference).dict()
    theirs = [metric["value"] for metric in found["metrics"]]
    drifted = [test["status"] == "FAIL" for test in found["tests"]]
    assert len(theirs) == len(drifted) == len(asked)
    for (name, test, limit), wanted, drift in zip(asked, theirs, drifted, strict=True):
        parts = [there(frame[name], name in numeric) for frame in frames]
        ours = score(test, *parts, name in numeric)
        near_0 = 1e-7 if test in ROOTS else 1e-9
        assert ours == pytest.approx(wanted, rel=1e-9, abs=near_0, nan_ok=True), (name, test)
        assert is_drift(test, ours, limit) == drift or ours == pytest.approx(limit), (name, test)


def there(values: pd.Series, numeric: bool) -> pd.Series:
    """What is not missing."""
    return values[np.isfinite(values)] if numeric else values.dropna()


def test_there_is_a_distance_for_every_test_a_contract_may_name() -> None:
    assert set(TESTS) == set(ALLOWED)


@pytest.mark.parametrize("test", sorted(TESTS))
def test_neither_side_is_changed_and_nothing_moved_is_no_drift(test: str) -> None:
    values = pd.Series(np.random.default_rng(1).normal(size=500))
    kept = values.copy()
    found = score(test, values, values, numeric=True)
    assert not is_drift(test, found, 0.05)
    assert found == pytest.approx(1.0 if test in P_VALUES else 0.0, abs=1e-7)
    pd.testing.assert_series_equal(values, kept)


def test_equal_shares_of_other_row_counts_are_no_distance_for_all_rounding() -> None:
    """The sum of a few logarithms that should be 0 may come out below it, and that has no root."""
    for count in range(1, 60):
        once = pd.Series([str(place % 7) for place in range(7 * count)] + ["7"] * count)
        assert score("jensenshannon", once, pd.concat([once] * 3), numeric=False) == pytest.approx(0, abs=1e-7)
