"""Landing -> bronze, exactly once: rows as delivered, and the ledger of deliveries.

A batch is one append of all new files of a source. The ledger is written after it, and completed from its commit where
an ingest was interrupted between the two. What was staged and not appended is staged again.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from lakehouse.bronze.admission import Admission, admit
from lakehouse.bronze.bronze_table import BronzeTable
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import in_step, write_records
from lakehouse.bronze.made_keys import with_made_key
from lakehouse.bronze.made_times import with_made_time, with_named_periods
from lakehouse.bronze.notices import collated
from lakehouse.bronze.split_lines import odd_part_rows, parts_of, split, split_rows
from lakehouse.lake import Lake
from lakehouse.silver.mendings import OTHER_NAME, Mending, write_mendings
from lakeloop.clock import play, read_clock
from lakeloop.contract import Contract, Source
from lakeloop.exceptions import LakeloopError

log = logging.getLogger(__name__)
PERIODS_SHOWN = 3
NEWEST_COMMITS = 10
"""Among them is the one that was just made."""
SPARK_ERRORS = (PySparkException, Py4JError)
Step = Callable[[str], None]
Look = Callable[[Mapping[str, str]], Admission]
Periods = Counter[tuple[str, str | None]]
"""Rows by file and by the period they say."""


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
    contract, clock = lake.contract, read_clock(lake)
    if clock.is_played:
        play(lake)
    work = lake.work_folder / source
    staging = work / "staging"
    bronze = BronzeTable(lake, source)
    ledger = in_step(lake, bronze, [r for r in before if r.source == source], work / "pending.json")

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
            clock.now,
            verify=verify,
            corrected=bronze.corrected_since,
            unreadable=unreadable,
            may_lack=contract.may_lack(source),
        )

    admission = look({})
    step("staged")
    if admission.records:
        admission = _append(lake, bronze, admission, look, clock.period)
        step("bronze appended")
        write_mendings(lake, _other_names(lake.contract.sources[source], admission))
        write_records(lake, admission.records)
        step("deliveries appended")
        log.info("event=landed source=%s batch=%d files=%d", source, ledger.next_batch, len(admission.records))
    shutil.rmtree(staging, ignore_errors=True)
    return LandingReport(
        (*ledger.completed, *admission.records), (*ledger.notices, *admission.notices), admission.known
    )


def _other_names(spec: Source, admission: Admission) -> list[Mending]:
    """What there is to tell of columns that have another name in a file than the contract says first."""
    return [
        {
            "source": record.source, "file": record.file, "batch": record.batch, "column": own, "mended": OTHER_NAME,
            "rows": record.rows, "delivered": name, "meant": spec.delivered(own)[0],
        }
        for record in admission.taken
        for own, name in admission.renamed.get(record.file, {}).items()
    ]  # fmt: skip


def _append(lake: Lake, bronze: BronzeTable, admission: Admission, look: Look, clock: int) -> Admission:
    """One append of everything staged. What Spark cannot read is refused: then it is the append of a second look."""
    if not any(r.rows for r in admission.taken):
        return admission
    spec = lake.contract.sources[bronze.source]
    try:
        folder = split(lake.spark, spec, admission)
    except SPARK_ERRORS:
        unreadable = _unreadable(lake, spec, admission)
        if not unreadable:
            raise
        admission = look(unreadable)
        if not any(r.rows for r in admission.taken):
            return admission
        folder = split(lake.spark, spec, admission)
    periods = Periods()
    bronze.append(admission.records, _rows(lake.contract, bronze.source, admission, folder, periods), clock)
    _check(bronze, admission)
    admission.notices[:0] = _on_other_periods(lake.contract, spec, periods)
    return admission


def _rows(
    contract: Contract, source: str, admission: Admission, folder: Path, periods: Periods
) -> Iterator[pa.RecordBatch]:
    """What was split into `folder`, with key and event time; `periods` counts the periods that rows name."""
    spec, time = contract.sources[source], contract.event_time
    for delivered in split_rows(admission, folder):
        rows = with_named_periods(spec, delivered)
        if not time.dated and time.column in spec.columns:
            places = ["_source_file", time.column]
            counted = pa.Table.from_batches([rows]).group_by(places).aggregate([([], "count_all")])
            periods.update({(row[places[0]], row[places[1]]): row["count_all"] for row in counted.to_pylist()})
        rows = with_made_time(contract, source, rows)
        yield rows if contract.key.delivered or spec.join is not None else with_made_key(contract, source, rows)


def _check(bronze: BronzeTable, admission: Admission) -> None:
    batch, wanted = admission.records[0].batch, sum(r.rows for r in admission.taken)
    written = bronze.rows_by_batch(NEWEST_COMMITS).get(batch, 0)
    if written != wanted:
        raise LakeloopError(
            f"{bronze.source}: {wanted:,} rows of {', '.join(r.file for r in admission.taken)} were read from the "
            f"landing folder, {written:,} are in bronze as batch {batch}: something changed the staged copies, or the "
            "disk is faulty. Run `lakeloop lake ingest` again: it takes these files again"
        )


def _unreadable(lake: Lake, spec: Source, admission: Admission) -> dict[str, str]:
    """Name and reason of each file that Spark cannot read, alone and without writing it; {} where it is not that."""
    failed = {}
    for number, record in enumerate(admission.taken, admission.first):
        for layout, folder in admission.layouts.items():
            if layout.split or not (parts := parts_of(folder, f"*.{number:08d}.*")):
                continue
            try:
                _without_writing(odd_part_rows(lake.spark, spec, admission, layout, *map(str, parts)))
            except SPARK_ERRORS as error:
                if "No space left on device" in str(error):
                    return {}
                failed[record.file] = f"cannot be read by Spark ({_cause(error)})"
                log.warning("event=unreadable_file source=%s file=%s", record.source, record.file)
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


def _on_other_periods(contract: Contract, spec: Source, periods: Periods) -> list[str]:
    """A notice for each file whose rows belong to another period than its name says."""
    own_kind, kind = contract.event_time.of_kind, contract.period
    others: dict[str, list[tuple[str, int]]] = {}
    for (file, period), rows in periods.items():
        own = spec.period_of_file(file)
        if own_kind.is_name(own) and period and period != own and own_kind.is_name(period):
            others.setdefault(file, []).append((period, rows))
    sentences = []
    for file, found in others.items():
        listed = ", ".join(f"{period}: {rows:,}" for period, rows in sorted(found)[:PERIODS_SHOWN])
        more = f" and {len(found) - PERIODS_SHOWN} {kind}s more" if len(found) > PERIODS_SHOWN else ""
        sentences.append(
            (
                file,
                f"{sum(rows for _, rows in found):,} of its rows are of another {kind} than its name says "
                f"({listed}{more}); the {kind} in the row counts",
            )
        )
    return collated(sentences)
