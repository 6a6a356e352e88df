"""Landing -> bronze, exactly once: rows as delivered, and the ledger of deliveries.

A batch is one append of all new files of a source. Its commit names them, so it is bronze that says what was taken: the
ledger is written after it, and completed from it where an ingest was interrupted between the two. What was staged and
not appended is staged again.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, WriterProperties, write_deltalake
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from lakehouse.bronze.admission import Admission, admit
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import batch_note, in_step, write_records, written_rows
from lakehouse.bronze.made_keys import with_made_key
from lakehouse.bronze.notices import collated
from lakehouse.bronze.split_lines import odd_part_rows, parts_of, split, split_rows
from lakehouse.lake import Lake
from lakehouse.read.provenance import corrected_since, periods_of_batch
from lakehouse.storage.schema import KEEP_HISTORY, quoted
from lakehouse.storage.small_tables import column
from lakeloop.clock import moment_of_now, play, read_clock
from lakeloop.exceptions import LakeloopError
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
ROW_GROUP = 250_000
"""Rows that Spark's tasks can share a file by."""
PERIODS_SHOWN = 3
SPARK_ERRORS = (PySparkException, Py4JError)
Step = Callable[[str], None]
ORIGIN: tuple[Field, ...] = (
    column("_rescued", "string", "the line, where it could not be split into its fields", nullable=True),
    column("_flaw", "string", "why it could not", nullable=True),
    column("_extra", "string", "values of columns that are not in the contract, as JSON", nullable=True),
    column("_source_file", "string", "file the row came from", nullable=True),
    column("_delivery", "long", "running number of the file within its source", nullable=True),
    column("_line", "long", "line in the file, the header is line 1", nullable=True),
    column("_ingested_at", "timestamp", nullable=True),
    column("_batch", "long", "ingest that brought it; see deliveries", nullable=True),
)
Look = Callable[[Mapping[str, str]], Admission]


