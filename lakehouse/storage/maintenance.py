"""Keeps tables small: fewer, larger files, and none that nobody needs any more."""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from lakehouse.lake import Lake
from lakehouse.read.tables import table_names
from lakehouse.storage.commits import commits_of
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.lock import tables_held
from lakehouse.storage.small_tables import commit_properties, one_of
from lakeloop.exceptions import LakeloopError
from lakeloop.lake_tables import open_lake_table
from lakeloop.manifest import FILE_NAME, read_manifest
from lakeloop.model_card import CARD_FILE
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)


def optimize(lake: Lake) -> dict[str, tuple[int, int]]:
    """Compact every table's small files; table -> (files removed, files added). Rows and values stay as they are.

    Waits for whoever writes tables.
    """
    from delta.tables import DeltaTable as SparkTable

    result = {}
    with tables_held(lake):
        for layer, name in table_names(lake):
            metrics = SparkTable.forPath(lake.spark, lake.table(f"{layer}/{name}")).optimize().executeCompaction()
            row = metrics.select("metrics.numFilesRemoved", "metrics.numFilesAdded").collect()[0]
            result[f"{layer}/{name}"] = (row[0], row[1])
    log.info("event=optimized use_case=%s tables=%d", lake.name, len(result))
    return result


def delete_rows(use_case: UseCase, name: str, column: str, values: Collection[str], note: Mapping[str, Any]) -> None:
    """Delete the rows of a table that have one of these texts in a column; `note` is what the commit says of it.

    Waits for whoever writes tables. Earlier versions stay readable until they are vacuumed.
    """
    with tables_held(use_case):
        found = open_lake_table(use_case, name)
        if found is not None:
            found.delete(one_of(column, values), commit_properties=commit_properties(note))


@dataclass(frozen=True)
class Vacuumed:
    """What became of one table's old files; `kept_versions` are those something refers to."""

    removed: int
    kept_versions: tuple[int, ...] = ()


def vacuum(use_case: UseCase, hours: int = 168, referred: Collection[int] = ()) -> dict[str, Vacuumed]:
    """Delete files that left their table more than `hours` ago, by table. Waits for whoever writes tables.

    A version of gold/training that an export's manifest names, that a pushed model was trained on, or that stands in
    `referred`, stays readable, however long ago that was. Silver and gold read nothing but the newest version of what
    they are made from, and its log, which stays.
    """
    referred = {*referred, *exported_versions(use_case), *trained_versions(use_case)}
    done = {}
    with tables_held(use_case):
        for layer, name in table_names(use_case):
            done[f"{layer}/{name}"] = _vacuum(use_case, layer, name, hours, referred)
    log.info("event=vacuumed use_case=%s tables=%d", use_case.name, len(done))
    return done


def _vacuum(use_case: UseCase, layer: str, name: str, hours: int, referred: Collection[int]) -> Vacuumed:
    table = DeltaTable(use_case.table(f"{layer}/{name}"))
    needed = set(referred) if f"{layer}/{name}" == TRAINING_TABLE else set()
    keep = sorted(needed & {commit.version for commit in commits_of(table)})
    removed = table.vacuum(
        hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=keep or None
    )
    return Vacuumed(len(removed), tuple(keep))


def exported_versions(use_case: UseCase) -> set[int]:
    """Versions of gold/training that a manifest in the export area names."""
    versions = set()
    for path in Path(use_case.folder("export")).glob(f"*/{FILE_NAME}"):
        try:
            versions.add(read_manifest(path).version)
        except LakeloopError:
            log.warning("event=unreadable_manifest path=%s", path)
    return versions


def trained_versions(use_case: UseCase) -> set[int]:
    """Versions of gold/training that a pushed model was trained on; one that was taken back counts too."""
    versions = set()
    for path in Path(use_case.folder("models")).glob(f"*/{CARD_FILE}"):
        try:
            version = json.loads(path.read_text(encoding="utf-8"))["stamps"]["delta_version"]
            versions |= {int(version)} if version else set()
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("event=unreadable_model_card path=%s", path)
    return versions
