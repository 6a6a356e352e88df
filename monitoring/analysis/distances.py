"""Five ways to measure how far a month's values lie from the reference, each Evidently's own, side by side."""

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd

METHODS = {
    "wasserstein": "Wasserstein / std",
    "ks": "KS p-value",
    "jensenshannon": "Jensen–Shannon",
    "psi": "PSI",
    "kl_div": "KL divergence",
}
NUMBERS_ONLY = ("wasserstein", "ks")
P_VALUES = ("ks",)


@dataclass(frozen=True)
class Distance:
    """One method's score; None where it does not apply to the column. `drifted` by Evidently's default threshold."""

    method: str
    score: float | None
    threshold: float
    drifted: bool


def distances(reference: pd.Series, current: pd.Series, numeric: bool) -> tuple[Distance, ...]:
    """Every method's score for one column, missing values left out; in the order of METHODS."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently.legacy.calculations.stattests.registry import get_registered_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Numerical if numeric else ColumnType.Categorical
    before, now = (values.dropna() if numeric else values.dropna().astype(str) for values in (reference, current))
    found = []
    for method in METHODS:
        threshold = 0.05 if method in P_VALUES else 0.1
        applies = (numeric or method not in NUMBERS_ONLY) and len(before) > 0 and len(now) > 0
        if numeric and applies and method == "wasserstein":
            applies = float(np.std(before)) > 0
        if not applies:
            found.append(Distance(method, None, threshold, False))
            continue
        with np.errstate(all="ignore"):
            result = get_registered_stattest(method, kind)(before.copy(), now.copy(), kind, threshold)
        score = float(result.drift_score)
        found.append(Distance(method, score if np.isfinite(score) else None, threshold, bool(result.drifted)))
    return tuple(found)
