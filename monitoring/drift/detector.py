"""Whether a window of requests has drifted: the one way there is, for every feeder of reference, rows and window.

Feeders: the live monitor (`monitoring.live`: windows of requests as they are answered), `operations.drift.periods`
(periods and windows in them, from Delta), `operations.drift.newest` (a retrain's look at the newest requests) and
`operations.analysis` (periods as they were delivered, asked or generated).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, DriftTest, Feature
from lakeloop.drift_report import MISSING_SHARE, ColumnDrift, DriftReport, DriftState, Window
from monitoring.drift.compared_values import category_texts, compared_columns
from monitoring.drift.distances import is_drift, score
from monitoring.drift.reference import NoReference, Reference
from monitoring.drift.sampling import seeded_sample, standard_error
from monitoring.drift.watched_answers import CONFIDENCE, PREDICTION, has_label, watched_answers

EQUAL = 1e-6
"""Relative difference below which two numbers are the same: a model gets float32."""


def detect_drift(
    reference: Reference | NoReference, rows: pd.DataFrame, contract: Contract, window: Window, judged_from: str = ""
) -> DriftReport:
    """Whether a window has drifted. `rows` has a column a feature and `prediction` (class or number; None: not asked).

    `window.rows` may be more than `len(rows)`: then `rows` is taken for a random sample of it. `judged_from` is kept
    in the report as it is.
    """
    report = DriftReport(
        use_case=contract.use_case, model_version=reference.model_version, window=window, state="stable",
        share_threshold=contract.monitoring.dataset_drift_share, judged_from=judged_from,
    )  # fmt: skip
    if isinstance(reference, NoReference):
        return _not_measured(report, "no reference", reference.reason)
    report = report.model_copy(update={
        "reference": reference.kind,
        "reference_periods": reference.periods,
        "reference_rows": None if reference.kind == "train" else len(reference.features),
        "reference_note": reference.note,
    })  # fmt: skip
    fewest = contract.monitoring.fewest
    if window.rows < fewest or len(rows) < fewest:
        counted = min(window.rows, len(rows))
        return _not_measured(report, "too few rows", f"{counted} rows; at least {fewest} are needed")
    sample = seeded_sample(rows)
    found = [_feature_drift(contract, name, reference.features, sample, window.rows) for name in contract.features]
    missing = [
        _missing_drift(name, reference.features[name], sample[name], feature.drift.threshold, window.rows)
        for name, feature in contract.features.items()
        if feature.optional
    ]
    if not missing and all(column.score is None for column, _ in found):
        return _not_measured(report, "too few rows", f"no feature has {fewest} values: {found[0][0].note}")
    prediction = _prediction_drift(reference, sample, contract, window.rows)
    confidence = _confidence_drift(reference, sample, contract, window.rows)
    measured = [*found, *missing, prediction, *([] if confidence is None else [confidence])]
    sampled = len(sample) < window.rows
    report = report.model_copy(update={
        "features": tuple(column for column, _ in found),
        "missing": tuple(column for column, _ in missing),
        "prediction": prediction[0],
        "confidence": confidence[0] if confidence is not None else None,
        "sampled_rows": len(sample) if sampled else None,
        "standard_error": _largest([error for _, error in measured]) if sampled else None,
    })  # fmt: skip
    drift = report.share >= contract.monitoring.dataset_drift_share
    return report.model_copy(update={"state": "drift"}) if drift else report


ColumnResult = tuple[ColumnDrift, float]
"""A column's drift and the standard error of its score."""


def _feature_drift(
    contract: Contract, name: str, reference: pd.DataFrame, sample: pd.DataFrame, of_rows: int
) -> ColumnResult:
    feature = contract.features[name]
    before, now = compared_columns(contract, name, reference, sample)
    if feature.role == "time" and not len(now):
        why = f"no {contract.period} has all of its parts, so they show no more than that time goes on"
        return _column(name, feature.drift, None, why), 0.0
    fewest = _fewest_values(feature, reference[name], contract.monitoring.fewest)
    return _column_drift(name, before, now, feature.drift, feature.role == "numeric", fewest, of_rows)


def _column_drift(
    name: str, reference: pd.Series, values: pd.Series, test: DriftTest, numeric: bool, fewest: int, of_rows: int
) -> ColumnResult:
    """One column; a score that cannot be computed is None and never drift."""
    given, known = _clean(values, numeric), _clean(reference, numeric)
    missing = len(values) - len(given)
    note = f"{missing} of {len(values)} values are missing" if missing else ""
    if len(given) < fewest:
        why = f"{note or f'{len(given)} values'}; at least {fewest} are needed"
        return _column(name, test, None, why), 0.0
    if not len(known):
        return _column(name, test, None, "the reference has no value"), 0.0
    if numeric and known.nunique() == 1:
        constant = float(known.iloc[0])
        if np.allclose(given, constant, rtol=EQUAL, atol=EQUAL):
            same = _column(name, test, 0.0, _joined(note, "constant, as in the reference"))
            return same.model_copy(update={"drifted": False}), 0.0  # whichever way the test's score is to be read
        note = _joined(note, f"always {constant:g} in the reference, so there is no spread to measure the change by")
    if not numeric:
        note = _joined(note, _unseen(known, given))
    found = score(test.test, known, given, numeric)
    if not np.isfinite(found):
        return _column(name, test, None, _joined(note, f"{test.test} has no value here")), 0.0
    error = standard_error(
        lambda part: score(test.test, known, part, numeric), given, round(of_rows * len(given) / len(values))
    )
    return _column(name, test, found, note), error


