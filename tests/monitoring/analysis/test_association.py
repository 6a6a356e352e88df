"""How much a feature says about the target, measured on data whose answer is known."""

import numpy as np
import pytest

from monitoring.analysis.association import explained_share

ROWS = 20_000


def test_the_share_explained_is_the_share_put_in() -> None:
    random = np.random.default_rng(1)
    groups = random.integers(0, 5, ROWS)
    target = groups - 2.0 + random.normal(0, np.sqrt(2.0), ROWS)  # groups' variance is 2, so is the noise's
    assert explained_share(groups, target[:, None]) == pytest.approx(0.5, abs=0.02)


def test_chance_explains_nothing() -> None:
    random = np.random.default_rng(2)
    shares = [explained_share(random.integers(0, 10, 200), random.normal(size=(200, 1))) for _ in range(50)]
    assert np.mean(shares) < 0.02


def test_of_classes_it_is_goodman_and_kruskals_tau() -> None:
    """Two groups that are right 80 % of the time: tau = (.8² + .2² - .5) / (1 - .5)."""
    groups = np.repeat([0, 1], ROWS // 2)
    classes = np.where(np.arange(ROWS) % 5 == 0, 1 - groups, groups)
    target = (classes[:, None] == np.arange(2)[None, :]).astype(float)
    assert explained_share(groups, target) == pytest.approx((0.64 + 0.04 - 0.5) / 0.5, abs=0.001)


@pytest.mark.parametrize("target", [np.ones((4, 1)), np.array([[1.0], [2.0], [3.0], [4.0]])])
def test_a_constant_target_and_a_group_a_row_explain_nothing(target: np.ndarray) -> None:
    assert explained_share(np.arange(4), target) == 0.0
