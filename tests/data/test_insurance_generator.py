"""The reference data comes out to 1e-12, and the fast mode draws from the same model."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.fallback import load_rules
from lakeloop.settings import PROJECT
from lakeloop.use_case import UseCase, load_module

FOLDER = PROJECT / "data" / "insurance"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load_module(FOLDER / "generator.py")


def class_counts(contract: Contract, frame: pd.DataFrame) -> list[int]:
    return with_label(contract, frame)["group_name"].value_counts().reindex(["high", "medium", "low"]).tolist()


def test_month_0_is_the_reference(use_case: UseCase) -> None:
    frame = sample_period(use_case, 0)
    first = frame.iloc[0]
    assert first["policy_id"] == "2023-01-0000" and first["month"] == "2023-01"
    assert first["age"] == pytest.approx(41.95110048903289, abs=1e-12)
    assert first["miles"] == pytest.approx(98.50976528624481, abs=1e-12)
    assert first["risk"] == pytest.approx(3.700073417427882, abs=1e-12)
    assert class_counts(use_case.contract, frame) == [580, 488, 432]


def test_month_12_is_the_reference(use_case: UseCase) -> None:
    frame = sample_period(use_case, 12)
    assert frame["miles"].sum() == pytest.approx(112933.35538477816, abs=1e-8)
    assert class_counts(use_case.contract, frame) == [378, 561, 561]
    assert frame["policy_id"].iloc[-1] == "2024-01-1499"


def test_every_reference_row_is_valid(use_case: UseCase) -> None:
    for month in range(37):
        frame = sample_period(use_case, month)
        for name, feature in use_case.contract.features.items():
            if feature.valid:
                assert frame[name].between(*feature.valid).all(), (month, name)
            else:
                assert frame[name].isin(feature.values).all(), (month, name)


@pytest.mark.parametrize("month", [0, 36])
def test_the_fast_mode_draws_from_the_same_model(contract: Contract, generator: ModuleType, month: int) -> None:
    fast = generator.sample(month, rows=200_000, seed=7)
    reference = pd.concat([generator.reference_frame(month, seed) for seed in range(40)])
    for name in (*contract.features, "risk"):
        error = np.hypot(fast[name].std() / np.sqrt(len(fast)), reference[name].std() / np.sqrt(len(reference)))
        assert abs(fast[name].mean() - reference[name].mean()) < 5 * error, name
        assert fast[name].std() == pytest.approx(reference[name].std(), rel=0.02), name


def test_the_fast_mode_repeats_with_its_seed(generator: ModuleType) -> None:
    assert generator.sample(3, rows=50, seed=1).equals(generator.sample(3, rows=50, seed=1))
    assert not generator.sample(3, rows=50, seed=1)["age"].equals(generator.sample(3, rows=50, seed=2)["age"])


@pytest.mark.parametrize(
    ("row", "group"),
    [
        ({"training": 1, "age": 20, "power": 200}, "low"),
        ({"training": 0, "age": 29.9, "power": 130.1}, "high"),
        ({"training": 0, "age": 29.9, "power": 130}, "medium"),
        ({"training": 0, "age": 50.1}, "high"),
        ({"training": 0, "age": 40, "emergency_braking": 1}, "low"),
        ({"training": 0, "age": 40, "emergency_braking": 0, "miles": 90.1}, "high"),
        ({"training": 0, "age": 40, "emergency_braking": 0, "miles": 58.1}, "medium"),
        ({"training": 0, "age": 40, "emergency_braking": 0, "miles": 58}, "low"),
    ],
)
def test_the_rules_are_the_documented_ones(use_case: UseCase, row: dict[str, float], group: str) -> None:
    rules = load_rules(use_case)
    assert rules is not None and rules(row) == group
