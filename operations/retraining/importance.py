"""Importance weights: how much each labelled row counts if what is asked now were distributed as the labelled rows.

Covariate shift (Shimodaira 2000): with p(y|x) unchanged, weighting by p_now(x)/p_then(x) makes old labels speak for
current requests. The ratio is estimated by a classifier that tells the two apart (Bickel, Brückner and Scheffer 2007).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, Feature
from lakeloop.contract.time_features import AGE
from lakeloop.exceptions import WrongUseError
from lakeloop.time_parts import part_columns
from tfx_pipeline.training.row_weights import effective_rows

MOST = 10.0
"""A row counts at most as ten: a few rows that look very current must not decide everything."""
FOLDS = 5
LEAST_ROWS = 10 * FOLDS
MOST_CATEGORIES = 1000
"""Of a feature; rarer values count as one."""


@dataclass(frozen=True)
class Importance:
    """Weights by key, their mean 1; `clipped` rows would have counted more than `MOST`."""

    weights: dict[str, float]
    clipped: int

    def of(self, rows: pd.DataFrame, key: str) -> np.ndarray:
        """The weights (n,) of rows in their order."""
        return rows[key].map(self.weights).to_numpy(float)

    @property
    def effective_rows(self) -> float:
        """How many equally weighted rows tell as much."""
        return effective_rows(np.array(list(self.weights.values())))


def importance(contract: Contract, rows: pd.DataFrame, window: pd.DataFrame) -> Importance:
    """The weights of labelled `rows` (key and features) towards the requests in `window` (features).

    A logistic regression on scaled features, which shifts of mean or share make exact; every row is weighed by a fit
    that did not see it, or rows learned by heart would weigh too little.

    Raises:
        WrongUseError: one of both has too few rows.
    """
    for name, frame in (("labelled rows", rows), ("requests", window)):
        if len(frame) < LEAST_ROWS:
            raise WrongUseError(
                f"{len(frame)} {name} are too few to weigh by, {LEAST_ROWS} are needed; "
                "`lakeloop lake stream` takes answered requests in"
            )
    # Here, because it takes a second to import, and the other steps of a retrain need none of it.
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    known = list(contract.features)
    # Of times the parts that both have all of: by the years alone any two stretches of time could be told apart.
    both = part_columns(contract, pd.concat([rows[known], window[known]], ignore_index=True), compared=True)
    features = {str(name): contract.features.get(str(name)) for name in both}
    numeric = [name for name, f in features.items() if name.endswith(f" {AGE}") or (f and f.role == "numeric")]
    others = [name for name in features if name not in numeric]
    gaps = [name for name in numeric if _may_lack(features[name])]
    both = both.assign(**{name: _category(both[name]) for name in others if _is_loose(features[name])})
    now = np.repeat([0, 1], [len(rows), len(window)])
    classifier = make_pipeline(
        make_column_transformer(
            (StandardScaler(), [name for name in numeric if name not in gaps]),
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), gaps),
            (
                OneHotEncoder(drop="if_binary", handle_unknown="ignore", max_categories=MOST_CATEGORIES),
                others,
            ),
        ),
        LogisticRegression(max_iter=1000),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    chance = cross_val_predict(classifier, both, now, cv=folds, method="predict_proba")[: len(rows), 1]
    ratio = chance / np.maximum(1 - chance, 1e-9) * len(rows) / len(window)
    weights = np.minimum(ratio / ratio.mean(), MOST)
    keys = rows[contract.key.column].astype(str)
    found = dict(zip(keys, (weights / weights.mean()).tolist(), strict=True))
    return Importance(found, int(np.sum(ratio / ratio.mean() > MOST)))


def _may_lack(feature: Feature | None) -> bool:
    """Whether a number may be missing; None: a part of a time."""
    return feature is None or feature.optional


def _is_loose(feature: Feature | None) -> bool:
    """Whether a category may be missing, or is a number in one frame and a number with a point in the other."""
    return feature is None or feature.optional or feature.type == "bool"


def _category(values: pd.Series) -> pd.Series:
    """Categories as texts, a missing one as a category of its own."""
    there = values.notna()
    texts = values.astype(object).where(there, "").astype(str)
    return texts.str.removesuffix(".0") if values.dtype.kind == "f" else texts
