"""What the features say about the target: correlation, and the share of its variance each one explains."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.features import OPEN
from lakeloop.label_sets import has_labels

BINS = 10
RESAMPLES = 30


@dataclass(frozen=True)
class Association:
    """One feature and the target. `correlation` is Pearson's (-1..1), None where either is not a number.

    `explained` is the share of the target's variance between the feature's ten quantile bins or its categories, so
    it sees curves too; missing values are a group of their own, and have no part in the correlation. The errors are
    standard errors, from resampled rows: targets have tails that formulas ignore.
    """

    feature: str
    correlation: float | None
    correlation_error: float
    explained: float
    error: float


def associations(contract: Contract, rows: pd.DataFrame) -> tuple[Association, ...]:
    """Every feature's association with the target in labelled rows, in the contract's order."""
    return tuple(_association(contract, rows, name) for name in contract.features)


def group_weights(contract: Contract, found: tuple[Association, ...]) -> dict[str, tuple[float, float]]:
    """Group of features -> its share of all that the features explain one by one, and that share's standard error.

    {} where fewer than two groups are named or nothing is explained.
    """
    explained: dict[str, float] = {}
    errors: dict[str, float] = {}
    for one in found:
        group = contract.features[one.feature].group
        if group is not None:
            explained[group] = explained.get(group, 0.0) + one.explained
            errors[group] = float(np.hypot(errors.get(group, 0.0), one.error))
    total = sum(explained.values())
    if len(explained) < 2 or total == 0:
        return {}
    weights = {}
    for group, share in explained.items():
        weight = share / total
        others = float(np.sqrt(sum(error**2 for name, error in errors.items() if name != group)))
        weights[group] = (weight, float(np.hypot((1 - weight) * errors[group], weight * others)) / total)
    return weights


def target_columns(contract: Contract, rows: pd.DataFrame) -> np.ndarray:
    """The target as numbers (n, k): the truth itself, or one 0/1 column a class or label where it is no number."""
    label = contract.label
    if not label.classes:
        return rows[[label.name]].to_numpy(float)
    if label.truth_is_number and label.truth_column in rows and not rows[label.truth_column].isna().any():
        return rows[[label.truth_column]].to_numpy(float)
    ids = rows[label.name].to_numpy()
    if label.several:
        return has_labels(ids, len(label.classes)).astype(float)
    return (ids[:, None] == np.arange(len(label.classes))[None, :]).astype(float)


def explained_share(groups: np.ndarray, target: np.ndarray) -> float:
    """Share of the variance of `target` (n, k) that lies between `groups` (n,), without what chance alone gives.

    For one column the correlation ratio (Pearson 1905) with Kelley's correction; for 0/1 columns of classes this is
    Goodman and Kruskal's tau.
    """
    total = float(((target - target.mean(axis=0)) ** 2).sum())
    names, place = np.unique(groups, return_inverse=True)
    if total == 0 or len(groups) <= len(names):
        return 0.0
    within = sum(float(((part - part.mean(axis=0)) ** 2).sum()) for part in _parts(target, place, len(names)))
    raw = 1 - within / total
    return max(0.0, 1 - (1 - raw) * (len(groups) - 1) / (len(groups) - len(names)))


def _parts(target: np.ndarray, place: np.ndarray, count: int) -> list[np.ndarray]:
    return [target[place == number] for number in range(count)]


def _association(contract: Contract, rows: pd.DataFrame, name: str) -> Association:
    feature, values = contract.features[name], rows[name]
    target = target_columns(contract, rows)
    there = values.notna().to_numpy()
    if feature.role in ("numeric", "time"):
        edges = np.unique(np.quantile(values[there], np.linspace(0, 1, BINS + 1)[1:-1])) if there.any() else np.empty(0)
        groups = np.where(there, np.digitize(values, edges), -1)
    else:
        groups = np.where(there, values.astype(str).to_numpy(), "")
    numbers = None if feature.role in (*OPEN, "time") else values.to_numpy(float)
    random = np.random.default_rng(0)
    resampled = [random.integers(0, len(rows), len(rows)) for _ in range(RESAMPLES)]
    correlations = [_pearson(None if numbers is None else numbers[i], target[i]) for i in resampled]
    known = [value for value in correlations if value is not None]
    return Association(
        name,
        _pearson(numbers, target),
        float(np.std(known, ddof=1)) if len(known) > 1 else 0.0,
        explained_share(groups, target),
        float(np.std([explained_share(groups[i], target[i]) for i in resampled], ddof=1)),
    )


def _pearson(numbers: np.ndarray | None, target: np.ndarray) -> float | None:
    """With a target of one column, or of the last class where there are two."""
    if numbers is None or target.shape[1] > 2:
        return None
    there = ~np.isnan(numbers)
    numbers, last = numbers[there], target[there, -1]
    if not len(numbers) or np.std(numbers) == 0 or np.std(last) == 0:
        return None
    return float(np.corrcoef(numbers, last)[0, 1])
