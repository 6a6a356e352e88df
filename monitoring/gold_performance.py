"""Estimated and realised accuracy, or error, for the live monitor: from gold/calibration and gold/performance, without
Spark."""

import logging
import time
from typing import Any

import pandas as pd

from lakeloop.contract.gate import MIN_ROWS
from lakeloop.error_trees import ErrorTrees
from lakeloop.exceptions import first_line
from lakeloop.interval import says_little
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase
from monitoring.expected_error import ErrorCalibration, expected_error
from monitoring.performance import Calibration, expected_accuracy

log = logging.getLogger(__name__)
FRESH_SECONDS = 30.0


class GoldPerformance:
    """What is known of each model version's accuracy, or error; the tables are looked at again after half a minute."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._read_at = float("-inf")
        self._calibrations: dict[str, Calibration | ErrorCalibration] = {}
        self._realised: dict[str, float] = {}

    def estimated(self, model_version: str, rows: pd.DataFrame) -> float | None:
        """To be expected of the model's own answers in a window; None where nothing says.

        `rows`: of classes `confidence`, of numbers the features and `prediction`; and `by_rules`.
        """
        self._look()
        calibration = self._calibrations.get(model_version)
        own = rows[~rows["by_rules"].astype(bool)] if "by_rules" in rows else rows
        if isinstance(calibration, ErrorCalibration):
            errors = expected_error(calibration, own)
            return errors.error if errors.rows else None
        if calibration is None or "confidence" not in rows:
            return None
        estimate = expected_accuracy(calibration, own["confidence"].to_numpy(float))
        return estimate.accuracy if estimate.rows else None

    def realised(self, model_version: str) -> float | None:
        """By the model's own answers in the newest period of which truth enough is there; None before any is."""
        self._look()
        return self._realised.get(model_version)

    def _look(self) -> None:
        if time.monotonic() - self._read_at < FRESH_SECONDS:
            return
        self._read_at = time.monotonic()
        try:
            self._calibrations = read_calibrations(self._use_case)
            self._realised = newest_realised(self._use_case)
        except Exception as error:  # noqa: BLE001 - delta-rs raises many kinds; drift is watched whatever these tables say
            log.warning("event=performance_unreadable why=%r", first_line(error))


def read_calibrations(use_case: UseCase) -> dict[str, Calibration | ErrorCalibration]:
    """Model version -> its calibration; {} before any was made."""
    rows = read_lake_table(use_case, "gold/calibration")
    if rows is None:
        return {}
    read = _of_classes if use_case.contract.label.classes else _of_numbers
    found = [read({str(name): value for name, value in row.items()}) for row in rows.to_dict("records")]
    watched = use_case.contract.gate.watched_error
    known = [one for one in found if isinstance(one, Calibration) or one.metric == watched]
    return {calibration.model_version: calibration for calibration in known}


def _of_classes(row: dict[str, Any]) -> Calibration:
    return Calibration.model_validate({**row, "knots": tuple(map(float, row["knots"]))})


def _of_numbers(row: dict[str, Any]) -> ErrorCalibration:
    return ErrorCalibration.model_validate({**row, "trees": ErrorTrees.model_validate_json(row["trees"])})


def newest_realised(use_case: UseCase) -> dict[str, float]:
    """Model version -> realised accuracy, or error, of its own answers in the newest period with truth of enough.

    An alarm stands on it: the truth of a handful of rows must not raise one.
    """
    known = enough_realised(use_case)
    newest = known.sort_values("period").groupby("model_version")["score"].last()
    return {str(version): float(realised) for version, realised in newest.items()}


def enough_realised(use_case: UseCase) -> pd.DataFrame:
    """Of versions' own answers what enough truth tells: `model_version`, `period`, `score` (accuracy, or error).

    Of fewer numbers than a slice in the gate must have their mean error says little.
    """
    contract = use_case.contract
    column = "model_accuracy" if contract.label.classes else f"model_{contract.gate.watched_error}"
    rows = read_lake_table(use_case, "gold/performance")
    if rows is None or not {column, "model_with_truth"} <= set(rows.columns):
        return pd.DataFrame({"model_version": [], "period": [], "score": []})
    named = rows.rename(columns={contract.period_column: "period", column: "score"})
    known = named[named["score"].notna() & (named["model_with_truth"] > 0)]
    counts = known["model_with_truth"].astype(int)
    if contract.label.classes:
        tells = [not says_little(score, count) for score, count in zip(known["score"], counts, strict=True)]
        return known[tells]
    return known[counts >= MIN_ROWS]
