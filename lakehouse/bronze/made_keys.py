"""Keys that no file has as they are: made for rows on their way into bronze, and anew where the contract's key changed.

Both follow `lakeloop.row_keys`, the second one in Spark's words, since bronze may be large by then.
"""

import pyarrow as pa
import pyarrow.compute as pc
from delta.tables import DeltaTable
from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.lake import Lake
from lakehouse.silver.mended_rows import mended_value
from lakehouse.storage.layout import table_exists
from lakehouse.storage.schema import add_columns, quoted
from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.row_keys import BETWEEN, HASH_DIGITS, row_keys


def with_made_key(contract: Contract, source: str, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Split rows with their key; a line that could not be split has none."""
    texts = {name: rows[name] for name in contract.sources[source].columns}
    keys = row_keys(contract, source, texts, rows["_source_file"], rows["_line"])
    return rows.append_column(contract.key.column, pc.if_else(rows["_flaw"].is_null(), keys, None))


def make_keys_anew(lake: Lake, source: str) -> None:
    """Give rows that bronze has already the key that the contract says now; those that have it stay untouched."""
    contract, path = lake.contract, lake.table(f"bronze/{source}")
    if contract.key.delivered or source in contract.joins or not table_exists(path):
        return
    names = contract.columns_of(source)
    add_columns(lake.spark, path, [f"{quoted(name)} string" for name in names])
    key, made = sf.col(quoted(contract.key.column)), _made_key(contract, source)
    DeltaTable.forPath(lake.spark, path).update(
        sf.col("_flaw").isNull() & ~key.eqNullSafe(made), {quoted(contract.key.column): made}
    )


def _made_key(contract: Contract, source: str) -> Column:
    key = contract.key
    if key.made == "file_line":
        return sf.concat_ws(":", "_source_file", sf.col("_line").cast("string"))
    if key.made == "row_hash":
        values = [sf.coalesce(quoted(name), sf.lit("")) for name in sorted(contract.sources[source].columns)]
        return sf.left(sf.sha2(sf.concat_ws(BETWEEN, *values), 256), sf.lit(HASH_DIGITS))
    spec = contract.sources[source]
    parts = [piece for name in key.columns for piece in (sf.lit(JOINT), mended_value(spec, name))]
    return sf.concat(*parts[1:])
