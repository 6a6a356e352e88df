"""Estimated and realised accuracy for the live monitor, from gold/calibration and gold/performance, without Spark."""

import logging
import time

import pandas as pd

from lakeloop.exceptions import first_line
from lakeloop.interval import says_little
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase
from monitoring.performance import Calibration, expected_accuracy

log = logging.getLogger(__name__)
FRESH_SECONDS = 30.0


class GoldPerformance:
    """What is known of each model version's accuracy; the tables are looked at again after half a minute."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._read_at = float("-inf")
        self._calibrations: dict[str, Calibration] = {}
        self._realised: dict[str, float] = {}

    def estimated(self, model_version: str, rows: pd.DataFrame) -> float | None:
        """To be expected of the model's own answers in a window (`confidence`, `by_rules`); None where nothing says."""
        self._look()
        calibration = self._calibrations.get(model_version)
        if calibration is None or "confidence" not in rows:
            return None
        own = rows[~rows["by_rules"].astype(bool)] if "by_rules" in rows else rows
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


def read_calibrations(use_case: UseCase) -> dict[str, Calibration]:
    """Model version -> its calibration; {} before any was made."""
    rows = read_lake_table(use_case, "gold/calibration")
    if rows is None:
        return {}
    found = (
        Calibration.model_validate({**row, "knots": tuple(map(float, row["knots"]))}) for row in rows.to_dict("records")
    )
    return {calibration.model_version: calibration for calibration in found}


def newest_realised(use_case: UseCase) -> dict[str, float]:
    """Model version -> realised accuracy of its own answers in the newest period with truth of enough of them.

    An alarm stands on it: the truth of a handful of rows must not raise one.
    """
    rows = read_lake_table(use_case, "gold/performance")
    if rows is None or not {"model_accuracy", "model_with_truth"} <= set(rows.columns):
        return {}
    known = rows[rows["model_accuracy"].notna() & (rows["model_with_truth"] > 0)]
    few = [says_little(a, int(n)) for a, n in zip(known["model_accuracy"], known["model_with_truth"], strict=True)]
    known = known[[not little for little in few]].sort_values(use_case.contract.period_column)
    newest = known.groupby("model_version")["model_accuracy"].last()
    return {str(version): float(accuracy) for version, accuracy in newest.items()}
