"""Numbers that are predicted, as a model is fitted on them, whatever their unit: with mean 0 and deviation 1, or, where
they are never below 0 and fitted as counts, with mean 1.
"""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from lakeloop.contract.label import Loss
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.rows import Rows


@dataclass(frozen=True)
class LabelScale:
    """Mean and deviation of the training rows' labels; a label that never varies has deviation 1. Of counts the mean is
    taken for the deviation and nothing is taken away, so that none goes below 0.
    """

    mean: float
    deviation: float

    @staticmethod
    def of(rows: Rows | tf.data.Dataset, loss: Loss = "squared_error") -> "LabelScale":
        """That of rows in memory, each counting by its weight, or of batches from disk."""
        if isinstance(rows, Rows):
            labels, weights = rows.labels.astype(np.float64), rows.weights
        else:
            labels, weights = np.concatenate([y for _, y in rows.as_numpy_iterator()]).astype(np.float64), None
        mean = float(np.average(labels, weights=weights))
        if loss == "poisson":
            return LabelScale(0.0, mean or 1.0)
        deviation = float(np.sqrt(np.average((labels - mean) ** 2, weights=weights)))
        return LabelScale(mean, deviation or 1.0)

    def scaled(self, data: TrainingData) -> TrainingData:
        """The same rows with labels a model is fitted on."""
        train = self.of_rows(data.train) if isinstance(data.train, Rows) else data.train.map(self._of_batch)
        validation = None if data.validation is None else data.validation.map(self._of_batch)
        return replace(data, train=train, validation=validation)

    def of_rows(self, rows: Rows) -> Rows:
        """The same of rows in memory."""
        return replace(rows, labels=((rows.labels - self.mean) / self.deviation).astype(np.float32))

    def unscaled(self, model: Fitted) -> Fitted:
        """A model whose answers are in the label's unit."""
        predict = model.predict
        return replace(model, predict=lambda features: predict(features) * self.deviation + self.mean)

    def _of_batch(self, features: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return features, (labels - self.mean) / self.deviation
