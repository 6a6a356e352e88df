"""Keeps tables small: fewer, larger files, and none that nobody needs any more."""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from delta.tables import DeltaTable
from deltalake import DeltaTable as DeltaLog
from pyspark.sql import SparkSession

from lakehouse.layout import TRAINING, table_path
from lakehouse.tables import table_names
from lakeloop.champion import FACTS_FILE
from lakeloop.errors import LakeloopError
from lakeloop.manifest import FILE_NAME, read_manifest
from lakeloop.settings import Settings

log = logging.getLogger(__name__)


def optimize(spark: SparkSession, settings: Settings) -> dict[str, tuple[int, int]]:
    """Compact every table's small files; table -> (files removed, files added). Rows and values stay as they are."""
    result = {}
    for layer, name in table_names(spark, settings):
        metrics = DeltaTable.forPath(spark, table_path(settings, layer, name)).optimize().executeCompaction()
        row = metrics.select("metrics.numFilesRemoved", "metrics.numFilesAdded").collect()[0]
        result[f"{layer}/{name}"] = (row[0], row[1])
    log.info("event=optimized use_case=%s tables=%d", settings.use_case, len(result))
    return result


@dataclass(frozen=True)
class Vacuumed:
    """What became of one table's old files; `kept_versions` are those something refers to."""

    removed: int
    kept_versions: tuple[int, ...] = ()


def vacuum(
    spark: SparkSession, settings: Settings, hours: int = 168, referred: Collection[int] = ()
) -> dict[str, Vacuumed]:
    """Delete files that left their table more than `hours` ago, by table.

    A version of gold/training that an export's manifest names, that a pushed model was trained on, or that stands in
    `referred`, stays readable, however long ago that was.
    """
    referred = {*referred, *exported_versions(settings), *trained_versions(settings)}
    done = {}
    for layer, name in table_names(spark, settings):
        table = DeltaLog(table_path(settings, layer, name))
        needed = referred if name == TRAINING else set()
        keep = sorted(needed & {commit["version"] for commit in table.history()})
        removed = table.vacuum(
            hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=keep or None
        )
        done[f"{layer}/{name}"] = Vacuumed(len(removed), tuple(keep))
    log.info("event=vacuumed use_case=%s tables=%d", settings.use_case, len(done))
    return done


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
