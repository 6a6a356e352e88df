"""Importance weights against a shift whose true density ratio is known, and on the reference data."""

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.retraining.importance import importance

SETTINGS = Settings(use_case="insurance")


@pytest.fixture(scope="module")
def first(contract: Contract) -> pd.DataFrame:
    return sample_period(UseCase(SETTINGS, contract), 0)


def test_a_share_that_changed_is_weighed_by_the_ratio_of_shares(contract: Contract, first: pd.DataFrame) -> None:
    with_training, without = first[first["training"] == 1], first[first["training"] == 0]
    count = min(len(with_training), 200)
    window = pd.concat([with_training.head(count), without.head(count)])
    found = importance(contract, first, window)
    weights = found.of(first, "policy_id")
    share = len(with_training) / len(first)
    assert weights[first["training"] == 1].mean() == pytest.approx(0.5 / share, rel=0.1)
    assert weights[first["training"] == 0].mean() == pytest.approx(0.5 / (1 - share), rel=0.1)
    assert weights.mean() == pytest.approx(1)
    assert found.effective_rows < len(first)


def test_weighted_old_rows_look_like_current_requests(contract: Contract, first: pd.DataFrame) -> None:
    later = sample_period(UseCase(SETTINGS, contract), 11)
    weights = importance(contract, first, later).of(first, "policy_id")
    for name in ("miles", "emergency_braking", "age"):
        before, now = first[name].mean(), later[name].mean()
        weighted = np.average(first[name], weights=weights)
        assert abs(weighted - now) < 0.35 * abs(before - now), name


def test_the_same_distribution_weighs_all_rows_about_the_same(contract: Contract, first: pd.DataFrame) -> None:
    found = importance(contract, first, sample_period(UseCase(SETTINGS, contract), 0, seed=7))
    assert found.effective_rows > 0.95 * len(first) and found.clipped == 0


def test_a_few_rows_cannot_decide_everything(contract: Contract, first: pd.DataFrame) -> None:
    window = first[first["miles"] > first["miles"].quantile(0.97)].sample(400, replace=True, random_state=1)
    found = importance(contract, first, window)
    weights = found.of(first, "policy_id")
    assert 0 < found.clipped == (weights == weights.max()).sum()
    assert found.effective_rows < len(first) / 5


def test_too_few_requests_are_refused(contract: Contract, first: pd.DataFrame) -> None:
    with pytest.raises(WrongUseError, match="12 requests are too few"):
        importance(contract, first, first.head(12))
