"""Landing -> bronze, exactly once: rows as delivered, and the ledger of deliveries.

A batch is written ahead: its verdicts stand in `pending.json` before Spark appends anything, both appends carry the
batch number as Delta transaction version, and the file goes when both are done. A batch that was interrupted
anywhere is finished first at the next start; what was already appended is skipped by Delta.
"""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.landing import Admission, DeliveryRecord, admit
from lakehouse.layout import DELIVERIES, read_json, table_exists, table_path, work_folder, write_json
from lakehouse.lock import SHARED_TABLES
from lakehouse.schema import bronze_columns, create_table
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
OUTPUT_BYTES = 64 << 20
DELIVERIES_SCHEMA = (
    "source string, file string, sha256 string, bytes bigint, rows bigint, modified_at timestamp, "
    "ingested_at timestamp, batch bigint, state string, reason string"
)
# Arrow goes to the JVM as it is; a list of rows would start Python workers first.
DELIVERIES_ARROW = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "file", "sha256")),
        *((name, pa.int64()) for name in ("bytes", "rows")),
        *((name, pa.timestamp("us", "UTC")) for name in ("modified_at", "ingested_at")),
        ("batch", pa.int64()),
        *((name, pa.string()) for name in ("state", "reason")),
    ]
)
Step = Callable[[str], None]


@dataclass(frozen=True)
class LandingReport:
    """What one look at a source's landing folder brought; `appended`: bronze got new rows."""

    records: tuple[DeliveryRecord, ...] = ()
    notices: tuple[str, ...] = ()
    known: int = 0

    @property
    def rows(self) -> int:
        """Delivered rows of the files taken."""
        return sum(r.rows for r in self.records if r.state == "taken")


def read_deliveries(spark: SparkSession, settings: Settings) -> list[DeliveryRecord]:
    """The whole ledger, oldest first; one row a file that was ever looked at."""
    path = table_path(settings, "bronze", DELIVERIES)
    if not table_exists(spark, path):
        return []
    rows = spark.read.format("delta").load(path).toArrow().to_pylist()
    return sorted((DeliveryRecord(**row) for row in rows), key=lambda r: (r.batch, r.source, r.file))


def land(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    source: str,
    before: list[DeliveryRecord],
    step: Step = lambda name: None,
) -> LandingReport:
    """Take every new file of one source into bronze, after finishing a batch that was interrupted.

    `before` is the ledger; `step` is called after each step with its name.
    """
    work = work_folder(settings) / source
    pending = work / "pending.json"
    finished = _finish(spark, contract, settings, source, pending, step)
    before = before + [r for r in finished if r not in before]
    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    batch = max((r.batch for r in before if r.source == source), default=0) + 1
    landing = settings.folder("landing") / source
    spec = contract.sources[source]
    admission = admit(source, spec, landing, before, staging, batch, datetime.now(UTC))
    step("staged")
    if admission.verdicts:
        write_json(pending, _as_json(admission))
        step("pending written")
        finished += _finish(spark, contract, settings, source, pending, step)
    shutil.rmtree(staging, ignore_errors=True)
    return LandingReport(tuple(finished), tuple(admission.notices), admission.known)


def _finish(
    spark: SparkSession, contract: Contract, settings: Settings, source: str, pending: Path, step: Step
) -> list[DeliveryRecord]:
    """Do what `pending.json` says, from wherever it was interrupted; the records it brought."""
    plan = read_json(pending)
    if plan is None:
        return []
    records = [
        DeliveryRecord(**{**r, "modified_at": _parse(r["modified_at"]), "ingested_at": _parse(r["ingested_at"])})
        for r in plan["records"]
    ]
    batch = records[0].batch
    layouts = [(tuple(item["header"]), Path(item["folder"])) for item in plan["layouts"]]
    application = f"{settings.use_case}/{source}"
    if any(any(folder.iterdir()) for _, folder in layouts if folder.is_dir()):
        _append_rows(spark, contract, settings, source, layouts, application, records[0])
    step("bronze appended")
    ledger = table_path(settings, "bronze", DELIVERIES)
    frame = spark.createDataFrame(pa.Table.from_pylist([asdict(r) for r in records], DELIVERIES_ARROW))
    with SHARED_TABLES:
        create_table(spark, ledger, DELIVERIES_SCHEMA, comment="Every delivered file and what became of it")
        frame.coalesce(1).write.format("delta").mode("append").options(
            txnAppId=f"{application}/{DELIVERIES}", txnVersion=batch
        ).save(ledger)
    step("deliveries appended")
    pending.unlink()
    step("pending removed")
    log.info("event=landed source=%s batch=%d files=%d", source, batch, len(records))
    return records


