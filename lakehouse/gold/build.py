"""Silver -> gold: `training`, `monthly` and `performance`, each in a module of its own.

Incremental: silver's logs tell where the rows lie that changed since the last run, and only those are joined again.
The progress file is written after all tables, and every write is idempotent, so a crash costs work, not rows.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import functions as sf

from lakehouse.gold.calibration import periods_to_estimate
from lakehouse.gold.changes import MOST_LISTED, Changes, periods_between, read_changes
from lakehouse.gold.feature_rows import SilverTables
from lakehouse.gold.performance import update_performance
from lakehouse.gold.period_summary import update_period_summary
from lakehouse.gold.training import create_training, load_training, update_training
from lakehouse.lake import Lake
from lakehouse.silver.refine import create_silver
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import PREDICTIONS, TRAINING_TABLE, read_json, write_json
from lakehouse.storage.lock import tables_held
from lakehouse.storage.merge import MergeCounts, within
from lakehouse.storage.schema import change_column, quoted
from lakehouse.storage.table_log import files_at, version_of
from lakeloop.contract import Contract
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GoldReport:
    """Version of `training` after the run and what the run changed in it; `periods`, `performance`: recomputed ones."""

    version: int | None = None
    added: int = 0
    updated: int = 0
    removed: int = 0
    periods: tuple[str, ...] = ()
    performance: tuple[str, ...] = ()


def build_gold(lake: Lake) -> GoldReport:
    """Bring gold up to date with silver; nothing is read where silver did not change."""
    contract = lake.contract
    training_path = lake.table(TRAINING_TABLE)
    paths = _silver_paths(lake)
    if not paths:
        return GoldReport(version_of(training_path))
    progress = progress_path(lake)
    done: dict[str, int] = read_json(progress) or {}
    now, made = _versions(paths), version_of(training_path)
    if done == now and made is not None:
        return GoldReport(made)
    create_training(lake)
    if done == now:
        return GoldReport(version_of(training_path))
    silver = _silver_at(lake, now)
    changes = read_changes(contract, paths, done, now) if done else None
    before = files_at(training_path) or []
    note = {"silver": now}
    with commit_note(lake.spark, note):
        if changes is None:
            counts = load_training(lake, silver, training_path)
            periods = request_periods = None
        else:
            counts = update_training(lake, silver, changes, training_path)
            written = periods_between(contract, before, files_at(training_path) or [])
            periods = None if changes.periods is None or written is None else changes.periods | written
            request_periods = _periods_of_requests(contract, silver, changes)
        touched = update_period_summary(lake, silver, periods, note)
        computed = update_performance(lake, silver, request_periods, note)
    write_json(progress, now)
    version = version_of(training_path) or 0
    log.info("event=gold version=%d added=%d updated=%d removed=%d", version, counts.inserted, counts.updated,
             counts.deleted)  # fmt: skip
    return _report(version, counts, touched, computed)


def _periods_of_requests(contract: Contract, silver: SilverTables, changes: Changes) -> set[str] | None:
    """Periods in which requests came, or truth of requests that came earlier; None: any."""
    periods, ranges = changes.request_periods, changes.truth_keys
    key, truth = contract.key.column, contract.truth_table
    batch = changes.batches.get(truth)
    if periods is None or silver.requests is None or batch is None or ranges == []:
        return periods
    known = silver.truth.where(within(key, ranges) & (sf.col(change_column(contract, truth)) > batch)).select(
        quoted(key)
    )
    requests = silver.requests.where(within(key, ranges)).join(known, key, "left_semi")
    periods = periods | {row[0] for row in requests.select(quoted(contract.period_column)).distinct().collect()}
    return periods if len(periods) <= MOST_LISTED else None


def update_estimates(lake: Lake) -> tuple[str, ...]:
    """Estimate the accuracy of periods whose model was calibrated after they were written; those periods.

    Made from silver as it is now; nothing where no estimate is missing.
    """
    with tables_held(lake):
        periods = periods_to_estimate(lake)
        if not periods or read_json(progress_path(lake)) is None:
            return ()
        now = _versions(_silver_paths(lake))
        return update_performance(lake, _silver_at(lake, now), periods, {"silver": now})


def _versions(paths: dict[str, str]) -> dict[str, int]:
    return {source: version_of(path) or 0 for source, path in paths.items()}


def _silver_at(lake: Lake, versions: dict[str, int]) -> SilverTables:
    contract = lake.contract
    frames = {name: lake.frame(f"silver/{name}", version) for name, version in versions.items()}
    return SilverTables(frames[contract.feature_source], frames[contract.truth_table], frames.get(PREDICTIONS))


def _report(version: int, counts: MergeCounts, periods: tuple[str, ...], performance: tuple[str, ...]) -> GoldReport:
    return GoldReport(version, counts.inserted, counts.updated, counts.deleted, periods, performance)


def _silver_paths(lake: Lake) -> dict[str, str]:
    """The silver tables gold is made from; {} while there is not enough: features and truth, or answered requests.

    Where requests were answered before any file of a source came, that source's table is made, empty.
    """
    contract = lake.contract
    sources = list(dict.fromkeys([contract.feature_source, contract.truth_table]))
    paths = {source: lake.table(f"silver/{source}") for source in sources}
    missing = [source for source, path in paths.items() if version_of(path) is None]
    requests = lake.table(f"silver/{PREDICTIONS}")
    if version_of(requests) is not None:
        for source in missing:
            create_silver(lake, source)
        return {**paths, PREDICTIONS: requests}
    return {} if missing else paths


def progress_path(use_case: UseCase) -> Path:
    """The silver versions gold was last made from."""
    return use_case.work_folder / "gold.json"
