"""Five ways to measure how far a period's values lie from the reference, side by side."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract.features import NUMERIC_TESTS
from monitoring.drift.compared_values import category_texts
from monitoring.drift.distances import P_VALUES, is_drift, score

METHODS = {
    "wasserstein": "Wasserstein / std",
    "ks": "KS p-value",
    "jensenshannon": "Jensen–Shannon",
    "psi": "PSI",
    "kl_div": "KL divergence",
}


@dataclass(frozen=True)
class Distance:
    """One method's score; None where it does not apply to the column. `drifted` by Evidently's default threshold."""

    method: str
    score: float | None
    threshold: float
    drifted: bool


def distances(reference: pd.Series, current: pd.Series, numeric: bool) -> tuple[Distance, ...]:
    """Every method's score for one column, missing values left out; in the order of METHODS."""
    before, now = (values.dropna() if numeric else category_texts(values) for values in (reference, current))
    return tuple(_distance(method, before, now, numeric) for method in METHODS)


def _distance(method: str, before: pd.Series, now: pd.Series, numeric: bool) -> Distance:
    threshold = 0.05 if method in P_VALUES else 0.1
    applies = (numeric or method not in NUMERIC_TESTS) and len(before) > 0 and len(now) > 0
    if not applies or (method == "wasserstein" and float(np.std(before)) == 0):
        return Distance(method, None, threshold, False)
    found = score(method, before, now, numeric)
    return Distance(method, found if np.isfinite(found) else None, threshold, is_drift(method, found, threshold))
