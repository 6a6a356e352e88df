"""Event times that no file has in one column: joined on the way into bronze, and anew where the contract says it since;
and periods that no file has, but its name.

The first two follow `lakeloop.event_times`, the second one in Spark's words, since bronze may be large by then.
"""

import pyarrow as pa
import pyarrow.compute as pc
from delta.tables import DeltaTable
from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.lake import Lake
from lakehouse.storage.layout import table_exists
from lakehouse.storage.schema import add_columns, quoted
from lakeloop.contract import Contract, Source
from lakeloop.contract.event_time import EventTime
from lakeloop.event_times import MONTHS, WHOLE, joints, with_event_time


def with_named_periods(source: Source, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Split rows with the period that their file's name says, in the columns that no file has; a line that could not be
    split has none."""
    if not source.in_file_names:
        return rows
    files = rows["_source_file"].dictionary_encode()
    named = pa.array([source.period_of_file(file) or None for file in files.dictionary.to_pylist()], pa.string())
    periods = pc.if_else(rows["_flaw"].is_null(), named.take(files.indices), None)
    for name in source.in_file_names:
        rows = rows.set_column(rows.schema.get_field_index(name), name, periods)
    return rows


def with_made_time(contract: Contract, source: str, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Split rows with their event time, where it is joined; a line that could not be split has none."""
    texts = {name: rows[name] for name in contract.sources[source].columns}
    for name, times in with_event_time(contract, source, texts).items():
        rows = rows.append_column(name, pc.if_else(rows["_flaw"].is_null(), times, None))
    return rows


def make_times_anew(lake: Lake, source: str) -> None:
    """Give rows that bronze has already the event time that the contract says now; those that have it stay as is."""
    contract, path = lake.contract, lake.table(f"bronze/{source}")
    if not contract.event_time.columns or source != contract.feature_source or not table_exists(path):
        return
    add_columns(lake.spark, path, [f"{quoted(name)} string" for name in contract.columns_of(source)])
    column, made = sf.col(quoted(contract.event_time.column)), _joined(contract.event_time)
    DeltaTable.forPath(lake.spark, path).update(
        sf.col("_flaw").isNull() & ~column.eqNullSafe(made), {quoted(contract.event_time.column): made}
    )


def _joined(event_time: EventTime) -> Column:
    months = sf.create_map(*(sf.lit(text) for pair in MONTHS.items() for text in pair))
    joined = list[Column]()
    for part, before in joints(event_time.columns):
        bare = sf.regexp_replace(sf.trim(sf.col(quoted(event_time.columns[part]))), WHOLE, "$1")
        joined += [sf.lit(before), sf.coalesce(sf.try_element_at(months, sf.lower(bare)), bare)]
    return sf.concat(*joined)
