"""What a challenger's answers are worth beside the champion's to the same rows: estimated, and realised with the truth.

`both` are the rows that both answered: `request_id`, `key`, the answers `champion` and `challenger`, and how sure each
was, `champion_confidence` and `challenger_confidence` (NaN where it does not say).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakehouse.gold.calibration import TABLE, ErrorCalibrationRow, error_calibrations
from lakehouse.storage.layout import PREDICTIONS_TABLE, TRAINING_TABLE
from lakeloop.error_trees import ErrorTrees
from lakeloop.lake_tables import read_lake_records, read_lake_table
from lakeloop.release_state import CHALLENGER, CHAMPION
from lakeloop.use_case import UseCase
from monitoring.expected_error import ErrorCalibration, as_error, expected_error, is_squared
from monitoring.performance import probability_right

RESAMPLES = 200
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Worth:
    """What both versions' answers to the same rows are worth by a metric.

    `difference`: the challenger's less the champion's, its 95 % interval; None where it is an estimate, which has none.
    """

    metric: str
    rows: int
    champion: float
    challenger: float
    difference: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """Who is better, as far as these rows tell."""
        if self.difference is None:
            return "an estimate"
        low, high = self.difference
        if low <= 0 <= high:
            return "no difference that these rows could show"
        return f"the {CHALLENGER if (low > 0) == (self.metric == ACCURACY) else CHAMPION} is better"


def paired(
    metric: str, champion: np.ndarray, challenger: np.ndarray, as_metric: Callable[[float], float] = float
) -> Worth:
    """Two versions' scores of the same rows, (n,) each: their means as the metric tells them, and how sure the
    difference is, by resampling rows.

    >>> paired("accuracy", np.array([1, 1, 0, 0]), np.array([1, 1, 1, 1])).challenger
    1.0
    """
    both = np.column_stack([champion, challenger]).astype(float)
    random = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        one, other = both[random.integers(0, len(both), len(both))].mean(axis=0)
        found.append(as_metric(other) - as_metric(one))
    low, high = np.quantile(found, [0.025, 0.975])
    one, other = both.mean(axis=0)
    return Worth(metric, len(both), as_metric(one), as_metric(other), (float(low), float(high)))


def estimated_worth(use_case: UseCase, both: pd.DataFrame, champion: str, challenger: str) -> tuple[Worth | None, str]:
    """What both are expected to be worth without truth, or why that is not known."""
    contract = use_case.contract
    if both.empty:
        return None, "no row was answered by both yet"
    if contract.label.task == "regression":
        known = error_calibrations(use_case)
        if not {champion, challenger} <= known.keys():
            return None, _uncalibrated(use_case, {champion, challenger} - known.keys())
        asked = [("request_id", "in", both["request_id"].tolist())]
        rows = read_lake_table(use_case, PREDICTIONS_TABLE, ["request_id", *contract.features], asked)
        rows = None if rows is None else rows.merge(both, on="request_id")
        if rows is None or rows.empty:
            return None, "none of these rows came into the lake yet; `lakeloop lake stream` brings them"
        one, other = (
            expected_error(_calibration(known[version]), rows.assign(prediction=rows[side].astype(float))).error
            for version, side in ((champion, CHAMPION), (challenger, CHALLENGER))
        )
        return Worth(contract.gate.watched_error, len(rows), one, other), ""
    knots = {row["model_version"]: row["knots"] for row in read_lake_records(use_case, TABLE.name)}
    if not {champion, challenger} <= knots.keys():
        return None, _uncalibrated(use_case, {champion, challenger} - knots.keys())
    sure = both.dropna(subset=["champion_confidence", "challenger_confidence"])
    if sure.empty:
        return None, "the answers do not say how sure the models were"
    one, other = (
        float(probability_right(knots[version], sure[f"{side}_confidence"].to_numpy(float)).mean())
        for version, side in ((champion, CHAMPION), (challenger, CHALLENGER))
    )
    return Worth(ACCURACY, len(sure), one, other), ""


def _calibration(known: ErrorCalibrationRow) -> ErrorCalibration:
    return ErrorCalibration(**vars(known) | {"trees": ErrorTrees.model_validate_json(known.trees)})


def _uncalibrated(use_case: UseCase, versions: set[str]) -> str:
    named = " and ".join(sorted(version or "none" for version in versions))
    are = "is" if len(versions) == 1 else "are"
    return f"version {named} {are} not calibrated yet; `lakeloop performance -u {use_case.name}` does that"


def realised_worth(use_case: UseCase, both: pd.DataFrame) -> tuple[Worth | None, str]:
    """What both were worth on the rows whose truth has come, or why that is not known."""
    contract = use_case.contract
    label, key = contract.label, contract.key.column
    of_numbers = label.task == "regression"
    told = both.dropna(subset=["key"])
    truth = label.name if of_numbers else label.name_column
    theirs = [(key, "in", told["key"].tolist())]
    known = None if told.empty else read_lake_table(use_case, TRAINING_TABLE, [key, truth], theirs)
    rows = None if known is None else told.merge(known, left_on="key", right_on=key)
    if rows is None or rows.empty:
        return None, "the truth of none of these rows has come yet"
    if not of_numbers:
        right = [(rows[side] == rows[truth]).to_numpy(float) for side in (CHAMPION, CHALLENGER)]
        return paired(ACCURACY, right[0], right[1]), ""
    metric = contract.gate.watched_error
    off = [(rows[side].astype(float) - rows[truth].astype(float)).abs() for side in (CHAMPION, CHALLENGER)]
    losses = [(one**2 if is_squared(metric) else one).to_numpy() for one in off]
    return paired(metric, losses[0], losses[1], lambda loss: as_error(metric, loss)), ""
