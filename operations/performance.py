"""Brings the estimate of accuracy into gold: calibrates each model version once, on held-out rows of its own export."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lakehouse.gold.calibration import (
    CalibrationRow,
    answering_versions,
    calibrated_versions,
    months_to_estimate,
    write_calibrations,
)
from lakehouse.storage.layout import PERFORMANCE
from lakeloop.champion import pushed_versions, read_model_card
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.exported import read_shards
from lakeloop.lake_tables import read_lake_table
from lakeloop.settings import Settings
from monitoring.drift.reference import checked_export
from monitoring.performance import Calibration, calibrate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class PerformanceReport:
    """Model versions calibrated now, months estimated now, and sentences on versions that could not be calibrated."""

    calibrated: tuple[Calibration, ...] = ()
    months: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def estimate_performance(
    contract: Contract,
    settings: Settings,
    open_spark: Callable[[Settings], AbstractContextManager["SparkSession"]],
    progress: Callable[[str], None] = lambda line: None,
) -> PerformanceReport:
    """Calibrate the newest version and every version that answered, then estimate the months that lack it.

    Spark is opened where a month lacks its estimate, which is made from its requests. Repeating it changes nothing.
    A version whose model or held-out rows are gone stays without an estimate.
    """
    newest = pushed_versions(settings.folder("models"))[-1:]
    wanted = sorted({*answering_versions(settings), *newest} - calibrated_versions(settings))
    found, notices = [], []
    for version in wanted:
        try:
            progress(f"calibrating version {version}")
            found.append(calibrate_version(contract, settings, version))
        except (LakeloopError, OSError) as error:
            notices.append(f"version {version} cannot be calibrated: {error}")
    write_calibrations(settings, [_row(calibration) for calibration in found])
    months: tuple[str, ...] = ()
    if months_to_estimate(contract, settings):
        from lakehouse.gold.build import update_estimates

        with open_spark(settings) as spark:
            months = update_estimates(spark, contract, settings)
    return PerformanceReport(tuple(found), months, tuple(notices))


def calibrate_version(contract: Contract, settings: Settings, version: str) -> Calibration:
    """A pushed version's calibration, from the eval rows of its own export.

    Raises:
        NotFoundError: the version is gone, does not say what it was trained on, or its export held no rows out.
        LakeloopError: its export is gone or is not what it was trained on any more.
    """
    from operations.scoring import probabilities_of
    from tfx_pipeline.evaluation.validate import model_folder

    _, shards = checked_export(read_model_card(settings, version), settings, contract)
    held_out = [path for split, path in shards if split == "eval"]
    if not held_out:
        raise NotFoundError("its export held no rows out; `lakeloop train` makes a model whose export does")
    rows = read_shards(contract, held_out)
    probabilities = probabilities_of(contract, model_folder(settings, version), rows)
    correct = np.argmax(probabilities, axis=1) == rows[contract.label.name].to_numpy()
    return calibrate(version, probabilities.max(axis=1), correct)


def performance_table(contract: Contract, settings: Settings) -> pd.DataFrame:
    """gold/performance, sorted by month and version; empty where nothing was answered."""
    rows = read_lake_table(settings, f"gold/{PERFORMANCE}")
    if rows is None:
        return pd.DataFrame()
    return rows.sort_values([contract.event_time.column, "model_version"], ignore_index=True)


def _row(calibration: Calibration) -> CalibrationRow:
    return CalibrationRow(**calibration.model_dump())
