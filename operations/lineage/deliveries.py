"""Delivered files by their name, and the versions of gold/training that hold rows with values from one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.provenance import find_version, last_batch, silver_of, table_versions
from lakehouse.storage.commits import Commit
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_rows import rows_of_file
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase

MIN_CHECKSUM = 8


@dataclass(frozen=True)
class GoldWith:
    """A version of gold/training with rows whose values came from a file, and the silver it was made from.

    `rows`: how many of silver's rows have their values from the file; None where that version was vacuumed. `base`: the
    version of the base's silver that met it, where it is a joined source.
    """

    gold: Commit
    silver: Commit
    rows: int | None
    base: int | None = None


def find_deliveries(known: Sequence[DeliveryRecord], path: str) -> tuple[DeliveryRecord, ...]:
    """The deliveries of a file by its name, `<source>/<name>`, any longer path, or the start of its checksum.

    A file that was corrected and delivered again under its name is there more than once.

    Raises:
        NotFoundError: nothing of that name was delivered; the text names what was.
    """
    parts = PurePath(path).parts
    name, source = (parts[-1] if parts else ""), (parts[-2] if len(parts) > 1 else "")
    sources = {d.source for d in known}
    found = tuple(d for d in known if d.file == name and (source not in sources or d.source == source))
    if not found and len(path) >= MIN_CHECKSUM:
        found = tuple(d for d in known if d.sha256.startswith(path.lower()))
    if not found:
        newest = ", ".join(f"{d.source}/{d.file}" for d in known[-5:])
        there = f"the newest deliveries are {newest}" if newest else "`lakeloop lake ingest` takes what has landed"
        raise NotFoundError(f"no file {path} was ever delivered; {there}")
    return found


def gold_with(use_case: UseCase, delivery: DeliveryRecord) -> tuple[GoldWith, ...]:
    """The versions of gold/training that were made from rows of this delivery, the oldest first.

    Where a version of silver was vacuumed, a batch that was there before it counts as in it.
    """
    silver, base = f"silver/{delivery.source}", use_case.contract.feature_source
    joined = delivery.source in use_case.contract.joins
    try:
        base_versions = table_versions(use_case, f"silver/{base}") if joined else ()
        versions, silver_versions = table_versions(use_case, TRAINING_TABLE), table_versions(use_case, silver)
    except NotFoundError:
        return ()
    counted: dict[int, int | None] = {}
    found = []
    for version in versions:
        made_from = version.note.get("silver", {})
        met_by = made_from.get(base) if joined else None
        if joined:
            made_from = {} if met_by is None else silver_of(base_versions, met_by)
        used = made_from.get(delivery.source)
        if used is None:
            continue
        if used not in counted:
            counted[used] = _rows(use_case, silver, used, delivery)
        if counted[used] != 0:
            found.append(GoldWith(version, find_version(silver_versions, silver, used), counted[used], met_by))
    return tuple(found)


def _rows(use_case: UseCase, silver: str, version: int, delivery: DeliveryRecord) -> int | None:
    try:
        return rows_of_file(use_case, silver, version, delivery.file, delivery.batch).num_rows
    except VersionVacuumedError:
        newest = last_batch(use_case, silver, version)
        return None if newest is not None and newest >= delivery.batch else 0
