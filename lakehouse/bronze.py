"""Landing -> bronze, exactly once: rows as delivered, and the ledger of deliveries.

A batch is one append of all new files of a source. Its commit names them, so it is bronze that says what was taken: the
ledger is written after it, and completed from it where an ingest was interrupted between the two. What was staged and
not appended is staged again.
"""

import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.landing import Admission, DeliveryRecord, Layout, admit, collated
from lakehouse.layout import glob_quoted, table_path, work_folder
from lakehouse.ledger import batch_note, in_step, write_records, written_rows
from lakehouse.provenance import corrected_since, months_of_batch
from lakehouse.quoted_lines import LINE_BREAK
from lakehouse.schema import bronze_columns, create_table
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.contract.sources import ANY_MONTH
from lakeloop.errors import LakeloopError
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
OUTPUT_BYTES = 64 << 20
# Spark's CSV parser gives up on a line of more; a line that has them must have as many bytes.
MOST_FIELDS = 20_000
MONTHS_SHOWN = 3
SPARK_ERRORS = (PySparkException, Py4JError)
Step = Callable[[str], None]
Look = Callable[[Mapping[str, str]], Admission]


@dataclass(frozen=True)
class LandingReport:
    """What one look at a source's landing folder brought."""

    records: tuple[DeliveryRecord, ...] = ()
    notices: tuple[str, ...] = ()
    known: int = 0

    @property
    def rows(self) -> int:
        """Delivered rows of the files taken."""
        return sum(r.rows for r in self.records if r.state == "taken")


def land(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    source: str,
    before: Sequence[DeliveryRecord],
    step: Step = lambda name: None,
    verify: bool = False,
) -> LandingReport:
    """Take every new file of one source into bronze, after completing the ledger of a batch that was interrupted.

    `before` is the ledger; `step` is called after each step with its name; `verify`: known files are hashed.

    Raises:
        LakeloopError: bronze got other rows than were delivered; the next ingest takes those files again.
    """
    work = work_folder(settings) / source
    staging = work / "staging"
    own = [r for r in before if r.source == source]
    ledger = in_step(settings, source, own, work / "pending.json")

    def look(unreadable: Mapping[str, str]) -> Admission:
        shutil.rmtree(staging, ignore_errors=True)
        return admit(
            source,
            contract.sources[source],
            contract.event_time,
            settings.folder("landing") / source,
            ledger.records,
            staging,
            ledger.next_batch,
            datetime.now(UTC),
            verify=verify,
            corrected=lambda d: corrected_since(settings, source, contract.key.column, d.file, d.batch),
            unreadable=unreadable,
        )

    admission = look({})
    step("staged")
    if admission.verdicts:
        admission = _append(spark, contract, settings, source, admission, look)
        step("bronze appended")
        write_records(settings, admission.verdicts)
        step("deliveries appended")
        log.info("event=landed source=%s batch=%d files=%d", source, ledger.next_batch, len(admission.verdicts))
    shutil.rmtree(staging, ignore_errors=True)
    months = _other_months(contract, settings, source, admission)
    return LandingReport(
        (*ledger.completed, *admission.verdicts),
        (*ledger.notices, *months, *admission.notices),
        admission.known,
    )


def _append(
    spark: SparkSession, contract: Contract, settings: Settings, source: str, admission: Admission, look: Look
) -> Admission:
    """One append of everything staged. What Spark cannot read is refused: then it is the append of a second look."""
    if not any(r.rows for r in admission.taken):
        return admission
    columns = contract.sources[source].columns
    create_table(
        spark,
        table_path(settings, "bronze", source),
        bronze_columns(contract, source),
        comment=f"As delivered: {contract.sources[source].description}",
        statistics=["_batch", *(name for name in (contract.key.column,) if name in columns)],
    )
    try:
        _write(spark, contract, settings, source, admission)
    except SPARK_ERRORS:
        unreadable = _unreadable(spark, contract, source, admission)
        if not unreadable:
            raise
        admission = look(unreadable)
        if any(r.rows for r in admission.taken):
            _write(spark, contract, settings, source, admission)
    _check(settings, source, admission)
    return admission


