"""Rare classes evened out: by weights, and by rows that SMOTE makes."""

import numpy as np
import pytest
import tensorflow as tf

from lakeloop.contract import TreesSettings
from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.balance import balanced_weights, downsampled, odds_of, smote
from tfx_pipeline.training.fitted import TrainingData
from tfx_pipeline.training.rows import Rows
from tfx_pipeline.training.trainer import fit


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


def test_of_every_class_as_many_rows_are_kept_as_the_rarest_has() -> None:
    labels = np.array([0] * 50 + [2] * 4 + [1] * 9)
    kept = downsampled(labels, seed=1)
    assert np.bincount(labels[kept]).tolist() == [4, 4, 4] and len(set(kept)) == 12 and (np.diff(kept) > 0).all()
    assert kept.tolist() != downsampled(labels, seed=2).tolist()


def test_odds_give_back_the_shares_that_were_before() -> None:
    before, after = np.array([80.0, 15.0, 5.0, 0.0]), np.array([5.0, 5.0, 5.0, 0.0])
    weighed = (after / after.sum()) * odds_of(before, after)
    np.testing.assert_allclose(weighed / weighed.sum(), before / before.sum())


def test_probabilities_of_a_model_of_thinned_rows_are_those_of_all_rows() -> None:
    random = np.random.default_rng(2)
    features = random.normal(size=(20_000, 1)).astype(np.float32)
    chances = 1 / (1 + np.exp(4 - 1.5 * features[:, 0]))
    labels = (random.random(20_000) < chances).astype(np.int64)
    rows = Rows(features, labels)._thinned(2, seed=1)
    assert len(rows.labels) == 2 * labels.sum() < 2_000
    fitted = fit(TreesSettings(iterations=30, leaves=4), TrainingData(rows, None, 1, 2))
    given = fitted.predict(tf.constant(features)).numpy()
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-6)
    assert given[:, 1].mean() == pytest.approx(labels.mean(), rel=0.15)
    assert np.abs(given[:, 1] - chances).mean() < 0.02


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
    with pytest.raises(LakeloopError, match=r"class leaves has 4 training rows.*balance: weights"):
        smote(features, labels, np.ones(40), BLOCKS, 1, ("stays", "leaves"))
