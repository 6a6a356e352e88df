"""Brings the estimate of accuracy, of numbers that of their error, into gold.

Each model version is calibrated once, on held-out rows of its own export.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lakehouse.gold.calibration import (
    CalibrationRow,
    ErrorCalibrationRow,
    answering_versions,
    calibrated_versions,
    periods_to_estimate,
    write_calibrations,
)
from lakehouse.lake import Lake
from lakehouse.storage.layout import PERFORMANCE
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.exported import read_shards
from lakeloop.lake_tables import read_lake_table
from lakeloop.model_card import read_model_card
from lakeloop.pushed_models import pushed_versions
from lakeloop.use_case import UseCase
from monitoring.drift.reference import checked_export
from monitoring.expected_error import ErrorCalibration, calibrate_errors
from monitoring.performance import Calibration, calibrate


@dataclass(frozen=True)
class PerformanceReport:
    """Model versions calibrated now, periods estimated now, and sentences on versions that could not be calibrated."""

    calibrated: tuple[Calibration | ErrorCalibration, ...] = ()
    periods: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def estimate_performance(lake: Lake, progress: Callable[[str], None] = lambda line: None) -> PerformanceReport:
    """Calibrate the newest version and every version that answered, then estimate the periods that lack it.

    Spark is asked for where a period lacks its estimate, which is made from its requests. Repeating it changes nothing.
    A version whose model or held-out rows are gone stays without an estimate.
    """
    newest = pushed_versions(lake)[-1:]
    wanted = sorted({*answering_versions(lake), *newest} - calibrated_versions(lake))
    found, notices = [], []
    for version in wanted:
        try:
            progress(f"calibrating version {version}")
            found.append(calibrate_version(lake, version))
        except (LakeloopError, OSError) as error:
            notices.append(f"version {version} cannot be calibrated: {error}")
    write_calibrations(lake, [_row(calibration) for calibration in found])
    periods: tuple[str, ...] = ()
    if periods_to_estimate(lake):
        from lakehouse.gold.build import update_estimates

        periods = update_estimates(lake)
    return PerformanceReport(tuple(found), periods, tuple(notices))


def calibrate_version(use_case: UseCase, version: str) -> Calibration | ErrorCalibration:
    """A pushed version's calibration, from the eval rows of its own export.

    Raises:
        NotFoundError: the version is gone, does not say what it was trained on, or its export held no rows out.
        LakeloopError: its export is gone or is not what it was trained on any more.
    """
    from lakeloop.pushed_models import model_folder
    from operations.scoring import classes_of, given_of

    contract = use_case.contract
    _, shards = checked_export(read_model_card(use_case, version), use_case)
    held_out = [path for split, path in shards if split == "eval"]
    if not held_out:
        raise NotFoundError("its export held no rows out; `lakeloop train` makes a model whose export does")
    rows = read_shards(contract, held_out)
    given = given_of(contract, model_folder(use_case, version), rows)
    if contract.label.task == "regression":
        return calibrate_errors(contract, version, rows, given[:, 0])
    answered, confidence = classes_of(contract, given)
    return calibrate(version, confidence, answered == rows[contract.label.name].to_numpy())


def performance_table(use_case: UseCase) -> pd.DataFrame:
    """gold/performance, sorted by period and version; empty where nothing was answered."""
    rows = read_lake_table(use_case, PERFORMANCE)
    if rows is None:
        return pd.DataFrame()
    return rows.sort_values([use_case.contract.period_column, "model_version"], ignore_index=True)


def _row(calibration: Calibration | ErrorCalibration) -> CalibrationRow | ErrorCalibrationRow:
    """As the table has it."""
    if isinstance(calibration, ErrorCalibration):
        return ErrorCalibrationRow(
            **calibration.model_dump(exclude={"trees"}), trees=calibration.trees.model_dump_json()
        )
    return CalibrationRow(**calibration.model_dump())
