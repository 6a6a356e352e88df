"""Importance weights of exported rows: a small CSV keyed by the contract's key, named by the sha256 of its bytes.

So a run's parameter, the file's path, says which weights it was: caches and lineage hold, and the file cannot be
changed unnoticed. The export itself stays the CSV of gold it is.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lakeloop.atomic_file import write_bytes
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.use_case import UseCase

HEADER = ("key", "weight")


def save_row_weights(use_case: UseCase, weights: Mapping[str, float]) -> Path:
    """Write the weights by key into the `tfx` area; the same weights are the same file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((key, repr(float(weights[key]))) for key in sorted(weights))
    content = text.getvalue().encode()
    path = use_case.folder("tfx").absolute() / "weights" / f"{hashlib.sha256(content).hexdigest()}.csv"
    return write_bytes(path, content)


def load_row_weights(path: Path) -> dict[str, float]:
    """Weights by key.

    Raises:
        WrongUseError: the file is not there, was changed, or holds something else than weights.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongUseError(f"there are no row weights at {path}; `lakeloop retrain` writes them") from error
    if hashlib.sha256(content).hexdigest() != path.stem:
        raise WrongUseError(f"{path} was changed: its sha256 is not its name; run `lakeloop retrain` again")
    rows = csv.reader(io.StringIO(content.decode()))
    if tuple(next(rows, ())) != HEADER:
        raise WrongUseError(f"{path} holds no row weights: its header is not {','.join(HEADER)}")
    return {key: float(weight) for key, weight in rows}


def weights_of(keys: Sequence[str], weights: Mapping[str, float]) -> np.ndarray:
    """The weights (n,) float64 of rows in their order.

    Raises:
        LakeloopError: a row has no weight; the text names it.
    """
    missing = [key for key in keys if key not in weights]
    if missing:
        raise LakeloopError(
            f"{len(missing):,} of {len(keys):,} rows have no weight, e.g. {missing[0]}: the weights were made for "
            "another export; run `lakeloop retrain` again"
        )
    return np.array([weights[key] for key in keys], np.float64)


def effective_rows(weights: np.ndarray) -> float:
    """Kish's effective sample size: how many equally weighted rows tell as much, (Σw)² / Σw²."""
    return float(weights.sum() ** 2 / np.square(weights).sum())
