"""The request log into bronze/requests and on to silver/predictions, as a stream, exactly once.

Spark's checkpoint knows which files, or which records of a topic, were read, Delta's transaction id which batch was
appended, and silver is idempotent by request id: so a stream that is killed anywhere goes on where it was.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.contract_change import follow_contract
from lakehouse.lake import Lake
from lakehouse.requests.arrivals import TopicArrivals, arrivals, note_taken
from lakehouse.requests.lines import BRONZE, check_names, lines_of_files, lines_of_topic
from lakehouse.requests.log_files import put_away
from lakehouse.requests.predictions import refine_predictions
from lakehouse.silver.refine import SilverReport
from lakehouse.storage.disk_full import disk_full_as_no_space
from lakehouse.storage.layout import (
    REQUESTS,
    checkpoint_path,
    delete_folder,
    folder_exists,
    glob_quoted,
    read_json,
    write_json,
)
from lakehouse.storage.lock import STREAM_LOCK, only_one, tables_held
from lakehouse.storage.schema import create_table
from lakeloop.clock import moment_of_now
from lakeloop.request_log_files import FINISHED, request_log_folder

log = logging.getLogger(__name__)
BYTES_A_BATCH, BYTES_A_FILE = 256 << 20, 16 << 20
BYTES_A_RECORD = 512
"""About what a record takes: how many there are is known of a topic, not how large."""
FOREVER = "3650d"


@dataclass(frozen=True)
class _Source:
    """What a stream reads, each with a checkpoint of its own.

    `place` tells it from another one of the same `name`: it begins anew there. `by`: the columns of bronze/requests
    that tell what of it is there already, when it begins anew.
    """

    name: str
    identity: str
    place: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class StreamReport:
    """One look at the request log: files, and records of a topic, taken into bronze, what that changed in silver, and
    how long it took.

    `inserted` new requests, `repeated` records whose request id was there already, `rejected` for `reasons`.
    """

    files: int
    records: int
    inserted: int
    repeated: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether there was anything new."""
        return bool(self.files or self.records or self.inserted or self.rejected)


@contextmanager
def open_stream(lake: Lake, notice: Callable[[str], None] = lambda line: None) -> Iterator[Callable[[], StreamReport]]:
    """A function that takes everything finished in the request log each time it is called.

    Raises:
        BusyError: another stream runs on this home.
        WrongUseError: a column of the contract has the name of one of silver/predictions' own.
        BrokerError: the broker of the topic is away; what it has is taken when it is back.
        DiskFullError: the disk is full; run it again when it is not, nothing is lost and nothing doubled.
    """
    check_names(lake.contract)

    def take() -> StreamReport:
        began = time.perf_counter()
        with tables_held(lake), disk_full_as_no_space():
            follow_contract(lake, notice)
            files, records, silver = _take_in(lake, notice)
        return StreamReport(
            files, records, silver.inserted, silver.repeated, silver.rejected, tuple(silver.reasons),
            time.perf_counter() - began,
        )  # fmt: skip

    with only_one(lake.work_folder / STREAM_LOCK, "stream"):
        yield take


def stream(lake: Lake) -> StreamReport:
    """Take everything finished in the request log once; raises as `open_stream`."""
    with open_stream(lake) as take:
        return take()


def _take_in(lake: Lake, notice: Callable[[str], None]) -> tuple[int, int, SilverReport]:
    """Files and records taken, and what silver got; a batch that was interrupted comes first."""
    new = arrivals(lake)
    if new.files:
        size = sum(path.stat().st_size for path in new.files)
        folder = str(request_log_folder(lake).absolute())
        source = _Source(REQUESTS, "stream.json", folder, ("_source_file",))
        _append_to_bronze(lake, source, lines_of_files(_files(lake), lake.contract), size)
    if new.topic is not None and new.topic.deleted:
        notice(
            f"{new.topic.deleted:,} requests are lost: the broker deleted them before the stream took them; let topic "
            f"{new.topic.topic.name} keep them longer (retention.ms), or run the stream more often"
        )
    if new.topic is not None and new.topic.records:
        _take_topic(lake, new.topic)
    report = refine_predictions(lake)
    if new.files:
        put_away(lake, new.files)
    if new.topic is not None:
        note_taken(lake, new.topic)
    return len(new.files), new.topic.records if new.topic else 0, report


