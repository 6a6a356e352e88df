"""Silver -> gold: `training`, `monthly` and `performance`, each in a module of its own.

Incremental: silver's change feed names the keys that changed since the last run, and only those are joined again.
The progress file is written after all tables, and every write is idempotent, so a crash costs work, not rows.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from lakehouse.calibration import months_without_estimate
from lakehouse.commit_note import commit_note
from lakehouse.feature_rows import SilverTables
from lakehouse.gold_changes import read_changes
from lakehouse.layout import PREDICTIONS, TRAINING, read_json, table_exists, table_path, work_folder, write_json
from lakehouse.lock import in_turn
from lakehouse.metrics import MergeCounts, table_version
from lakehouse.monthly import update_monthly
from lakehouse.performance import update_performance
from lakehouse.silver import create_silver
from lakehouse.training import create_training, load_training, update_training
from lakeloop.contract import Contract
from lakeloop.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GoldReport:
    """Version of `training` after the run and what the run changed in it; `months`, `performance`: recomputed ones."""

    version: int | None = None
    added: int = 0
    updated: int = 0
    removed: int = 0
    months: tuple[str, ...] = ()
    performance: tuple[str, ...] = ()


def build_gold(spark: SparkSession, contract: Contract, settings: Settings) -> GoldReport:
    """Bring gold up to date with silver; nothing is read where silver did not change."""
    training_path = table_path(settings, "gold", TRAINING)
    paths = _silver_paths(spark, contract, settings)
    if not paths:
        return GoldReport(table_version(spark, training_path) if table_exists(spark, training_path) else None)
    create_training(spark, contract, settings)
    progress = progress_path(settings)
    done: dict[str, int] = read_json(progress) or {}
    now = {source: table_version(spark, path) for source, path in paths.items()}
    if done == now:
        return GoldReport(table_version(spark, training_path))
    silver = _silver_at(spark, contract, paths, now)
    with commit_note(spark, {"silver": now}):
        if done:
            changes = read_changes(spark, contract, paths, silver.asked, done, now)
            try:
                counts, months = update_training(spark, contract, silver, changes, training_path)
                asked_months: set[str] | None = changes.asked_months
            finally:
                changes.keys.unpersist()
        else:
            counts, months, asked_months = load_training(spark, contract, silver, training_path), None, None
        touched = update_monthly(spark, contract, settings, silver, months)
        judged = update_performance(spark, contract, settings, silver, asked_months)
    write_json(progress, now)
    version = table_version(spark, training_path)
    log.info("event=gold version=%d added=%d updated=%d removed=%d", version, counts.inserted, counts.updated,
             counts.deleted)  # fmt: skip
    return _report(version, counts, touched, judged)


def update_estimates(spark: SparkSession, contract: Contract, settings: Settings) -> tuple[str, ...]:
    """Estimate the accuracy of months whose model was calibrated after they were written; those months.

    Made from the versions of silver that the rest of gold was made from; nothing where no estimate is missing.
    """
    with in_turn(work_folder(settings) / "tables.lock"):
        done: dict[str, int] | None = read_json(progress_path(settings))
        months = months_without_estimate(spark, contract, settings)
        if not months or not done:
            return ()
        paths = {table: table_path(settings, "silver", table) for table in done}
        with commit_note(spark, {"silver": done}):
            silver = _silver_at(spark, contract, paths, done)
            return update_performance(spark, contract, settings, silver, months)


def _silver_at(
    spark: SparkSession, contract: Contract, paths: dict[str, str], versions: dict[str, int]
) -> SilverTables:
    frames = {s: spark.read.format("delta").option("versionAsOf", versions[s]).load(p) for s, p in paths.items()}
    return SilverTables(frames[contract.feature_source], frames[contract.label.source], frames.get(PREDICTIONS))


def _report(version: int, counts: MergeCounts, months: tuple[str, ...], performance: tuple[str, ...]) -> GoldReport:
    return GoldReport(version, counts.inserted, counts.updated, counts.deleted, months, performance)


def _silver_paths(spark: SparkSession, contract: Contract, settings: Settings) -> dict[str, str]:
    """The silver tables gold is made from; {} while there is not enough: features and truth, or answered requests.

    Where requests were answered before any file of a source came, that source's table is made, empty.
    """
    sources = list(dict.fromkeys([contract.feature_source, contract.label.source]))
    paths = {source: table_path(settings, "silver", source) for source in sources}
    missing = [source for source, path in paths.items() if not table_exists(spark, path)]
    asked = table_path(settings, "silver", PREDICTIONS)
    if table_exists(spark, asked):
        for source in missing:
            create_silver(spark, contract, settings, source)
        return {**paths, PREDICTIONS: asked}
    return {} if missing else paths


def progress_path(settings: Settings) -> Path:
    """The silver versions gold was last made from."""
    return work_folder(settings) / "gold.json"
