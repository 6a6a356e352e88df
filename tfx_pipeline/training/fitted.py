"""What any kind of model is fitted on, and what comes of it: all that the Trainer and the export know of a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from lakeloop.contract.label import Loss
from tfx_pipeline.training.rows import Rows


@dataclass(frozen=True)
class TrainingData:
    """The prepared rows: weighted, drawn and balanced as the run asks.

    `train` is batches of (features (n, width) float32, labels (n,)) from disk where the rows are too many for memory.
    `validation`, the eval rows, always is; it only tells how training went, and is None where nobody asks. Labels are
    class ids, int64; or, where there are no `classes`, numbers of mean 0 and deviation 1, float32, but by a `loss` of
    counts of mean 1 and never below 0. `one_hot`: the ranges of columns that hold one category each, as
    `category_ranges` gives them. `several`: `classes` are labels of which a row may have any; its label is the number
    of their set.
    """

    train: Rows | tf.data.Dataset
    validation: tf.data.Dataset | None
    width: int
    classes: int
    one_hot: tuple[tuple[int, int], ...] = ()
    loss: Loss = "squared_error"
    several: bool = False


@dataclass(frozen=True)
class Fitted:
    """A fitted model: (batch, width) float32 -> probabilities (batch, classes), or a number (batch, 1), float32.

    In plain TensorFlow.

    `variables`: what `predict` reads, to be saved with it. `history`: figures by name, one value an epoch.
    """

    predict: Callable[[tf.Tensor], tf.Tensor]
    variables: Sequence[tf.Variable]
    history: Mapping[str, Sequence[float]]

    def with_odds(self, odds: np.ndarray) -> "Fitted":
        """The model whose probabilities are multiplied by these (classes,), and made to sum to 1 again."""
        factors, predict = tf.constant(odds, tf.float32), self.predict

        def answer(features: tf.Tensor) -> tf.Tensor:
            weighed = predict(features) * factors
            return weighed / tf.reduce_sum(weighed, axis=1, keepdims=True)

        return replace(self, predict=answer)
