"""Evens out rare classes in the training rows, as the contract's `training.balance` says."""

from collections.abc import Sequence

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

from lakeloop.exceptions import LakeloopError

NEIGHBOURS = 5
"""SMOTE's own default: a new row lies between a row and one of its five nearest of the same class."""

Blocks = Sequence[tuple[int, int]]


def balanced_weights(labels: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The weights (n,) scaled so that every class that occurs weighs the same; their sum stays."""
    by_class = np.bincount(labels, weights, minlength=classes)
    there = by_class > 0
    factor = np.zeros(classes)
    factor[there] = weights.sum() / (there.sum() * by_class[there])
    return weights * factor[labels]


def downsampled(labels: np.ndarray, seed: int) -> np.ndarray:
    """The numbers of rows to keep, in order: of every class that occurs as many as the rarest has, drawn by `seed`."""
    counts = np.bincount(labels)
    fewest, draw = counts[counts > 0].min(), np.random.default_rng(seed)
    kept = [draw.choice(np.flatnonzero(labels == one), fewest, replace=False) for one in np.flatnonzero(counts)]
    return np.sort(np.concatenate(kept))


def odds_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By what a class's probability is multiplied (classes,), from what each class counted for before and after rows
    were left out: where only the classes' shares have changed, their own ones follow from them (Saerens 2002).
    """
    share = (after / after.sum(), before / before.sum())
    return np.divide(share[1], share[0], out=np.ones(len(before)), where=after > 0)


def smote(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    categories: Blocks,
    seed: int,
    names: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with as many of each class as the commonest has: the given ones, then the made ones.

    `categories`: column ranges (start, stop) that hold one category each, one-hot or two-valued; a made row takes the
    commonest among its neighbours there, never something in between. It weighs as its class does on average.
    `names`: the classes', for who has to mend one of too few rows.

    Raises:
        LakeloopError: a class has too few rows to have neighbours.
    """
    counts = np.bincount(labels)
    few = [(names[i] if names else i, count) for i, count in enumerate(counts) if 0 < count <= NEIGHBOURS]
    if few:
        raise LakeloopError(
            f"class {few[0][0]} has {few[0][1]} training rows; SMOTE needs more than {NEIGHBOURS}: "
            "set `training.balance: weights` in the contract, or train on more periods"
        )
    codes = [np.unique(features[:, a:b], axis=0, return_inverse=True) for a, b in categories]
    inside = np.zeros(features.shape[1], bool)
    for start, stop in categories:
        inside[start:stop] = True
    numeric = features[:, ~inside]
    narrow = np.column_stack([numeric, *(inverse.reshape(-1) for _, inverse in codes)])
    made, made_labels = _sampler(numeric.shape[1], len(codes), seed).fit_resample(narrow, labels)
    wide = np.empty((len(made), features.shape[1]), features.dtype)
    wide[:, ~inside] = made[:, : numeric.shape[1]]
    for (start, stop), (values, _), column in zip(categories, codes, made[:, numeric.shape[1] :].T, strict=True):
        wide[:, start:stop] = values[column.astype(int)]
    mean = np.bincount(labels, weights) / np.maximum(counts, 1)
    return wide, made_labels, np.concatenate([weights, mean[made_labels[len(labels) :]]])


def _sampler(numeric: int, categorical: int, seed: int) -> SMOTE | SMOTEN | SMOTENC:
    if not categorical:
        return SMOTE(random_state=seed, k_neighbors=NEIGHBOURS)
    if not numeric:
        return SMOTEN(random_state=seed, k_neighbors=NEIGHBOURS)
    return SMOTENC(list(range(numeric, numeric + categorical)), random_state=seed, k_neighbors=NEIGHBOURS)
