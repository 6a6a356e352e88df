"""Training that stops where rows held back are answered no better; and counts, which are never below 0."""

import numpy as np
import pytest
import tensorflow as tf

from lakeloop.contract import NetworkSettings
from tfx_pipeline.training.fitted import TrainingData
from tfx_pipeline.training.network import HELD_BACK_LOSS, fit
from tfx_pipeline.training.rows import Rows
from tfx_pipeline.training.trainer import fit as fit_model

SETTINGS = NetworkSettings(layers=1, units=32, epochs=60, batch=64, learning_rate=0.02, stop_after=3)


@pytest.fixture(scope="module")
def noise() -> Rows:
    """Labels that features say little about: what a network learns after the first epochs is by heart."""
    random = np.random.default_rng(1)
    features = random.normal(size=(600, 8)).astype(np.float32)
    labels = (features[:, 0] + random.normal(scale=2, size=600) > 0).astype(np.int64)
    return Rows(features, labels)


def data(train: Rows | tf.data.Dataset) -> TrainingData:
    return TrainingData(train, None, width=8, classes=2)


def loss(rows: Rows, predict: object) -> float:
    given = predict(tf.constant(rows.features)).numpy()  # type: ignore[operator]
    return float(-np.log(given[np.arange(len(rows.labels)), rows.labels]).mean())


def test_training_stops_where_rows_held_back_are_answered_no_better(noise: Rows) -> None:
    stopped = fit(SETTINGS, data(noise), None)
    held = stopped.history[HELD_BACK_LOSS]
    assert len(held) < 60 and len(held) == int(np.argmin(held)) + 1 + 3
    whole = fit(SETTINGS.model_copy(update={"stop_after": 0}), data(noise), None)
    assert len(whole.history["loss"]) == 60 and HELD_BACK_LOSS not in whole.history
    assert loss(noise, stopped.predict) > loss(noise, whole.predict), "the best epoch's, not one that knows by heart"


def test_rows_with_weights_and_rows_from_disk_are_held_back_too(noise: Rows) -> None:
    weighted = Rows(noise.features, noise.labels, np.linspace(0.5, 1.5, 600))
    batches = tf.data.Dataset.from_tensor_slices((noise.features, noise.labels)).batch(30)
    for rows in (weighted, batches):
        assert len(fit(SETTINGS, data(rows), None).history[HELD_BACK_LOSS]) < 60


@pytest.mark.parametrize("from_disk", [False, True])
def test_counts_are_answered_by_their_mean_and_never_below_0(from_disk: bool) -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(2_000, 1)).astype(np.float32)
    counts = random.poisson(np.exp(features[:, 0] - 1)).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((features, counts)).batch(100)
    train = batches if from_disk else Rows(features, counts)
    settings = NetworkSettings(layers=1, units=32, epochs=60, batch=64, learning_rate=0.005, dropout=0.0)
    fitted = fit_model(settings, TrainingData(train, batches, width=1, classes=0, loss="poisson"))
    far = fitted.predict(tf.constant([[-30.0], [-2.0], [0.0], [1.5]])).numpy()[:, 0]
    assert (far >= 0).all() and fitted.predict(features).numpy().mean() == pytest.approx(counts.mean(), rel=0.15)
    np.testing.assert_allclose(far[1:], np.exp(np.array([-2.0, 0.0, 1.5]) - 1), rtol=0.35, atol=0.1)
    assert set(fitted.history) == {"loss", "val_loss", "mean_absolute_error", "val_mean_absolute_error"}