@dataclass(frozen=True)
class LandingReport:
    """What one look at a source's landing folder brought; `refused`: sentences on a table that it is delivered from."""

    records: tuple[DeliveryRecord, ...] = ()
    notices: tuple[str, ...] = ()
    known: int = 0
    refused: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Delivered rows of the files taken."""
        return sum(r.rows for r in self.records if r.state == "taken")


def land(
    lake: Lake, source: str, before: Sequence[DeliveryRecord], step: Step = lambda name: None, verify: bool = False
) -> LandingReport:
    """Take every new file of one source into bronze, after completing the ledger of a batch that was interrupted.

    `before` is the ledger; `step` is called after each step with its name; `verify`: known files are hashed.

    Raises:
        LakeloopError: bronze got other rows than were delivered; the next ingest takes those files again.
        WrongUseError: the clock is simulated now, and this home has taken files in by the wall clock.
    """
    contract = lake.contract
    if read_clock(lake).is_played:
        play(lake)
    work = lake.work_folder / source
    staging = work / "staging"
    own = [r for r in before if r.source == source]
    ledger = in_step(lake, source, own, work / "pending.json")

    def look(unreadable: Mapping[str, str]) -> Admission:
        shutil.rmtree(staging, ignore_errors=True)
        return admit(
            source,
            contract.sources[source],
            contract.event_time,
            lake.folder("landing") / source,
            ledger.records,
            staging,
            ledger.next_batch,
            moment_of_now(lake),
            verify=verify,
            corrected=lambda d: corrected_since(lake, source, contract.identity(source), d.file, d.batch),
            unreadable=unreadable,
            may_lack={name for name, column in contract.columns_of(source).items() if column.optional},
        )

    admission = look({})
    step("staged")
    if admission.records:
        admission = _append(lake, source, admission, look)
        step("bronze appended")
        write_records(lake, admission.records)
        step("deliveries appended")
        log.info("event=landed source=%s batch=%d files=%d", source, ledger.next_batch, len(admission.records))
    shutil.rmtree(staging, ignore_errors=True)
    periods = _other_periods(lake, source, admission)
    return LandingReport(
        (*ledger.completed, *admission.records),
        (*ledger.notices, *periods, *admission.notices),
        admission.known,
    )


def _append(lake: Lake, source: str, admission: Admission, look: Look) -> Admission:
    """One append of everything staged. What Spark cannot read is refused: then it is the append of a second look."""
    if not any(r.rows for r in admission.taken):
        return admission
    spec = lake.contract.sources[source]
    try:
        folder = split(lake.spark, spec, admission)
    except SPARK_ERRORS:
        unreadable = _unreadable(lake, source, admission)
        if not unreadable:
            raise
        admission = look(unreadable)
        if not any(r.rows for r in admission.taken):
            return admission
        folder = split(lake.spark, spec, admission)
    _write(lake, source, admission, folder)
    _check(lake, source, admission)
    return admission


def _write(use_case: UseCase, source: str, admission: Admission, folder: Path) -> None:
    """Append what was split into `folder` as one batch, by a commit that names its files."""
    contract = use_case.contract
    spec, record, kept = contract.sources[source], admission.records[0], tuple(contract.columns_of(source))
    bounds = ["_batch", *(name for name in (contract.key.column,) if name in kept)]
    table = DeltaTable.create(
        use_case.table(f"bronze/{source}"),
        bronze_schema(kept),
        mode="ignore",
        description=f"As delivered: {spec.description}",
        configuration={**KEEP_HISTORY, "delta.dataSkippingStatsColumns": ",".join(map(quoted, bounds))},
    )
    schema = pa.schema(bronze_schema(kept))
    at = pa.scalar(record.ingested_at, schema.field("_ingested_at").type)
    batch = pa.scalar(record.batch, pa.int64())

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in split_rows(admission, folder):
            if not contract.key.delivered and spec.join is None:
                rows = with_made_key(contract, source, rows)
            given = [rows[name] for name in schema.names[:-2]]
            ours = [pa.repeat(value, rows.num_rows) for value in (at, batch)]
            yield pa.RecordBatch.from_arrays(given + ours, schema=schema)

    write_deltalake(
        table,
        pa.RecordBatchReader.from_batches(schema, batches()),
        mode="append",
        schema_mode="merge",  # the contract may have got columns
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP),
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": batch_note(admission.records, read_clock(use_case).period)}
        ),
    )


def bronze_schema(columns: Sequence[str]) -> Schema:
    """Key and delivered columns as strings, and where each row came from."""
    return Schema([*(column(name, "string", nullable=True) for name in columns), *ORIGIN])


def _check(use_case: UseCase, source: str, admission: Admission) -> None:
    batch, wanted = admission.records[0].batch, sum(r.rows for r in admission.taken)
    written = written_rows(use_case, source, batch) if wanted else 0
    if written != wanted:
        raise LakeloopError(
            f"{source}: {wanted:,} rows of {', '.join(r.file for r in admission.taken)} were read from the landing "
            f"folder, {written:,} are in bronze as batch {batch}: something changed the staged copies, or the disk is "
            "faulty. Run `lakeloop lake ingest` again: it takes these files again"
        )


def _unreadable(lake: Lake, source: str, admission: Admission) -> dict[str, str]:
    """Name and reason of each file that Spark cannot read, alone and without writing it; {} where it is not that."""
    failed = {}
    for number, record in enumerate(admission.taken, admission.first):
        for layout, folder in admission.layouts.items():
            if layout.split or not (parts := parts_of(folder, f"*.{number:08d}.*")):
                continue
            try:
                _without_writing(
                    odd_part_rows(lake.spark, lake.contract.sources[source], admission, layout, *map(str, parts))
                )
            except SPARK_ERRORS as error:
                if "No space left on device" in str(error):
                    return {}
                failed[record.file] = f"cannot be read by Spark ({_cause(error)})"
                log.warning("event=unreadable_file source=%s file=%s", source, record.file)
    try:
        _without_writing(lake.spark.range(1))
    except SPARK_ERRORS:  # it is Spark itself
        return {}
    return failed


def _without_writing(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def _cause(error: Exception) -> str:
    """The innermost of the errors that Java names below one another."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0][:200]


def _other_periods(use_case: UseCase, source: str, admission: Admission) -> list[str]:
    """A notice for each file whose rows belong to another period than its name says."""
    contract = use_case.contract
    spec, column, own_kind = contract.sources[source], contract.event_time.column, contract.event_time.of_kind
    if contract.event_time.dated or column not in spec.columns or not any(r.rows for r in admission.taken):
        return []
    sentences, kind = [], contract.period
    for file, periods in periods_of_batch(use_case, source, admission.taken[0].batch, column).items():
        own = spec.period_of_file(file)
        others = {m: n for m, n in periods.items() if own_kind.is_name(own) and m and m != own and own_kind.is_name(m)}
        if others:
            listed = ", ".join(f"{period}: {rows:,}" for period, rows in sorted(others.items())[:PERIODS_SHOWN])
            more = f" and {len(others) - PERIODS_SHOWN} {kind}s more" if len(others) > PERIODS_SHOWN else ""
            sentences.append(
                (
                    file,
                    f"{sum(others.values()):,} of its rows are of another {kind} than its name says ({listed}{more}); "
                    f"the {kind} in the row counts",
                )
            )
    return collated(sentences)
