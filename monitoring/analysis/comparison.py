"""The whole comparison of one period with a model's reference: everything the report shows and its sentences need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport
from monitoring.analysis.association import Association, associations, group_weights
from monitoring.analysis.pace import Pace, paces
from monitoring.analysis.side_by_side import Distance, distances
from monitoring.drift.compared_values import compared_columns
from monitoring.drift.watched_answers import has_label

LEAST_LABELLED = 50
QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9}


@dataclass(frozen=True)
class TargetDrift:
    """Class shares before and now, of numbers their 10 %, 50 % and 90 % quantiles, and how far the target moved.

    `score` is by `method`: of classes the Jensen–Shannon distance, of numbers Wasserstein's in standard deviations.
    """

    before: Mapping[str, float]
    now: Mapping[str, float]
    score: float
    threshold: float
    drifted: bool
    rows: int
    method: str = "jensenshannon"


@dataclass(frozen=True)
class Comparison:
    """One period against the reference.

    `reports` by period number, up to the last period looked at. What needs truth (`after`, `target`) is None or empty
    where too few labelled rows of the period are known. `predicted` is the same for the model's answers.
    """

    contract: Contract
    model_version: str
    period: int
    reference_rows: int
    rows: int
    labelled_rows: int
    reports: Mapping[int, DriftReport]
    distances: Mapping[str, tuple[Distance, ...]]
    target_distances: tuple[Distance, ...]
    paces: tuple[Pace, ...]
    before: tuple[Association, ...]
    after: tuple[Association, ...] = ()
    target: TargetDrift | None = None
    predicted: TargetDrift | None = None
    weights_before: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    weights_after: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def report(self) -> DriftReport:
        """The measured period's own."""
        return self.reports[self.period]


def compare(
    contract: Contract,
    model_version: str,
    period: int,
    reference: pd.DataFrame,
    by_period: Mapping[int, pd.DataFrame],
    reports: Mapping[int, DriftReport],
    labelled: pd.DataFrame,
    predictions: tuple[pd.Series, pd.Series] | None = None,
) -> Comparison:
    """Compare `by_period[period]` with the reference.

    `reference`: features, class id and, if known, truth. `labelled`: the period's rows whose truth is known.
    `predictions`: class names, or numbers, the model gave on the reference and in the period.
    """
    current = by_period[period]
    drifted = {number: frozenset(report.drifted) for number, report in reports.items()}
    known = len(labelled) >= LEAST_LABELLED
    before = associations(contract, reference)
    after = associations(contract, labelled) if known else ()
    return Comparison(
        contract=contract,
        model_version=model_version,
        period=period,
        reference_rows=len(reference),
        rows=len(current),
        labelled_rows=len(labelled),
        reports=reports,
        distances={
            name: distances(*compared_columns(contract, name, reference, current), feature.role == "numeric")
            for name, feature in contract.features.items()
        },
        target_distances=_target_distances(contract, reference, labelled) if known else (),
        paces=paces(contract, reference, by_period, period, drifted),
        before=before,
        after=after,
        target=target_drift(contract, _target(contract, reference), _target(contract, labelled)) if known else None,
        predicted=target_drift(contract, *predictions) if predictions else None,
        weights_before=group_weights(contract, before),
        weights_after=group_weights(contract, after) if known else {},
    )


def target_drift(contract: Contract, before: pd.Series, now: pd.Series) -> TargetDrift:
    """How far class names, or numbers, moved."""
    if not contract.label.classes:
        return _number_drift(before.astype(float), now.astype(float))
    if contract.label.several:
        return _labels_moved(contract, before, now)
    names = contract.label.class_names
    found = next(d for d in distances(before, now, numeric=False) if d.method == "jensenshannon")
    shares = [values.value_counts(normalize=True).reindex(names, fill_value=0.0) for values in (before, now)]
    then, today = ({name: float(share[name]) for name in names} for share in shares)
    return TargetDrift(then, today, found.score or 0.0, found.threshold, found.drifted, rows=len(now))


def _labels_moved(contract: Contract, before: pd.Series, now: pd.Series) -> TargetDrift:
    """How far names of sets moved: the share of the rows that have each label, and the distance of the furthest."""
    then, today, furthest = {}, {}, []
    for label in contract.label.columns:
        earlier, later = (
            pd.Series(np.where(has_label(names.dropna(), label), label, "not")) for names in (before, now)
        )
        then[label], today[label] = (float((values == label).mean()) for values in (earlier, later))
        furthest.append(next(d for d in distances(earlier, later, numeric=False) if d.method == "jensenshannon"))
    found = max(furthest, key=lambda one: one.score or 0.0)
    return TargetDrift(then, today, found.score or 0.0, found.threshold, found.drifted, rows=len(now))


def _number_drift(before: pd.Series, now: pd.Series) -> TargetDrift:
    found = next(d for d in distances(before, now, numeric=True) if d.method == "wasserstein")
    then, today = (
        {name: float(values.quantile(share)) for name, share in QUANTILES.items()} for values in (before, now)
    )
    return TargetDrift(
        then, today, found.score or 0.0, found.threshold, found.drifted, rows=len(now), method=found.method
    )


def _target(contract: Contract, rows: pd.DataFrame) -> pd.Series:
    """Class names, or the numbers."""
    label = rows[contract.label.name]
    return label.map(contract.label.name_of) if contract.label.classes else label


def _target_distances(contract: Contract, reference: pd.DataFrame, labelled: pd.DataFrame) -> tuple[Distance, ...]:
    label = contract.label
    if (
        label.classes
        and label.truth_is_number
        and label.truth_column in reference
        and not reference[label.truth_column].isna().any()
    ):
        return distances(reference[label.truth_column], labelled[label.truth_column], label.truth.values is None)
    return distances(_target(contract, reference), _target(contract, labelled), numeric=not label.classes)
