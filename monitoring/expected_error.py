"""How far numbers are off before their truth is known: direct loss estimation (DLE).

Small trees learn on held-out rows how far a model's answer lies from the truth, from the row's features and the answer
itself; their mean over a window is the error to expect. They see that inputs move to where the model errs more. They
cannot see that the same inputs came to mean something else: concept drift escapes them.
Source: NannyML, "Direct Loss Estimation" (docs, How it works).
"""

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from lakeloop.contract import Contract
from lakeloop.contract.metrics import METRICS
from lakeloop.error_trees import LEAF, ErrorColumn, ErrorTree, ErrorTrees, looked_at
from lakeloop.exceptions import LakeloopError
from lakeloop.frozen_model import FrozenModel

FEW_ROWS = 100
"""Held-out rows below which trees would learn their noise: then every row is expected to be off by their mean."""
MOST_ROWS = 20_000
MOST_VALUES = 100
"""Of a text's values the commonest are told apart."""
TREES, DEPTH, LEARNING_RATE = 60, 3, 0.1
Method = Literal["boosted trees", "constant"]


class ErrorCalibration(FrozenModel):
    """How far off one model version's numbers are, by features and answer.

    What trees and `standard_error` are of is the loss of a row: its absolute error, or for a metric of squares that
    squared.
    """

    model_version: str
    metric: str = Field(description="mean_absolute_error or root_mean_squared_error")
    method: Method
    rows: int = Field(ge=1, description="held-out rows it was learnt on")
    error: float = Field(description="realised on those rows, by the metric")
    standard_error: float = Field(description="of the mean loss of those rows")
    spread: float = Field(description="standard deviation of a row's loss about what is expected of it")
    trees: ErrorTrees


class ErrorEstimate(FrozenModel):
    """The error to expect of `rows` answers; `standard_error` holds the calibration's and the window's own chance."""

    error: float
    standard_error: float
    rows: int


def calibrate_errors(
    contract: Contract, model_version: str, rows: pd.DataFrame, predictions: np.ndarray
) -> ErrorCalibration:
    """Learn from held-out rows with features and label, and the model's answers to them (n,).

    Raises:
        LakeloopError: there are no rows.
    """
    metric = contract.gate.watched_error
    if not len(rows):
        raise LakeloopError("there are no held-out rows to learn from")
    some = np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]
    rows = rows.iloc[some].assign(prediction=predictions[some]).reset_index(drop=True)
    off = np.abs(rows["prediction"] - rows[contract.label.name].to_numpy(float)).to_numpy()
    loss = off**2 if is_squared(metric) else off
    trees = _learnt(contract, rows, loss) if len(rows) >= FEW_ROWS else ErrorTrees(start=float(loss.mean()))
    return ErrorCalibration(
        model_version=model_version,
        metric=metric,
        method="boosted trees" if trees.trees else "constant",
        rows=len(rows),
        error=as_error(metric, float(loss.mean())),
        standard_error=float(loss.std() / np.sqrt(len(loss))),
        spread=float((loss - trees.expected(rows)).std()),
        trees=trees,
    )


def expected_error(calibration: ErrorCalibration, rows: pd.DataFrame) -> ErrorEstimate:
    """The error to expect of answers: rows with carried features and `prediction`; NaN without any."""
    answered = rows[rows["prediction"].notna()]
    if answered.empty:
        return ErrorEstimate(error=float("nan"), standard_error=float("nan"), rows=0)
    loss = float(calibration.trees.expected(answered).mean())
    chance = float(np.sqrt(calibration.standard_error**2 + calibration.spread**2 / len(answered)))
    error = as_error(calibration.metric, loss)
    if is_squared(calibration.metric):
        chance /= 2 * max(error, np.finfo(float).tiny)
    return ErrorEstimate(error=error, standard_error=chance, rows=len(answered))


def is_squared(metric: str) -> bool:
    """Whether a metric is the root of a mean of squares."""
    return METRICS[metric].name == "root_mean_squared_error"


def as_error(metric: str, loss: float) -> float:
    """A mean loss as the metric tells it, in the label's unit."""
    return float(np.sqrt(loss)) if is_squared(metric) else loss


def _learnt(contract: Contract, rows: pd.DataFrame, loss: np.ndarray) -> ErrorTrees:
    from sklearn.ensemble import GradientBoostingRegressor

    columns = tuple(_column(contract, name, rows[name], loss) for name in looked_at(contract))
    encoded = np.column_stack([column.encoded(rows[column.name]) for column in columns])
    model = GradientBoostingRegressor(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=LEARNING_RATE,
        min_samples_leaf=max(10, len(rows) // 50), random_state=0,
    )  # fmt: skip
    model.fit(encoded, loss)
    return ErrorTrees(
        start=float(loss.mean()), columns=columns, trees=tuple(_tree(found.tree_) for (found,) in model.estimators_)
    )


def _column(contract: Contract, name: str, values: pd.Series, loss: np.ndarray) -> ErrorColumn:
    feature = contract.features.get(name)
    if feature is None or feature.carried_as != "string":
        return ErrorColumn(name=name)
    common = values.value_counts().index[:MOST_VALUES]
    by_error = pd.Series(loss).groupby(values.to_numpy()).mean()[common].sort_values(kind="stable")
    return ErrorColumn(name=name, values=tuple(map(str, by_error.index)))


def _tree(found: "object") -> ErrorTree:
    """scikit-learn's tree, its leaves scaled by the learning rate."""
    nodes = {name: getattr(found, name) for name in ("feature", "threshold", "children_left", "children_right")}
    values = LEARNING_RATE * found.value[:, 0, 0]  # type: ignore[attr-defined]
    return ErrorTree(
        column=tuple(int(place) if place >= 0 else LEAF for place in nodes["feature"]),
        threshold=tuple(map(float, nodes["threshold"])),
        left=tuple(map(int, nodes["children_left"])),
        right=tuple(map(int, nodes["children_right"])),
        value=tuple(map(float, values)),
    )
