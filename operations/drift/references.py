"""What every period of the lake is measured against: its model's training rows, or requests before it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.drift_report import DriftReport
from lakeloop.use_case import UseCase
from monitoring.drift.reference import NoReference, Reference, load_reference, through_model_server
from monitoring.drift.reference_windows import ChosenPeriods, choose_periods, good_periods, reference_of_periods
from monitoring.exceptions import ModelNotAskedError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PeriodShare:
    """The requests of one period that are measured against one version; `unasked`: those that rules answered alone."""

    period: str
    version: str
    rows: int
    unasked: int
    last_batch: int


class References:
    """By the contract, `shares` being all there are. A good period is one without drift, so what is found of one period
    has to be learnt before the next is asked about.
    """

    def __init__(self, use_case: UseCase, shares: Sequence[PeriodShare], reports: Iterable[DriftReport]) -> None:
        self._use_case, self._contract = use_case, use_case.contract
        self._shares = shares
        self._states = {(one.model_version, one.window.period): one.state for one in reports}
        self.trained = cache(self._trained)
        self._good = cache(lambda version: good_periods(use_case, version))

    def known_together(self, shares: Sequence[PeriodShare]) -> list[list[PeriodShare]]:
        """Those whose references are known at once: all where they are training rows, else a period after the other."""
        if self._contract.monitoring.reference == "train":
            return [list(shares)]
        return [list(of_period) for _, of_period in groupby(shares, key=lambda share: share.period)]

    def learn(self, report: DriftReport) -> None:
        """Take in what was found of a whole period."""
        if report.window.kind == "month":
            self._states[report.model_version, report.window.period] = report.state

    def of(self, share: PeriodShare) -> Reference | NoReference:
        """What a share is measured against."""
        trained = self.trained(share.version)
        if isinstance(trained, NoReference) or self._contract.monitoring.reference == "train":
            return trained
        return reference_of_periods(self._use_case, trained, self._chosen(share))

    def chosen_of(self, share: PeriodShare) -> list[Any]:
        """What tells one reference of a version from another; nothing where it is the training rows by contract."""
        if self._contract.monitoring.reference == "train":
            return []
        chosen = self._chosen(share)
        rows = [one.__dict__ for one in self._of_version(share.version) if one.period in chosen.periods]
        return [chosen.note, rows]

    def _chosen(self, share: PeriodShare) -> ChosenPeriods:
        answered = [one.period for one in self._of_version(share.version)]
        stable = [period for period in answered if self._states.get((share.version, period)) == "stable"]
        good = self._good(share.version) if self._contract.monitoring.reference == "last_good" else ()
        return choose_periods(self._contract, share.period, answered, stable, good)

    def _of_version(self, version: str) -> list[PeriodShare]:
        return [one for one in self._shares if one.version == version]

    def _trained(self, version: str) -> Reference | NoReference:
        if not version:
            return NoReference("", "rules answered all requests and no model was pushed yet, so there is no reference")
        return load_reference(self._use_case, version, ask_model)


def ask_model(use_case: UseCase, version: str, features: pd.DataFrame) -> np.ndarray:
    """The model server's answers; of a version it does not serve any more, those of the pushed model itself."""
    contract = use_case.contract
    try:
        return through_model_server(use_case, version, features)
    except ModelNotAskedError as away:
        log.info("event=asked_from_disk version=%s why=%r", version, str(away))
    from operations.scoring import given_of

    return given_of(contract, use_case.folder("models").absolute() / version, features)
