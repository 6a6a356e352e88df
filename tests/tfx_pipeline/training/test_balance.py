"""Rare classes evened out: by weights, and by rows that SMOTE makes."""

import numpy as np
import pytest

from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.balance import balanced_weights, smote


def rare(rows: int = 200, every: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two numeric columns, one two-valued, one category as three one-hot columns; class 1 is one row in `every`."""
    random = np.random.default_rng(seed)
    labels = (np.arange(rows) % every == 0).astype(np.int64)
    numeric = random.normal(size=(rows, 2)) + 3 * labels[:, None]
    binary = np.where(random.random(rows) < 0.3, 1.7, -0.6)
    one_hot = np.eye(3)[random.integers(0, 3, rows)]
    return np.column_stack([numeric[:, 0], binary, one_hot, numeric[:, 1]]).astype(np.float32), labels


BLOCKS = [(1, 2), (2, 5)]


def test_weights_make_every_class_weigh_the_same_and_keep_their_sum() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = balanced_weights(labels, np.array([1.0, 1.0, 2.0, 0.5]), classes=3)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    assert weights.sum() == pytest.approx(4.5)
    assert weights[2] == pytest.approx(2 * weights[0])


def test_smote_makes_as_many_rows_of_the_rare_class_between_its_own() -> None:
    features, labels = rare()
    made, made_labels, weights = smote(features, labels, np.ones(len(labels)), BLOCKS, seed=1)
    assert np.bincount(made_labels).tolist() == [180, 180]
    np.testing.assert_array_equal(made[:200], features)
    new, own = made[200:], features[labels == 1]
    assert (made_labels[200:] == 1).all() and made.dtype == np.float32
    for column in (0, 5):
        assert own[:, column].min() <= new[:, column].min() and new[:, column].max() <= own[:, column].max()
    assert len(np.unique(new[:, 0])) > 100, "new rows, not copies"
    assert (weights == 1).all() and len(weights) == 360


def test_smote_makes_no_value_between_categories() -> None:
    features, labels = rare()
    made, _, _ = smote(features, labels, np.ones(len(labels)), BLOCKS, seed=1)
    assert set(np.unique(made[:, 1])) == set(np.unique(features[:, 1]))
    one_hot = made[:, 2:5]
    assert set(np.unique(one_hot)) == {0.0, 1.0} and (one_hot.sum(axis=1) == 1).all()


def test_made_rows_weigh_as_their_class_does_on_average() -> None:
    features, labels = rare()
    given = np.where(labels == 1, np.where(np.arange(200) < 100, 2.0, 4.0), 1.0)
    _, _, weights = smote(features, labels, given, BLOCKS, seed=1)
    np.testing.assert_array_equal(weights[:200], given)
    assert (weights[200:] == 3.0).all()


@pytest.mark.parametrize("blocks", [[], [(0, 1), (1, 2), (2, 5), (5, 6)]])
def test_smote_takes_numeric_columns_alone_and_categories_alone(blocks: list[tuple[int, int]]) -> None:
    features, labels = rare()
    features = np.round(features) if blocks else features
    made, made_labels, _ = smote(features, labels, np.ones(len(labels)), blocks, seed=1)
    assert np.bincount(made_labels).tolist() == [180, 180] and made.shape[1] == 6


def test_a_class_with_too_few_rows_is_named() -> None:
    features, labels = rare(rows=40, every=10)
    with pytest.raises(LakeloopError, match=r"class 1 has 4 training rows.*balance: weights"):
        smote(features, labels, np.ones(40), BLOCKS, seed=1)
