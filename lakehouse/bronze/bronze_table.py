"""A source's bronze table as an ingest writes and asks it, by delta-rs.

A batch is one commit, whose note names the files it brings: so it is bronze that says what was taken.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Field, Schema, WriterProperties, write_deltalake

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.storage.commits import Commit, commits_of
from lakehouse.storage.schema import KEEP_HISTORY, quoted
from lakehouse.storage.small_tables import column
from lakehouse.storage.table_rows import file_rows, rows_at, rows_of_file
from lakeloop.lake_tables import open_lake_table
from lakeloop.use_case import UseCase

FILES, TIMES = "files", ("modified_at", "ingested_at")
ROW_GROUP = 250_000
"""Rows that Spark's tasks can share a file by."""
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


class BronzeTable:
    """The table of one source, which need not be there yet."""

    def __init__(self, use_case: UseCase, source: str) -> None:
        self._use_case, self.source = use_case, source
        self._name = f"bronze/{source}"

    def append(self, records: Sequence[DeliveryRecord], rows: Iterator[pa.RecordBatch], clock: int) -> None:
        """Append a batch: what its files hold, with their key; `records` are of all files looked at, and of this batch.

        Rows lack `_ingested_at` and `_batch` alone. `clock`: the period it is taken in at.
        """
        contract = self._use_case.contract
        columns = tuple(contract.columns_of(self.source))
        schema = bronze_schema(columns)
        table = DeltaTable.create(
            self._use_case.table(self._name),
            schema,
            mode="ignore",
            description=f"As delivered: {contract.sources[self.source].description}",
            configuration={**KEEP_HISTORY, "delta.dataSkippingStatsColumns": _bounded(contract.key.column, columns)},
        )
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(pa.schema(schema), _dated(rows, pa.schema(schema), records[0])),
            mode="append",
            schema_mode="merge",  # the contract may have got columns
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP),
            commit_properties=CommitProperties(custom_metadata={"userMetadata": _note(records, clock)}),
        )

    def rows_and_last_batch(self) -> tuple[int | None, int]:
        """Rows (None: not counted) and the newest batch, by the log alone.

        Older releases numbered their batches in transactions of Spark's. A number of its own costs Spark three jobs an
        append, so there is none any more: the log keeps the bounds of the column.
        """
        table = open_lake_table(self._use_case, self._name)
        if table is None:
            return 0, 0
        files = pa.table(table.get_add_actions(flatten=True))
        counts, batches = (
            files[name].to_pylist() if name in files.column_names else [None] * files.num_rows
            for name in ("num_records", "max._batch")
        )
        numbered = table.transaction_version(f"{self._use_case.name}/{self.source}") or 0
        last = max((batch for batch in batches if batch is not None), default=0)
        return None if None in counts else sum(counts), max(last, numbered)

    def rows_by_file(self) -> Mapping[tuple[str, int], int]:
        """(file, batch) -> rows that are there."""
        table = open_lake_table(self._use_case, self._name)
        return {} if table is None else file_rows(self._use_case, self._name, table.version())

    def rows_by_batch(self, commits: int | None = None) -> Mapping[int, int]:
        """Batch -> rows that its commit wrote, by the log; of so many of the newest commits (None: of all)."""
        rows: dict[int, int] = {}
        for commit in self._commits(commits):
            batch = commit.note.get("batch")
            if batch is not None:  # older releases wrote by Spark
                rows[batch] = rows.get(batch, 0) + (commit.count("numAddedRows") or commit.count("numOutputRows"))
        return rows

    def clock_by_batch(self) -> Mapping[int, int]:
        """Batch -> the clock at which it was taken in; without the batches that an older release wrote."""
        notes = (commit.note for commit in self._commits())
        return {note["batch"]: note["clock"] for note in notes if {"batch", "clock"} <= set(note)}

    def noted_files(self) -> list[DeliveryRecord]:
        """The files that commits say they brought, oldest first; those of older releases do not say it."""
        files = (file for commit in reversed(self._commits()) for file in commit.note.get(FILES, ()))
        return [noted_record(file) for file in files if file["source"] == self.source]

    def came_at(self, file: str, batch: int) -> datetime:
        """When a file was taken in, by its rows: they are known since then."""
        rows = rows_of_file(self._use_case, self._name, None, file, batch, ["_ingested_at"])
        came: datetime = pc.max(rows["_ingested_at"]).as_py()
        return came

    def corrected_since(self, delivery: DeliveryRecord) -> bool:
        """Whether there are rows of a later delivery that have the identity of a row that this one brought."""
        keys = self._use_case.contract.identity(self.source)
        columns = [*keys, "_delivery", "_source_file", "_batch"]
        rows = rows_at(self._use_case, self._name, None, columns, pc.field("_batch") >= delivery.batch)
        own = rows.filter((pc.field("_batch") == delivery.batch) & (pc.field("_source_file") == delivery.file))
        if not own.num_rows:
            return False
        later = rows.filter(pc.field("_delivery") > pc.max(own["_delivery"]))
        return bool(later.join(own.select(keys), list(keys), join_type="left semi").num_rows)

    def _commits(self, newest: int | None = None) -> list[Commit]:
        table = open_lake_table(self._use_case, self._name)
        return [] if table is None else commits_of(table, newest)


def bronze_schema(columns: Collection[str]) -> Schema:
    """Key and delivered columns as strings, and where each row came from."""
    return Schema([*(column(name, "string", nullable=True) for name in columns), *ORIGIN])


def noted_record(item: Mapping[str, Any]) -> DeliveryRecord:
    """A record as a note in JSON has it."""
    return DeliveryRecord(**{**item, **{name: datetime.fromisoformat(item[name]) for name in TIMES}})


def _note(records: Sequence[DeliveryRecord], clock: int) -> str:
    files = [asdict(r) | {name: getattr(r, name).isoformat() for name in TIMES} for r in records if r.state == "taken"]
    return json.dumps({"batch": records[0].batch, "clock": clock, FILES: files})


def _bounded(key: str, columns: Collection[str]) -> str:
    """The columns whose lowest and highest value the log keeps for each file."""
    return ",".join(map(quoted, ["_batch", *([key] if key in columns else [])]))


def _dated(rows: Iterator[pa.RecordBatch], schema: pa.Schema, record: DeliveryRecord) -> Iterator[pa.RecordBatch]:
    """The rows with when they came and in which batch, in the table's columns."""
    at, batch = pa.scalar(record.ingested_at, schema.field("_ingested_at").type), pa.scalar(record.batch, pa.int64())
    for one in rows:
        given = [one[name] for name in schema.names[:-2]]
        yield pa.RecordBatch.from_arrays(
            [*given, pa.repeat(at, one.num_rows), pa.repeat(batch, one.num_rows)], schema=schema
        )