def _write(spark: SparkSession, contract: Contract, settings: Settings, source: str, admission: Admission) -> None:
    files = {layout: _parts(folder) for layout, folder in admission.layouts.items()}
    rows = _union(
        [
            _rows(spark, contract, source, admission, layout, str(admission.layouts[layout]))
            for layout in files
            if files[layout]
        ]
    )
    record = admission.verdicts[0]
    at = sf.lit(record.ingested_at).cast("timestamp")
    rows = rows.withColumns({"_ingested_at": at, "_batch": sf.lit(record.batch).cast("bigint")})
    parts = [part for found in files.values() for part in found]
    tasks = max(1, min(len(parts), sum(p.stat().st_size for p in parts) // OUTPUT_BYTES + 1))
    rows.coalesce(tasks).write.format("delta").mode("append").options(
        mergeSchema="true",
        userMetadata=batch_note(admission.verdicts, read_clock(settings)),
    ).save(table_path(settings, "bronze", source))


def _check(settings: Settings, source: str, admission: Admission) -> None:
    batch, wanted = admission.verdicts[0].batch, sum(r.rows for r in admission.taken)
    written = written_rows(settings, source, batch) if wanted else 0
    if written != wanted:
        raise LakeloopError(
            f"{source}: {wanted:,} rows of {', '.join(r.file for r in admission.taken)} were read from the landing "
            f"folder, {written:,} are in bronze as batch {batch}: something changed the staged copies, or the disk is "
            "faulty. Run `lakeloop lake ingest` again: it takes these files again"
        )


def _unreadable(spark: SparkSession, contract: Contract, source: str, admission: Admission) -> dict[str, str]:
    """Name and reason of each file that Spark cannot read, alone and without writing it; {} where it is not that."""
    failed = {}
    for number, record in enumerate(admission.taken, admission.first):
        for layout, folder in admission.layouts.items():
            if not (parts := _parts(folder, f"*.{number:08d}.*")):
                continue
            try:
                _without_writing(_rows(spark, contract, source, admission, layout, *map(str, parts)))
            except SPARK_ERRORS as error:
                if "No space left on device" in str(error):
                    return {}
                failed[record.file] = f"cannot be read by Spark ({_cause(error)})"
                log.warning("event=unreadable_file source=%s file=%s", source, record.file)
    try:
        _without_writing(spark.range(1))
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


def _parts(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if p.stat().st_size)


def _rows(
    spark: SparkSession, contract: Contract, source: str, admission: Admission, layout: Layout, *paths: str
) -> DataFrame:
    spec = contract.sources[source]
    lines = _one_file_a_partition(spark).read.text([glob_quoted(path) for path in paths], lineSep="\n")
    files = [r.file for r in admission.taken]
    return bronze_rows(lines, layout, spec.columns, spec.separator, files, admission.first)


def _union(frames: list[DataFrame]) -> DataFrame:
    rows = frames[0]
    for frame in frames[1:]:
        rows = rows.unionByName(frame)
    return rows


def _other_months(contract: Contract, settings: Settings, source: str, admission: Admission) -> list[str]:
    """A notice for each file whose rows belong to another month than its name says."""
    spec, column = contract.sources[source], contract.event_time.column
    if column not in spec.columns or not any(r.rows for r in admission.taken):
        return []
    told = []
    for file, months in months_of_batch(settings, source, admission.taken[0].batch, column).items():
        match = spec.file_pattern.match(file)
        others = {m: n for m, n in months.items() if m and re.fullmatch(ANY_MONTH, m) and match and m != match["month"]}
        if others:
            listed = ", ".join(f"{month}: {rows:,}" for month, rows in sorted(others.items())[:MONTHS_SHOWN])
            more = f" and {len(others) - MONTHS_SHOWN} months more" if len(others) > MONTHS_SHOWN else ""
            told.append(
                (
                    file,
                    f"{sum(others.values()):,} of its rows are of another month than its name says ({listed}{more}); "
                    "the month in the row counts",
                )
            )
    return collated(told)


def bronze_rows(
    lines: DataFrame, layout: Layout, columns: tuple[str, ...], separator: str, files: Sequence[str], first: int
) -> DataFrame:
    """Lines of staged parts (column `value`, one partition a part) -> the contract's columns as strings.

    `files` are named by number, from `first` on, in the names of their parts.

    A line that cannot be split into the header's fields gets `_flaw` (why) and `_rescued` (the line) and no values.
    """
    header = layout.header
    name, number = sf.col("_metadata.file_name"), sf.col("_delivery")
    position = sf.monotonically_increasing_id().bitwiseAND(sf.lit((1 << 33) - 1))
    value = sf.replace("value", sf.lit(LINE_BREAK.decode()), sf.lit("\n")) if layout.quoted else sf.col("value")
    numbered = lines.select(
        value.alias("value"),
        name.substr(14, 8).cast("bigint").alias("_delivery"),
        (name.substr(1, 12).cast("bigint") + position).alias("_line"),
        (name.substr(23, 1) == "1").alias("_cut"),
    ).where("value != ''")
    fields = [f"c{i}" for i in range(len(header))]
    options = {"sep": separator, "quote": '"', "escape": '"', "mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_bad"}
    schema = ", ".join(f"{f} string" for f in fields) + ", _bad string"
    too_many = (sf.octet_length("value") >= MOST_FIELDS) & (_separators(sf.col("value"), separator) >= MOST_FIELDS)
    parsed = numbered.withColumn("_too_many", too_many)
    parsed = parsed.withColumn("row", sf.from_csv(sf.when(~sf.col("_too_many"), sf.col("value")), schema, options))
    # One literal, however many files there are; a file name cannot hold a slash.
    names = sf.split(sf.lit("/".join(files)), "/")
    flaw = (
        sf.when(sf.col("_cut"), "the line has no line end, it may be cut off")
        .when(~sf.is_valid_utf8("value"), "the line is not valid UTF-8")
        .when(sf.col("_too_many") | sf.col("row._bad").isNotNull(), _wrong_count(separator, len(header)))
    )
    judged = parsed.withColumn("_flaw", flaw)
    position_of = {column: header.index(column) for column in columns}
    whole = sf.col("_flaw").isNull()
    values = [sf.when(whole, sf.col(f"row.c{position_of[c]}")).alias(c) for c in columns]
    return judged.select(
        *values,
        sf.when(~whole, sf.make_valid_utf8("value")).alias("_rescued"),
        "_flaw",
        sf.when(whole, _extra(header, columns)).alias("_extra"),
        sf.get(names, number - first).alias("_source_file"),
        "_delivery",
        "_line",
    )


def _wrong_count(separator: str, expected: int) -> Column:
    count = _separators(sf.regexp_replace("value", '"[^"]*"', ""), separator) + 1
    noun = sf.when(count == 1, " field, ").otherwise(" fields, ")
    return (
        sf.when(count != expected, sf.concat(sf.lit("the line has "), count, noun, sf.lit(f"{expected} expected")))
        .when(sf.col("_too_many"), f"the line has more than {MOST_FIELDS:,} separators inside quotes")
        .otherwise("the line's quotes do not match")
    )


def _separators(text: Column, separator: str) -> Column:
    return sf.length(text) - sf.length(sf.replace(text, sf.lit(separator), sf.lit("")))


def _extra(header: tuple[str, ...], columns: tuple[str, ...]) -> Column:
    extra = [(i, name) for i, name in enumerate(header) if name not in columns]
    if not extra:
        return sf.lit(None).cast("string")
    pairs = [piece for i, name in extra for piece in (sf.lit(name), sf.col(f"row.c{i}"))]
    return sf.to_json(sf.create_map(*pairs))


def _one_file_a_partition(spark: SparkSession) -> SparkSession:
    """A session of its own for it: line numbers count rows within a partition, so no part may be split or share one."""
    session = spark.newSession()
    for key in ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes"):
        session.conf.set(key, "1t")
    return session
