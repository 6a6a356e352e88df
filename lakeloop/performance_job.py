"""Brings the estimate of accuracy into gold: calibrates each model version once, on held-out rows of its own export."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from lakehouse.calibration import CalibrationRow, answering_versions, calibrated_versions, write_calibrations
from lakehouse.gold import update_estimates
from lakehouse.layout import PERFORMANCE, table_exists, table_path
from lakeloop.champion import champion_facts, pushed_versions
from lakeloop.contract import Contract
from lakeloop.errors import LakeloopError
from lakeloop.exported import read_shards
from lakeloop.scoring import probabilities_of
from lakeloop.settings import Settings
from monitoring.performance import Calibration, calibrate
from monitoring.reference import checked_export
from tfx_pipeline.validate import model_folder


@dataclass(frozen=True)
class PerformanceReport:
    """Model versions calibrated now, months estimated now, and sentences on versions that could not be calibrated."""

    calibrated: tuple[Calibration, ...] = ()
    months: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def estimate_performance(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    progress: Callable[[str], None] = lambda line: None,
) -> PerformanceReport:
    """Calibrate the newest version and every version that answered, then estimate the months that lack it.

    Repeating it changes nothing. A version whose model or held-out rows are gone stays without an estimate.
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
    return PerformanceReport(tuple(found), update_estimates(spark, contract, settings), tuple(notices))


def calibrate_version(contract: Contract, settings: Settings, version: str) -> Calibration:
    """A pushed version's calibration, from the eval rows of its own export.

    Raises:
        NotFound: the version is gone or does not say what it was trained on.
        LakeloopError: its export is gone or is not what it was trained on any more.
    """
    _, shards = checked_export(champion_facts(settings, version), settings, contract)
    rows = read_shards(contract, [path for split, path in shards if split == "eval"])
    probabilities = probabilities_of(contract, model_folder(settings, version), rows)
    correct = np.argmax(probabilities, axis=1) == rows[contract.label.name].to_numpy()
    return calibrate(version, probabilities.max(axis=1), correct)


def performance_table(spark: SparkSession, contract: Contract, settings: Settings) -> pd.DataFrame:
    """gold/performance, sorted by month and version; empty where nothing was answered."""
    path = table_path(settings, "gold", PERFORMANCE)
    if not table_exists(spark, path):
        return pd.DataFrame()
    rows: pd.DataFrame = spark.read.format("delta").load(path).toArrow().to_pandas()
    return rows.sort_values([contract.event_time.column, "model_version"], ignore_index=True)


def _row(calibration: Calibration) -> CalibrationRow:
    return CalibrationRow(**calibration.model_dump())
