"""Keeps tables small: fewer, larger files, and none that nobody needs any more."""

import json
import logging
import math
from datetime import UTC, datetime
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.layout import TRAINING, table_path
from lakehouse.tables import table_names
from lakeloop.champion import FACTS_FILE
from lakeloop.errors import LakeloopError
from lakeloop.manifest import FILE_NAME, read_manifest
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


def optimize(spark: SparkSession, settings: Settings) -> dict[str, tuple[int, int]]:
    """Compact every table's small files; table -> (files removed, files added). Rows and values stay as they are."""
    result = {}
    for layer, name in table_names(spark, settings):
        metrics = DeltaTable.forPath(spark, table_path(settings, layer, name)).optimize().executeCompaction()
        row = metrics.select("metrics.numFilesRemoved", "metrics.numFilesAdded").collect()[0]
        result[f"{layer}/{name}"] = (row[0], row[1])
    log.info("event=optimized use_case=%s tables=%d", settings.use_case, len(result))
    return result


def vacuum(spark: SparkSession, settings: Settings, hours: int = 168) -> dict[str, int]:
    """Delete files that left their table more than `hours` ago; table -> hours kept.

    A version that an export's manifest names, or that a pushed model was trained on, stays readable: gold/training
    keeps everything back to the oldest such version, however long ago that was. Remove export and model to let it go.
    """
    kept = {}
    before = spark.conf.get(RETENTION_CHECK, "true")
    spark.conf.set(RETENTION_CHECK, "false")
    try:
        for layer, name in table_names(spark, settings):
            table = DeltaTable.forPath(spark, table_path(settings, layer, name))
            keep = max(hours, _hours_to_oldest_needed(table, settings)) if name == TRAINING else hours
            table.vacuum(float(keep))
            kept[f"{layer}/{name}"] = keep
    finally:
        spark.conf.set(RETENTION_CHECK, str(before))
    log.info("event=vacuumed use_case=%s tables=%d", settings.use_case, len(kept))
    return kept


def exported_versions(settings: Settings) -> set[int]:
    """Versions of gold/training that a manifest in the export area names."""
    versions = set()
    for path in Path(settings.folder("export")).glob(f"*/{FILE_NAME}"):
        try:
            versions.add(read_manifest(path).version)
        except LakeloopError:
            log.warning("event=unreadable_manifest path=%s", path)
    return versions


def trained_versions(settings: Settings) -> set[int]:
    """Versions of gold/training that a pushed model was trained on; one that was taken back counts too."""
    versions = set()
    for path in Path(settings.folder("models")).glob(f"*/{FACTS_FILE}"):
        try:
            stamped = json.loads(path.read_text(encoding="utf-8"))["stamps"]["delta_version"]
            versions |= {int(stamped)} if stamped else set()
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("event=unreadable_facts path=%s", path)
    return versions


def _hours_to_oldest_needed(table: DeltaTable, settings: Settings) -> int:
    """Hours of history that hold every version an export or a model needs; 0 where nothing needs any."""
    versions = exported_versions(settings) | trained_versions(settings)
    if not versions:
        return 0
    commits = table.history().select("version", "timestamp").collect()
    found = {row[0]: row[1].astimezone(UTC) for row in commits}
    since = found.get(min(versions), min(found.values()))  # not in the log any more: then all that is there
    return math.ceil((datetime.now(UTC) - since).total_seconds() / 3600) + 1
