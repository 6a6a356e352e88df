"""Requests in place of training rows as what windows are measured against: the last good period, or those just before.

By the contract (`monitoring.reference`). Where such requests are not there yet the training rows are taken, and it is
said why.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.drift_store import lake_reports
from lakeloop.lake_tables import Filter, read_lake_table
from lakeloop.model_card import threshold_of
from lakeloop.use_case import UseCase
from monitoring.drift.attribution import VERSION, columns_of, requests_of_version, rows_of_version, version_of_unasked
from monitoring.drift.reference import Reference
from monitoring.drift.sampling import seeded_sample
from monitoring.drift.watched_answers import CONFIDENCE, PREDICTION
from monitoring.gold_performance import enough_realised

PREDICTIONS_TABLE = "silver/predictions"


@dataclass(frozen=True)
class ChosenPeriods:
    """Periods whose requests are the reference; none: the training rows are, and `note` says why."""

    periods: tuple[str, ...] = ()
    note: str = ""


def choose_periods(
    contract: Contract, before: str, answered: Collection[str], stable: Collection[str], good: Collection[str]
) -> ChosenPeriods:
    """What a version's period is measured against. `answered`: periods in which the version answered; `stable` and
    `good`: those that showed no drift, and whose realised performance was within the gate's bound. Only periods before
    `before` count, all of them where it is ''.
    """
    kind = contract.monitoring.reference
    earlier = sorted(period for period in answered if not before or period < before)
    if kind == "train":
        return ChosenPeriods()
    if kind == "sliding":
        chosen = earlier[-contract.monitoring.sliding_windows :]
        return ChosenPeriods(tuple(chosen), "" if chosen else f"no {contract.period} before it has requests")
    newest = [period for period in earlier if period in good and period in stable][-1:]
    return ChosenPeriods(tuple(newest), "" if newest else no_good_period(contract))


def reference_of_periods(use_case: UseCase, trained: Reference, chosen: ChosenPeriods) -> Reference:
    """The requests of the chosen periods as the reference, or the training rows."""
    if not chosen.periods:
        return replace(trained, note=chosen.note)
    rows = rows_of_periods(use_case, trained.model_version, chosen.periods)
    return reference_of_rows(use_case.contract, trained, rows, chosen.periods)


def reference_of_rows(
    contract: Contract, trained: Reference, rows: pd.DataFrame, periods: Sequence[str] = ()
) -> Reference:
    """Requests as the reference: rows as `rows_of_version` gives them; the training rows where there are too few."""
    monitoring = contract.monitoring
    if len(rows) < monitoring.fewest:
        there = f"{', '.join(periods)} has {len(rows):,}" if periods else f"there are {len(rows):,}"
        return replace(trained, note=f"{there} requests to measure against, and {monitoring.fewest:,} are needed")
    sample = seeded_sample(rows)
    predictions = sample[PREDICTION].dropna()
    confidences = sample[CONFIDENCE].dropna() if CONFIDENCE in sample else None
    return replace(
        trained,
        features=sample[list(contract.features)],
        predictions=predictions if len(predictions) else None,
        why_no_predictions="" if len(predictions) else "the model was asked about none of these requests",
        confidences=confidences if confidences is not None and len(confidences) else None,
        kind=monitoring.reference,
        periods=tuple(periods),
    )


def last_good_period(use_case: UseCase, trained: Reference) -> Reference:
    """The newest good period there is, for whoever measures what is asked now."""
    reports = lake_reports(use_case, version=trained.model_version)
    stable = {report.window.period for report in reports if report.state == "stable"}
    good = good_periods(use_case, trained.model_version)
    return reference_of_periods(use_case, trained, choose_periods(use_case.contract, "", stable, stable, good))


def good_periods(use_case: UseCase, version: str) -> frozenset[str]:
    """Periods in which a version's own answers were, as far as enough truth tells, within the bound of the gate."""
    contract = use_case.contract
    bound = _bound(contract)
    if bound is None:
        return frozenset()
    known = enough_realised(use_case)
    known = known[known["model_version"] == version]
    within = known["score"] > bound if contract.label.classes else known["score"] < bound
    return frozenset(map(str, known.loc[within.astype(bool), "period"]))


def _bound(contract: Contract) -> float | None:
    return contract.gate.least_accuracy if contract.label.classes else contract.gate.error_bound


def no_good_period(contract: Contract) -> str:
    """Why there is no good period to measure against, in words."""
    if _bound(contract) is None:
        of = "accuracy" if contract.label.classes else contract.gate.watched_error
        return f"the gate names no bound of {of} that a good {contract.period} could be told by"
    return f"no good {contract.period} yet: none with enough truth, within the gate's bound and without drift"


def rows_of_periods(use_case: UseCase, version: str, periods: Sequence[str]) -> pd.DataFrame:
    """The requests of these periods that are measured against a version, as `rows_of_version` gives them."""
    contract = use_case.contract
    column = contract.period_column
    parts = []
    for period in periods:
        filters: list[Filter] = [(column, "=", period)]
        frame = read_lake_table(use_case, PREDICTIONS_TABLE, columns_of(contract), filters)
        if frame is None or frame.empty:
            continue
        answered = {str(one): int(count) for one, count in frame[VERSION].value_counts().items()}
        mine = requests_of_version(frame, version, not answered or version == version_of_unasked(answered))
        parts.append(rows_of_version(mine, contract, version, threshold_of(use_case, version)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*contract.features, PREDICTION])
