"""Accuracy without truth (CBPE): a model's calibrated confidence says how often it should be right.

Confidence-based performance estimation: on held-out rows one learns how often an answer of a given confidence is
right; the mean of that over a window is the accuracy to expect. It sees that inputs move to where the model is less
sure. It cannot see that the same inputs came to mean something else: concept drift escapes it.
Source: NannyML, "Confidence-based Performance Estimation" (docs, How it works).
"""

from typing import Literal

import numpy as np
from pydantic import Field

from lakeloop.frozen_model import FrozenModel

FEW_ROWS = 1000
STEPS = 200
RESAMPLES = 100
EDGE = 1e-6
Method = Literal["platt", "isotonic", "constant"]


class Calibration(FrozenModel):
    """How often a model's answer is right, by its confidence (the probability of the class it answered).

    `knots` are probabilities at the confidences 0, 1/(n-1), …, 1; between them the line is straight.
    """

    model_version: str
    method: Method
    rows: int = Field(ge=1, description="held-out rows it was learnt on")
    accuracy: float = Field(description="realised on those rows")
    standard_error: float = Field(description="of the mean estimate, from resampling the held-out rows")
    knots: tuple[float, ...] = Field(min_length=2)


class Estimate(FrozenModel):
    """Accuracy to expect of `rows` answers; `standard_error` holds calibration's and the window's own chance."""

    accuracy: float
    standard_error: float
    rows: int


def calibrate(model_version: str, confidence: np.ndarray, correct: np.ndarray) -> Calibration:
    """Learn from held-out rows: `confidence` (n,) in 0..1 and whether each answer was right (n,).

    Below FEW_ROWS rows Platt's two-parameter curve, above isotonic regression, which follows any shape but fits the
    noise of a small set (scikit-learn, user guide 1.16.3: not below about 1,000 rows). Where all answers are right or
    all wrong there is nothing to learn but that share.

    Raises:
        ValueError: no rows, or not one `correct` a confidence.
    """
    confidence, correct = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=bool)
    if not len(confidence) or confidence.shape != correct.shape:
        raise ValueError(f"calibration needs rows: {confidence.shape} confidences, {correct.shape} answers")
    method = method_for(correct)
    knots = fit(method, confidence, correct)
    return Calibration(
        model_version=model_version, method=method, rows=len(correct), accuracy=float(correct.mean()),
        standard_error=_resampled_error(method, confidence, correct), knots=tuple(map(float, knots)),
    )  # fmt: skip


def method_for(correct: np.ndarray) -> Method:
    """Which curve this many rows allow."""
    if correct.all() or not correct.any():
        return "constant"
    return "platt" if len(correct) < FEW_ROWS else "isotonic"


def fit(method: Method, confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """The curve's probabilities at STEPS + 1 equidistant confidences."""
    grid = np.linspace(0, 1, STEPS + 1)
    if method == "constant":
        return np.full(len(grid), correct.mean())
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        return np.asarray(IsotonicRegression(out_of_bounds="clip").fit(confidence, correct).predict(grid))
    from sklearn.linear_model import LogisticRegression

    platt = LogisticRegression(C=np.inf, solver="lbfgs").fit(_log_odds(confidence), correct)
    return np.asarray(platt.predict_proba(_log_odds(grid))[:, 1])


def expected_accuracy(calibration: Calibration, confidence: np.ndarray) -> Estimate:
    """The accuracy to expect of answers with these confidences (n,); NaN without any."""
    known = np.asarray(confidence, dtype=float)
    known = known[~np.isnan(known)]
    if not len(known):
        return Estimate(accuracy=float("nan"), standard_error=float("nan"), rows=0)
    mean = float(probability_right(calibration.knots, known).mean())
    error = float(np.sqrt(calibration.standard_error**2 + mean * (1 - mean) / len(known)))
    return Estimate(accuracy=mean, standard_error=error, rows=len(known))


def probability_right(knots: tuple[float, ...] | np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Calibrated probability (n,) of each confidence (n,)."""
    return np.interp(confidence, np.linspace(0, 1, len(knots)), knots)


def _resampled_error(method: Method, confidence: np.ndarray, correct: np.ndarray) -> float:
    """Spread of the mean estimate on the held-out rows when the calibration is learnt on resampled ones.

    Isotonic and Platt both reproduce the mean of what they learnt on, so this is close to sqrt(p(1-p)/n).
    """
    random = np.random.default_rng(0)
    means = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(correct), len(correct))
        chosen = correct[rows]
        kind: Method = method if 0 < chosen.sum() < len(chosen) else "constant"
        means.append(probability_right(fit(kind, confidence[rows], chosen), confidence).mean())
    # Answers that were all right leave no spread; half a row more or less is the least that can be claimed.
    return max(float(np.std(means, ddof=1)), 0.5 / len(correct))


def _log_odds(confidence: np.ndarray) -> np.ndarray:
    clipped = np.clip(confidence, EDGE, 1 - EDGE)
    return np.log(clipped / (1 - clipped)).reshape(-1, 1)
