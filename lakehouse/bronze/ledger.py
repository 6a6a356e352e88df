"""The ledger `bronze/deliveries`: what became of every delivered file; kept in step with bronze, without Spark.

Bronze is written first, and its commit names the files whose rows it brings. So whatever was interrupted, moved or
restored from a backup, the ledger can be made to say what is in bronze: rows that are not there are not taken.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.notices import collated
from lakehouse.read.provenance import file_rows, rows_of_file
from lakehouse.storage.commits import Commit, commits_of
from lakehouse.storage.layout import DELIVERIES, read_json
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.small_tables import SmallTable, column, merge_rows
from lakeloop.lake_tables import open_lake_table
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
FILES, TIMES = "files", ("modified_at", "ingested_at")
NEWEST_COMMITS = 10


@dataclass(frozen=True)
class InStep:
    """The ledger of a source as it says what is in bronze: `completed` are records that were new to it.

    `next_batch` is a number that neither the ledger nor bronze ever had, whichever was restored from a backup.
    """

    records: Sequence[DeliveryRecord]
    completed: Sequence[DeliveryRecord]
    notices: Sequence[str]
    next_batch: int


def write_records(use_case: UseCase, records: Sequence[DeliveryRecord]) -> None:
    """Add records, or put them in the place of those of the same file and batch; earlier versions stay readable."""
    with SHARED_TABLES:
        merge_rows(use_case, TABLE, [asdict(record) for record in records])


def batch_note(records: Sequence[DeliveryRecord], clock: int) -> str:
    """What the commit of a batch says in bronze: its number, the clock, and the files it brings."""
    files = [asdict(r) | {name: getattr(r, name).isoformat() for name in TIMES} for r in records if r.state == "taken"]
    return json.dumps({"batch": records[0].batch, "clock": clock, FILES: files})


def written_rows(use_case: UseCase, source: str, batch: int) -> int:
    """How many rows bronze's log says that batch has just brought; 0 where it did not."""
    table = open_lake_table(use_case, f"bronze/{source}")
    return 0 if table is None else _written(commits_of(table, NEWEST_COMMITS)).get(batch, 0)


def in_step(use_case: UseCase, source: str, known: Sequence[DeliveryRecord], pending: Path) -> InStep:
    """Make the ledger of a source say what is in bronze; `known` is what it says.

    `pending`: where older releases noted a batch they were about to write.
    """
    table = open_lake_table(use_case, f"bronze/{source}")
    there, last = (0, 0) if table is None else _rows_and_last_batch(table, f"{use_case.name}/{source}")
    in_ledger = {record.batch for record in known}
    adopted = [r for r in _left_behind(pending, source) if r.batch not in in_ledger and r.batch <= last]
    if table is not None and last > max((r.batch for r in known if r.state == "taken" and r.rows), default=0):
        in_ledger |= {record.batch for record in adopted}
        adopted += [r for r in _noted(commits_of(table), source) if r.batch not in in_ledger]
    if adopted:
        write_records(use_case, adopted)
        log.info("event=ledger_completed source=%s files=%d", source, len(adopted))
    pending.unlink(missing_ok=True)
    records = [*known, *adopted]
    next_batch = max(last, *(record.batch for record in records)) + 1 if records else last + 1
    if there is None or there == sum(r.rows for r in records if r.state == "taken"):
        return InStep(records, adopted, (), next_batch)
    amended, sentences = _amended(use_case, source, records, table)
    write_records(use_case, amended)
    log.warning("event=ledger_amended source=%s files=%d", source, len(amended))
    changed = {(r.file, r.batch) for r in amended}
    kept = [r for r in records if r.state != "taken" or (r.file, r.batch) not in changed]
    return InStep([*kept, *amended], adopted, collated(sentences), next_batch)


def _rows_and_last_batch(table: DeltaTable, transaction: str) -> tuple[int | None, int]:
    """Rows of a bronze table (None: not counted) and the newest batch in it, by its log alone.

    `transaction`: under this name older releases numbered their batches there. A number of its own costs Spark three
    jobs an append, so there is none any more: the log keeps the bounds of the column.
    """
    files = pa.table(table.get_add_actions(flatten=True))
    counts, batches = (
        files[name].to_pylist() if name in files.column_names else [None] * files.num_rows
        for name in ("num_records", "max._batch")
    )
    last = max((batch for batch in batches if batch is not None), default=0)
    return None if None in counts else sum(counts), max(last, table.transaction_version(transaction) or 0)


def _amended(
    use_case: UseCase, source: str, records: Sequence[DeliveryRecord], table: DeltaTable | None
) -> tuple[list[DeliveryRecord], list[tuple[str, str]]]:
    """The records that say otherwise than bronze, as they should be, and what to tell of each file."""
    there: Mapping[tuple[str, int], int] = {}
    written: Mapping[int, int] = {}
    if table is not None:
        there = file_rows(use_case, f"bronze/{source}", table.version())
        written = _written(commits_of(table))
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
            came = _came_at(use_case, source, file, batch)
            amended.append(DeliveryRecord(source, file, "", 0, rows, epoch, came, batch, "taken", what))
            sentences.append((file, f"{what}; it is taken again if it is still there"))
    return amended, sentences


def _came_at(use_case: UseCase, source: str, file: str, batch: int) -> datetime:
    """When bronze took a file in, by its rows: they are known since then."""
    rows = rows_of_file(use_case, f"bronze/{source}", None, file, batch, ["_ingested_at"])
    came: datetime = pc.max(rows["_ingested_at"]).as_py()
    return came


def _noted(commits: Sequence[Commit], source: str) -> list[DeliveryRecord]:
    """The files that bronze's commits say they brought, oldest first; those of older releases do not say it."""
    files = (file for commit in reversed(commits) for file in commit.note.get(FILES, ()))
    return [_record(file) for file in files if file["source"] == source]


def _left_behind(pending: Path, source: str) -> list[DeliveryRecord]:
    """The batch an older release was about to write when it was interrupted; [] where its note cannot be read."""
    try:
        return [_record(item) for item in read_json(pending)["records"] if item["source"] == source]
    except (TypeError, KeyError, ValueError):
        return []


def _record(item: Mapping[str, Any]) -> DeliveryRecord:
    return DeliveryRecord(**{**item, **{name: datetime.fromisoformat(item[name]) for name in TIMES}})


def _written(commits: Iterable[Commit]) -> dict[int, int]:
    """Batch -> rows its commits wrote."""
    rows: dict[int, int] = {}
    for commit in commits:
        batch = commit.note.get("batch")
        if batch is not None:  # older releases wrote by Spark
            rows[batch] = rows.get(batch, 0) + (commit.count("numAddedRows") or commit.count("numOutputRows"))
    return rows