def _fewest_values(feature: Feature, reference: pd.Series, fewest: int) -> int:
    """Values that are enough: of an optional feature as many as the fewest rows have in the reference.

    Ten at least, for fewer tell nothing.
    """
    return max(10, round(fewest * float(reference.notna().mean()))) if feature.optional and len(reference) else fewest


def _missing_drift(name: str, reference: pd.Series, values: pd.Series, threshold: float, of_rows: int) -> ColumnResult:
    """How far the share of missing values lies from the reference's: the Jensen-Shannon distance of the two."""
    before, now = (pd.Series(np.where(part.isna(), "missing", "there")) for part in (reference, values))

    def distance(part: pd.Series) -> float:
        return score("jensenshannon", before, part, False)

    found = distance(now)
    shares = [float((part == "missing").mean()) for part in (before, now)]
    note = f"{shares[1]:.1%} are missing, of the reference {shares[0]:.1%}"
    drifted = is_drift("jensenshannon", found, threshold)
    column = ColumnDrift(
        column=name, test=MISSING_SHARE, score=found, threshold=threshold, drifted=drifted, note=note
    )  # fmt: skip
    return column, standard_error(distance, now, of_rows)


def _prediction_drift(reference: Reference, rows: pd.DataFrame, contract: Contract, of_rows: int) -> ColumnResult:
    test = contract.monitoring.prediction_drift
    if reference.predictions is None:
        why = f"what the model answers on its reference is not known: {reference.why_no_predictions}"
        return _column(PREDICTION, test, None, why), 0.0
    if PREDICTION not in rows:
        return _column(PREDICTION, test, None, "the window has no predictions"), 0.0
    if contract.label.several:
        return _labels_drift(reference.predictions, rows, contract, of_rows)
    numeric = watched_answers(contract).numeric
    return _answers_drift(PREDICTION, reference.predictions, rows, test, numeric, contract, of_rows)


def _labels_drift(known: pd.Series, rows: pd.DataFrame, contract: Contract, of_rows: int) -> ColumnResult:
    """How often each of several labels is answered, beside how often it was: that of the one that moved furthest."""
    test, found = contract.monitoring.prediction_drift, []
    answered = rows[PREDICTION].dropna()
    for label in contract.label.columns:
        before, now = has_label(known.dropna(), label), has_label(answered, label)
        texts = rows.assign(**{PREDICTION: pd.Series(np.where(now, label, "not"), answered.index)})
        column, error = _answers_drift(
            PREDICTION, pd.Series(np.where(before, label, "not")), texts, test, False, contract, of_rows
        )
        note = f"{label} moved furthest: {now.mean():.1%} of the answers, {before.mean():.1%} on the reference"
        if column.score is not None:
            column = column.model_copy(update={"note": _joined(note, column.note)})
        found.append((column, error))
    return max(found, key=lambda one: -1.0 if one[0].score is None else one[0].score)


def _confidence_drift(
    reference: Reference, rows: pd.DataFrame, contract: Contract, of_rows: int
) -> ColumnResult | None:
    """How sure the model is of what it answers, beside how sure it was; None where one of both is not known."""
    if reference.confidences is None or CONFIDENCE not in rows:
        return None
    test = contract.monitoring.confidence_drift
    return _answers_drift(CONFIDENCE, reference.confidences, rows, test, True, contract, of_rows)


def _answers_drift(
    name: str, known: pd.Series, rows: pd.DataFrame, test: DriftTest, numeric: bool, contract: Contract, of_rows: int
) -> ColumnResult:
    """What the model answered, beside what it does on its reference; rows that rules answered are left out."""
    answered = rows[name].dropna()
    rules = len(rows) - len(answered)
    column, error = _column_drift(
        name, known, answered, test, numeric, contract.monitoring.fewest, round(of_rows * len(answered) / len(rows))
    )
    note = _joined(f"the model did not answer {rules} of {len(rows)}" if rules else "", column.note)
    return column.model_copy(update={"note": note}), error


def _clean(values: pd.Series, numeric: bool) -> pd.Series:
    """The values that are there: finite numbers, or categories as text."""
    if numeric:
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers[np.isfinite(numbers.to_numpy(float))]
    return category_texts(values)


def _unseen(reference: pd.Series, values: pd.Series) -> str:
    new = sorted(set(values.unique()) - set(reference.unique()))
    return f"not in the reference: {', '.join(new[:5])}{' …' if len(new) > 5 else ''}" if new else ""


def _column(name: str, test: DriftTest, found: float | None, note: str) -> ColumnDrift:
    drifted = found is not None and is_drift(test.test, found, test.threshold)
    return ColumnDrift(column=name, test=test.test, score=found, threshold=test.threshold, drifted=drifted, note=note)


def _not_measured(report: DriftReport, state: DriftState, reason: str) -> DriftReport:
    return report.model_copy(update={"state": state, "reason": reason})


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _largest(errors: Sequence[float]) -> float | None:
    known = [error for error in errors if np.isfinite(error)]
    return max(known) if known else None
