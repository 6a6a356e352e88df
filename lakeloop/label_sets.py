"""Sets of several labels: which of them a model answers, as the number of a set, whose bit i stands for label i."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ANSWERED_FROM = 0.5
"""A label is answered from this probability of it on."""


def set_ids(probabilities: "np.ndarray") -> "np.ndarray":
    """Probabilities (n, labels) -> the numbers of the sets that are answered (n,) int."""
    import numpy as np

    bits = 2 ** np.arange(probabilities.shape[1], dtype=np.int64)
    return np.asarray((probabilities >= ANSWERED_FROM) @ bits)


def has_labels(ids: "np.ndarray", labels: int) -> "np.ndarray":
    """Numbers of sets (n,) -> whether each label is in them (n, labels) bool."""
    import numpy as np

    return (ids[:, None].astype(np.int64) >> np.arange(labels) & 1).astype(bool)


def set_confidences(ids: "np.ndarray", probabilities: "np.ndarray") -> "np.ndarray":
    """How likely exactly these sets (n,) are, by the probabilities of their labels (n, labels), which are taken for
    independent: (n,).
    """
    import numpy as np

    has = has_labels(ids, probabilities.shape[1])
    return np.asarray(np.where(has, probabilities, 1 - probabilities).prod(axis=1))
