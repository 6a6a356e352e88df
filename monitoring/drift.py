"""Judges a window of requests against a model's reference: the live monitor, the batch job and notebooks ask here.

The tests are Evidently's own, called one by one: its Report computes the same numbers and spends fifty times as long
on drawing them. Which side of the threshold is drift is Evidently's business too: p-values drift at or below it,
distances at or above.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, DriftTest, Feature
from monitoring.reference import PREDICTION, NoReference, Reference
from monitoring.sampling import seeded_sample, standard_error
from monitoring.verdict import ColumnDrift, DriftState, Verdict, Window

NUMERICAL, CATEGORICAL = "num", "cat"
EQUAL = 1e-6
"""Relative difference below which two numbers are the same: a model gets float32."""


def detect_drift(reference: Reference | NoReference, rows: pd.DataFrame, contract: Contract, window: Window) -> Verdict:
    """Whether a window has drifted. `rows` has a column a feature and `prediction` (class name; None: model not asked).

    `window.rows` may be more than `len(rows)`: then `rows` is taken for a random sample of it.
    """
    version = reference.model_version
    if isinstance(reference, NoReference):
        return _unjudged(contract, version, window, "no reference", reference.reason)
    fewest = contract.monitoring.fewest
    if window.rows < fewest or len(rows) < fewest:
        counted = min(window.rows, len(rows))
        return _unjudged(contract, version, window, "too few rows", f"{counted} rows; at least {fewest} are needed")
    sample = seeded_sample(rows)
    judged = [
        _column_drift(name, reference.features[name], sample[name], feature.drift, _kind(feature), fewest, window.rows)
        for name, feature in contract.features.items()
    ]
    if all(column.score is None for column, _ in judged):
        reason = f"no feature has {fewest} values: {judged[0][0].note}"
        return _unjudged(contract, version, window, "too few rows", reason)
    prediction = _prediction_drift(reference, sample, contract, window.rows)
    verdict = Verdict(
        use_case=contract.use_case,
        model_version=version,
        window=window,
        state="stable",
        features=tuple(column for column, _ in judged),
        prediction=prediction[0],
        sampled_rows=len(sample) if len(sample) < window.rows else None,
        standard_error=_largest([error for _, error in (*judged, prediction)]) if len(sample) < window.rows else None,
    )
    drift = verdict.share >= contract.monitoring.dataset_drift_share
    return verdict.model_copy(update={"state": "drift"}) if drift else verdict


ColumnResult = tuple[ColumnDrift, float]
"""A column's drift and the standard error of its score."""


def _column_drift(
    name: str, reference: pd.Series, values: pd.Series, test: DriftTest, kind: str, fewest: int, of_rows: int
) -> ColumnResult:
    """One column; a score that cannot be computed is None and never drift."""
    given, known = _clean(values, kind), _clean(reference, kind)
    missing = len(values) - len(given)
    note = f"{missing} of {len(values)} values are missing" if missing else ""
    if len(given) < fewest:
        why = f"{note or f'{len(given)} values'}; at least {fewest} are needed"
        return _column(name, test, None, False, why), 0.0
    if not len(known):
        return _column(name, test, None, False, "the reference has no value"), 0.0
    if kind == NUMERICAL and known.nunique() == 1:
        constant = float(known.iloc[0])
        if np.allclose(given, constant, rtol=EQUAL, atol=EQUAL):
            return _column(name, test, 0.0, False, _joined(note, "constant, as in the reference")), 0.0
        note = _joined(note, f"always {constant:g} in the reference, so there is no spread to measure the change by")
    if kind == CATEGORICAL:
        note = _joined(note, _unseen(known, given))
    score, drifted = _test(known, given, test, kind)
    if not np.isfinite(score):
        return _column(name, test, None, False, _joined(note, f"{test.test} has no value here")), 0.0
    error = standard_error(
        lambda part: _test(known, part, test, kind)[0], given, round(of_rows * len(given) / len(values))
    )
    return _column(name, test, score, drifted, note), error


def _prediction_drift(reference: Reference, rows: pd.DataFrame, contract: Contract, of_rows: int) -> ColumnResult:
    test = contract.monitoring.prediction_drift
    if reference.predictions is None:
        why = f"what the model answers on its reference is not known: {reference.why_no_predictions}"
        return _column(PREDICTION, test, None, False, why), 0.0
    if PREDICTION not in rows:
        return _column(PREDICTION, test, None, False, "the window has no predictions"), 0.0
    asked = rows[PREDICTION].dropna()
    rules = len(rows) - len(asked)
    column, error = _column_drift(
        PREDICTION, reference.predictions, asked, test, CATEGORICAL, contract.monitoring.fewest,
        round(of_rows * len(asked) / len(rows)),
    )  # fmt: skip
    note = _joined(f"the model did not answer {rules} of {len(rows)}" if rules else "", column.note)
    return column.model_copy(update={"note": note}), error


def _test(reference: pd.Series, values: pd.Series, test: DriftTest, kind: str) -> tuple[float, bool]:
    """Evidently's score and verdict. The series are copied: some of its tests change what they are given."""
    evaluate, column_type = _evidently(test.test, kind)
    with np.errstate(all="ignore"):
        found = evaluate(reference.copy(), values.copy(), column_type, test.threshold)
    return float(found.drift_score), bool(found.drifted)


def _evidently(test: str, kind: str) -> tuple[Callable[..., Any], Any]:
    """Imported here: it takes seconds and asks the environment whether it may report its use."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently.legacy.calculations.stattests.registry import get_registered_stattest
    from evidently.legacy.core import ColumnType

    column_type = ColumnType(kind)
    return get_registered_stattest(test, column_type), column_type


def _clean(values: pd.Series, kind: str) -> pd.Series:
    """The values that are there: finite numbers, or categories as text."""
    if kind == NUMERICAL:
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers[np.isfinite(numbers.to_numpy(float))]
    there = values.dropna()
    if there.dtype.kind == "f":  # whole numbers beside missing ones
        there = there[np.isfinite(there)].astype(np.int64)
    return there.astype(str)


def _unseen(reference: pd.Series, values: pd.Series) -> str:
    new = sorted(set(values.unique()) - set(reference.unique()))
    return f"not in the reference: {', '.join(new[:5])}{' …' if len(new) > 5 else ''}" if new else ""


def _kind(feature: Feature) -> str:
    return NUMERICAL if feature.role == "numeric" else CATEGORICAL


def _column(name: str, test: DriftTest, score: float | None, drifted: bool, note: str) -> ColumnDrift:
    return ColumnDrift(column=name, test=test.test, score=score, threshold=test.threshold, drifted=drifted, note=note)


def _unjudged(contract: Contract, version: str, window: Window, state: DriftState, reason: str) -> Verdict:
    return Verdict(use_case=contract.use_case, model_version=version, window=window, state=state, reason=reason)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _largest(errors: Sequence[float]) -> float | None:
    known = [error for error in errors if np.isfinite(error)]
    return max(known) if known else None
