"""The request log into bronze/requests and on to silver/predictions, as a stream, exactly once.

Spark's checkpoint knows which files were read, Delta's transaction id which batch was appended, and silver is
idempotent by request id: so a stream that is killed anywhere goes on where it was.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.contract_change import follow_contract
from lakehouse.lake import Lake
from lakehouse.requests.lines import BRONZE, check_names, lines_of_files
from lakehouse.requests.log_files import new_files, put_away
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
FOREVER = "3650d"
IDENTITY = "stream.json"


@dataclass(frozen=True)
class StreamReport:
    """One look at the request log: files taken into bronze, what that changed in silver, and how long it took.

    `inserted` new requests, `repeated` records whose request id was there already, `rejected` for `reasons`.
    """

    files: int
    inserted: int
    repeated: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether there was anything new."""
        return bool(self.files or self.inserted or self.rejected)


@contextmanager
def open_stream(lake: Lake, notice: Callable[[str], None] = lambda line: None) -> Iterator[Callable[[], StreamReport]]:
    """A function that takes everything finished in the request log each time it is called.

    Raises:
        BusyError: another stream runs on this home.
        WrongUseError: a column of the contract has the name of one of silver/predictions' own.
        DiskFullError: the disk is full; run it again when it is not, nothing is lost and nothing doubled.
    """
    check_names(lake.contract)

    def take() -> StreamReport:
        began = time.perf_counter()
        with tables_held(lake), disk_full_as_no_space():
            follow_contract(lake, notice)
            files, silver = _take_in(lake)
        return StreamReport(
            files, silver.inserted, silver.repeated, silver.rejected, tuple(silver.reasons),
            time.perf_counter() - began,
        )  # fmt: skip

    with only_one(lake.work_folder / STREAM_LOCK, "stream"):
        yield take


def stream(lake: Lake) -> StreamReport:
    """Take everything finished in the request log once; raises as `open_stream`."""
    with open_stream(lake) as take:
        return take()


def _take_in(lake: Lake) -> tuple[int, SilverReport]:
    """Files taken and what silver got; a batch that was interrupted comes first."""
    files = new_files(lake)
    if files:
        size = sum(path.stat().st_size for path in files)
        identity = _identity(lake)
        query = (
            lines_of_files(_files(lake), lake.contract)
            .writeStream.foreachBatch(_appender(lake, identity["id"], identity["again"], size))
            .option("checkpointLocation", checkpoint_path(lake, REQUESTS))
            .queryName(f"requests {lake.name}")
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination()
        if identity["again"]:  # all that was there has been read
            write_json(lake.work_folder / REQUESTS / IDENTITY, identity | {"again": False})
    report = refine_predictions(lake)
    if files:
        put_away(lake, files)
    return len(files), report


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


def _appender(lake: Lake, stream_id: str, again: bool, size: int) -> Callable[[DataFrame, int], None]:
    path = lake.table(f"bronze/{REQUESTS}")
    create_table(lake.spark, path, BRONZE, comment="The request log, as the gateway wrote it", statistics=("_batch",))

    def append(lines: DataFrame, batch: int) -> None:
        """One batch, once: the same batch of the same stream is skipped by Delta."""
        last = lines.sparkSession.read.format("delta").load(path).agg(sf.max("_batch")).collect()[0][0] or 0
        if again and last:
            lines = _not_in_bronze(lines, path)
        added = {"_ingested_at": sf.lit(moment_of_now(lake)), "_batch": sf.lit(last + 1).cast("bigint")}
        lines.withColumns(added).coalesce(size // BYTES_A_FILE + 1).write.format("delta").mode("append").options(
            txnAppId=f"{lake.name}/{REQUESTS}/{stream_id}", txnVersion=batch
        ).save(path)

    return append


def _not_in_bronze(lines: DataFrame, path: str) -> DataFrame:
    """Of files that are read once more, those that bronze has are left out."""
    there = lines.sparkSession.read.format("delta").load(path).select("_source_file").distinct()
    return lines.join(there, "_source_file", "left_anti").select(lines.columns)


def _identity(lake: Lake) -> dict[str, Any]:
    """`id`: the name under which Delta counts this stream's batches; `again`: whether it reads files bronze may have.

    A stream without a checkpoint begins anew. So does one whose log was moved with its home, for the checkpoint names
    files where they were; an older release did not note where.
    """
    path, folder = lake.work_folder / REQUESTS / IDENTITY, str(request_log_folder(lake).absolute())
    checkpoint = checkpoint_path(lake, REQUESTS)
    known = read_json(path)
    if isinstance(known, dict) and known["log"] == folder and folder_exists(lake.spark, f"{checkpoint}/offsets"):
        return known
    delete_folder(lake.spark, checkpoint)
    made = {"id": uuid.uuid4().hex, "log": folder, "again": True}
    write_json(path, made)
    log.info("event=stream_begins log=%s", folder)
    return made
