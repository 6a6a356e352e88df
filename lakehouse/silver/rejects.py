"""silver/rejects: rows that break the contract, each with file, line and reason."""

from dataclasses import dataclass

import pyarrow.compute as pc
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.storage.layout import REJECTS
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.merge import append, merge
from lakehouse.storage.schema import add_columns, create_table, quoted
from lakehouse.storage.table_log import files_at, overlap
from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

REJECTS_SCHEMA = (
    "source string, key string, file string COMMENT 'file it was delivered in', line bigint, reason string, "
    "raw string COMMENT 'delivered columns as JSON, or the line', batch bigint, rejected_at timestamp"
)
LATER_REJECTS_COLUMNS = ("value string COMMENT 'what the reason is about, as delivered'",)
"""Added to tables that an older release made; null in their old rows."""


@dataclass(frozen=True)
class CountedReason:
    """A kind of mistake, how many rows have it, and a value that made it; '' where none helps."""

    text: str
    rows: int
    example: str = ""

    @property
    def with_example(self) -> str:
        """The sentence with the value beside it."""
        return f"{self.text} ({self.example})" if self.example else self.text


@dataclass(frozen=True)
class Rejected:
    """How many rows were put aside now, and all reasons of their batches, the most frequent first."""

    rows: int
    reasons: tuple[CountedReason, ...]


def rejects(bad: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Bad rows as the table `rejects` keeps them; `raw` is the line or, as JSON, the delivered columns."""
    delivered = sf.to_json(sf.struct(*(sf.col(quoted(name)) for name in contract.sources[source].columns)))
    return reject_columns(bad, contract, source, sf.coalesce("_rescued", delivered))


def reject_columns(bad: DataFrame, contract: Contract, source: str, raw: Expression) -> DataFrame:
    """The columns of the table `rejects`, of rows with `_reason` and `_value` and their origin."""
    return bad.select(
        sf.lit(source).alias("source"),
        _told_by(contract, source).alias("key"),
        sf.col("_source_file").alias("file"),
        sf.col("_line").alias("line"),
        sf.col("_reason").alias("reason"),
        sf.nullif("_value", sf.lit("")).alias("value"),
        raw.alias("raw"),
        sf.col("_batch").alias("batch"),
        sf.current_timestamp().alias("rejected_at"),
    )


def _told_by(contract: Contract, source: str) -> Expression:
    """A row's key; of a joined source what it is met by, as one text."""
    names = contract.identity(source) if source in contract.joins else (contract.key.column,)
    return sf.concat_ws(JOINT, *map(quoted, names)) if len(names) > 1 else sf.col(quoted(names[0]))


def write_rejects(rows: DataFrame, use_case: UseCase, source: str, batches: tuple[int, int]) -> Rejected:
    """Add rows of `rejects`' columns that are not there yet.

    `batches`: the first and the last that they are from.
    """
    path = use_case.table(f"silver/{REJECTS}")
    with SHARED_TABLES:
        columns = ", ".join([REJECTS_SCHEMA, *LATER_REJECTS_COLUMNS])
        create_table(rows.sparkSession, path, columns, comment="Rows that break the contract, each with the reason")
        add_columns(rows.sparkSession, path, LATER_REJECTS_COLUMNS)
        there = [file for file in files_at(path) or [] if overlap([file], "source", [(source, source)])]
        if overlap(there, "batch", [batches]):
            keys = ["file", "line", "batch", "source"]
            written = merge(path, rows, keys, where={"source": source})
        else:
            written = append(path, rows)
    return Rejected(written.inserted, _counted_reasons(use_case, source, batches) if written.inserted else ())


def _counted_reasons(use_case: UseCase, source: str, batches: tuple[int, int]) -> tuple[CountedReason, ...]:
    """The reasons of what was rejected in these batches, the most frequent first."""
    table = open_lake_table(use_case, f"silver/{REJECTS}")
    if table is None:
        return ()
    these = (pc.field("source") == source) & (pc.field("batch") >= batches[0]) & (pc.field("batch") <= batches[1])
    found = dataset_of(table).to_table(columns=["reason", "value"], filter=these)
    counted = found.group_by("reason").aggregate([("reason", "count"), ("value", "min")]).to_pylist()
    reasons = (CountedReason(row["reason"], row["reason_count"], row["value_min"] or "") for row in counted)
    return tuple(sorted(reasons, key=lambda reason: (-reason.rows, reason.text)))
