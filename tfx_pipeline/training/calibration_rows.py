"""Which held-out rows intervals, or a threshold, are learnt from; the others tell how good these are."""

import hashlib
from collections.abc import Iterable

import numpy as np


def calibrates(key: str) -> bool:
    """Whether the eval row with this key is one of the half that intervals, or a threshold, are learnt from.

    By a hash of its own, so that it has nothing to do with the split into train and eval.
    """
    return int(hashlib.sha256(f"interval:{key}".encode()).hexdigest()[:8], 16) % 2 == 0


def which_calibrate(keys: Iterable[str]) -> np.ndarray:
    """The same of several rows, (n,) bool."""
    return np.array([calibrates(key) for key in keys], bool)