def _append_rows(
    spark: SparkSession,
    contract: Contract,
    settings: Settings,
    source: str,
    layouts: list[tuple[tuple[str, ...], Path]],
    application: str,
    record: DeliveryRecord,
) -> None:
    path = table_path(settings, "bronze", source)
    spec = contract.sources[source]
    create_table(
        spark,
        path,
        bronze_columns(contract, source),
        comment=f"As delivered: {spec.description}",
        statistics=("_batch",),
    )
    whole_files = _one_file_a_partition(spark)
    frames, size, parts = [], 0, 0
    for header, folder in layouts:
        files = [p for p in folder.iterdir() if p.stat().st_size]
        if not files:
            continue
        lines = whole_files.read.text(str(folder), lineSep="\n")
        if lines.rdd.getNumPartitions() != len(files):
            raise RuntimeError(f"{folder}: {len(files)} parts were not read as one partition each")
        frames.append(bronze_rows(lines, header, spec.columns, spec.separator))
        size, parts = size + sum(p.stat().st_size for p in files), parts + len(files)
    rows = frames[0]
    for frame in frames[1:]:
        rows = rows.unionByName(frame)
    at = sf.lit(record.ingested_at).cast("timestamp")
    rows = rows.withColumns({"_ingested_at": at, "_batch": sf.lit(record.batch).cast("bigint")})
    note = json.dumps({"batch": record.batch, "clock": read_clock(settings)})
    rows.coalesce(max(1, min(parts, size // OUTPUT_BYTES + 1))).write.format("delta").mode("append").options(
        txnAppId=application, txnVersion=record.batch, mergeSchema="true", userMetadata=note
    ).save(path)


def bronze_rows(lines: DataFrame, header: tuple[str, ...], columns: tuple[str, ...], separator: str) -> DataFrame:
    """Lines of staged parts (column `value`, one partition a part) -> the contract's columns as strings.

    A line that cannot be split into the header's fields gets `_flaw` (why) and `_rescued` (the line) and no values.
    """
    name = sf.col("_metadata.file_name")
    position = sf.monotonically_increasing_id().bitwiseAND(sf.lit((1 << 33) - 1))
    numbered = lines.select(
        "value",
        name.substr(25, 1000).alias("_source_file"),
        name.substr(14, 8).cast("bigint").alias("_delivery"),
        (name.substr(1, 12).cast("bigint") + position).alias("_line"),
        (name.substr(23, 1) == "1").alias("_cut"),
    ).where("value != ''")
    fields = [f"c{i}" for i in range(len(header))]
    options = {"sep": separator, "quote": '"', "escape": '"', "mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_bad"}
    schema = ", ".join(f"{f} string" for f in fields) + ", _bad string"
    parsed = numbered.withColumn("row", sf.from_csv("value", schema, options))
    flaw = (
        sf.when(sf.col("_cut"), "the line has no line end, it may be cut off")
        .when(~sf.is_valid_utf8("value"), "the line is not valid UTF-8")
        .when(sf.col("row._bad").isNotNull(), _wrong_count(separator, len(header)))
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
        "_source_file",
        "_delivery",
        "_line",
    )


def _wrong_count(separator: str, expected: int) -> Column:
    unquoted = sf.regexp_replace("value", '"([^"]|"")*"', "")
    count = sf.length(unquoted) - sf.length(sf.replace(unquoted, sf.lit(separator), sf.lit(""))) + 1
    noun = sf.when(count == 1, " field, ").otherwise(" fields, ")
    return sf.when(count == expected, "the line's quotes do not match").otherwise(
        sf.concat(sf.lit("the line has "), count, noun, sf.lit(f"{expected} expected"))
    )


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


def _as_json(admission: Admission) -> dict[str, Any]:
    records = [
        {**asdict(r), "modified_at": r.modified_at.isoformat(), "ingested_at": r.ingested_at.isoformat()}
        for r in admission.verdicts
    ]
    layouts = [{"header": list(h), "folder": str(f)} for h, f in admission.layouts.items()]
    return {"records": records, "layouts": layouts}


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text)
