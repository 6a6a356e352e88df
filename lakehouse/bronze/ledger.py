"""The ledger `bronze/deliveries`: what became of every delivered file; kept in step with bronze, without Spark.

Bronze is written first, and its commit names the files whose rows it brings. So whatever was interrupted, moved or
restored from a backup, the ledger can be made to say what is in bronze: rows that are not there are not taken.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.bronze.bronze_table import BronzeTable, noted_record
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.notices import collated
from lakehouse.storage.layout import DELIVERIES, read_json
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.small_tables import SmallTable, column, merge_rows
from lakeloop.lake_tables import read_lake_records
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
LEDGER = f"bronze/{DELIVERIES}"
TABLE = SmallTable(
    LEDGER,
    (
        *(column(name, "string") for name in ("source", "file", "sha256")),
        *(column(name, "long") for name in ("bytes", "rows")),
        *(column(name, "timestamp") for name in ("modified_at", "ingested_at")),
        column("batch", "long"),
        *(column(name, "string") for name in ("state", "reason")),
    ),
    key=("source", "file", "batch"),
    comment="Every delivered file and what became of it",
)


@dataclass(frozen=True)
class InStep:
    """The ledger of a source as it says what is in bronze: `completed` are records that were new to it.

    `next_batch` is a number that neither the ledger nor bronze ever had, whichever was restored from a backup.
    """

    records: Sequence[DeliveryRecord]
    completed: Sequence[DeliveryRecord]
    notices: Sequence[str]
    next_batch: int


def deliveries(use_case: UseCase) -> tuple[DeliveryRecord, ...]:
    """The ledger of deliveries, oldest first."""
    rows = (DeliveryRecord(**row) for row in read_lake_records(use_case, LEDGER))
    return tuple(sorted(rows, key=lambda d: (d.batch, d.source, d.file)))


def write_records(use_case: UseCase, records: Sequence[DeliveryRecord]) -> None:
    """Add records, or put them in the place of those of the same file and batch; earlier versions stay readable."""
    with SHARED_TABLES:
        merge_rows(use_case, TABLE, [asdict(record) for record in records])


def in_step(use_case: UseCase, bronze: BronzeTable, known: Sequence[DeliveryRecord], pending: Path) -> InStep:
    """Make the ledger of a source say what is in bronze; `known` is what it says.

    `pending`: where older releases noted a batch they were about to write.
    """
    source = bronze.source
    there, last = bronze.rows_and_last_batch()
    in_ledger = {record.batch for record in known}
    adopted = [r for r in _left_behind(pending, source) if r.batch not in in_ledger and r.batch <= last]
    if last > max((r.batch for r in known if r.state == "taken" and r.rows), default=0):
        in_ledger |= {record.batch for record in adopted}
        adopted += [r for r in bronze.noted_files() if r.batch not in in_ledger]
    if adopted:
        write_records(use_case, adopted)
        log.info("event=ledger_completed source=%s files=%d", source, len(adopted))
    pending.unlink(missing_ok=True)
    records = [*known, *adopted]
    next_batch = max(last, *(record.batch for record in records)) + 1 if records else last + 1
    if there is None or there == sum(r.rows for r in records if r.state == "taken"):
        return InStep(records, adopted, (), next_batch)
    amended, sentences = _amended(bronze, records)
    write_records(use_case, amended)
    log.warning("event=ledger_amended source=%s files=%d", source, len(amended))
    changed = {(r.file, r.batch) for r in amended}
    kept = [r for r in records if r.state != "taken" or (r.file, r.batch) not in changed]
    return InStep([*kept, *amended], adopted, collated(sentences), next_batch)


def _amended(
    bronze: BronzeTable, records: Sequence[DeliveryRecord]
) -> tuple[list[DeliveryRecord], list[tuple[str, str]]]:
    """The records that say otherwise than bronze, as they should be, and what to tell of each file."""
    there, written = bronze.rows_by_file(), bronze.rows_by_batch()
    taken = {(r.file, r.batch): r for r in records if r.state == "taken"}
    of_batch: dict[int, int] = {}
    for record in taken.values():
        of_batch[record.batch] = of_batch.get(record.batch, 0) + record.rows
    amended, sentences = [], []
    for place, record in taken.items():
        found = there.get(place, 0)
        if found == record.rows:
            continue
        what = f"{record.rows:,} rows were taken in batch {record.batch}, {found:,} are in bronze"
        if found < record.rows and written.get(record.batch, 0) == of_batch[record.batch]:
            amended.append(replace(record, rows=found, reason=f"{what}: the others were removed there later"))
            sentences.append((record.file, f"{what}: the others were removed there; the file is not taken again"))
        else:
            amended.append(replace(record, rows=found, sha256="", reason=f"{what}: it is not whole"))
            sentences.append(
                (record.file, f"{what}; it is taken again, or deliver it again if it is not there any more")
            )
    for (file, batch), rows in there.items():
        if (file, batch) not in taken:
            what = f"{rows:,} rows of batch {batch} are in bronze, of which the ledger knew nothing"
            epoch = datetime.fromtimestamp(0, UTC)
            came = bronze.came_at(file, batch)
            amended.append(DeliveryRecord(bronze.source, file, "", 0, rows, epoch, came, batch, "taken", what))
            sentences.append((file, f"{what}; it is taken again if it is still there"))
    return amended, sentences


def _left_behind(pending: Path, source: str) -> list[DeliveryRecord]:
    """The batch an older release was about to write when it was interrupted; [] where its note cannot be read."""
    try:
        return [noted_record(item) for item in read_json(pending)["records"] if item["source"] == source]
    except (TypeError, KeyError, ValueError):
        return []