def _take_topic(lake: Lake, arrived: TopicArrivals) -> None:
    """Raises BrokerError where the broker went away meanwhile."""
    source = _Source("requests_of_topic", "topic_stream.json", arrived.id, ("_source_file", "_line"))
    lines = lines_of_topic(_records(lake, arrived), f"{arrived.topic.name}@{arrived.id[:8]}", lake.contract)
    try:
        _append_to_bronze(lake, source, lines, arrived.records * BYTES_A_RECORD)
    except StreamingQueryException:
        from lakeloop.topic_client import topic_id

        topic_id(arrived.topic)
        raise


def _append_to_bronze(lake: Lake, source: _Source, lines: DataFrame, size: int) -> None:
    """All that is there now of a source, in batches that are appended once each; `size` is about its bytes."""
    identity = _identity(lake, source)
    query = (
        lines.writeStream.foreachBatch(_appender(lake, source, identity["id"], identity["again"], size))
        .option("checkpointLocation", checkpoint_path(lake, source.name))
        .queryName(f"{source.name} {lake.name}")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    if identity["again"]:  # all that was there has been read
        write_json(lake.work_folder / REQUESTS / source.identity, identity | {"again": False})


def _records(lake: Lake, arrived: TopicArrivals) -> DataFrame:
    """Each record of the topic as one row. What the broker deleted before it was read is told when it is looked for."""
    return (
        lake.spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", arrived.topic.servers)
        .option("subscribe", arrived.topic.name)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", BYTES_A_BATCH // BYTES_A_RECORD)
        .option("failOnDataLoss", "false")
        .load()
    )


def _files(lake: Lake) -> DataFrame:
    """Each finished file of the request log as one row. By default Spark would pass over files that come late."""
    return (
        lake.spark.readStream.format("text")
        .option("wholetext", "true")
        .option("pathGlobFilter", f"*{FINISHED}")
        .option("maxFileAge", FOREVER)
        .option("maxBytesPerTrigger", BYTES_A_BATCH)
        .load(glob_quoted(str(request_log_folder(lake))))
    )


def _appender(lake: Lake, source: _Source, stream_id: str, again: bool, size: int) -> Callable[[DataFrame, int], None]:
    path = lake.table(f"bronze/{REQUESTS}")
    create_table(lake.spark, path, BRONZE, comment="The request log, as the gateway wrote it", statistics=("_batch",))

    def append(lines: DataFrame, batch: int) -> None:
        """One batch, once: the same batch of the same stream is skipped by Delta."""
        last = lines.sparkSession.read.format("delta").load(path).agg(sf.max("_batch")).collect()[0][0] or 0
        if again and last:
            lines = _not_in_bronze(lines, path, source.by)
        added = {"_ingested_at": sf.lit(moment_of_now(lake)), "_batch": sf.lit(last + 1).cast("bigint")}
        lines.withColumns(added).coalesce(size // BYTES_A_FILE + 1).write.format("delta").mode("append").options(
            txnAppId=f"{lake.name}/{source.name}/{stream_id}", txnVersion=batch
        ).save(path)

    return append


def _not_in_bronze(lines: DataFrame, path: str, by: tuple[str, ...]) -> DataFrame:
    """Of what is read once more, that which bronze has is left out."""
    there = lines.sparkSession.read.format("delta").load(path).select(*by).distinct()
    return lines.join(there, list(by), "left_anti").select(lines.columns)


def _identity(lake: Lake, source: _Source) -> dict[str, Any]:
    """`id`: the name under which Delta counts this stream's batches; `again`: whether it reads what bronze may have.

    A stream without a checkpoint begins anew. So does one whose log was moved with its home, for the checkpoint names
    files where they were; an older release did not note where. And so does one whose topic was deleted and made again.
    """
    path, checkpoint = lake.work_folder / REQUESTS / source.identity, checkpoint_path(lake, source.name)
    known = read_json(path)
    if isinstance(known, dict) and known["log"] == source.place and folder_exists(lake.spark, f"{checkpoint}/offsets"):
        return known
    delete_folder(lake.spark, checkpoint)
    made = {"id": uuid.uuid4().hex, "log": source.place, "again": True}
    write_json(path, made)
    log.info("event=stream_begins log=%s", source.place)
    return made
