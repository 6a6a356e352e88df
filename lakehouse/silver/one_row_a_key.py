"""Which row of a key silver keeps: within a file the first one, between files that of the newest delivery."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.silver.problems import shown
from lakehouse.silver.validation import Validation
from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.mended_texts import mends
from lakeloop.use_case import UseCase


def ranked_by_key(rows: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Rows with `_rank` (1: first of its keys in its file), `_first` (that row's line), `_newer` (1: newest file)."""
    in_file = Window.partitionBy(*map(quoted, keys), "_delivery").orderBy("_line")
    over_files = Window.partitionBy(*map(quoted, keys)).orderBy(sf.col("_delivery").desc(), "_line")
    return rows.withColumns(
        {
            "_rank": sf.row_number().over(in_file),
            "_first": sf.first("_line").over(in_file),
            "_newer": sf.row_number().over(over_files),
        }
    )


def ranked_good(bronze: DataFrame, validation: Validation) -> DataFrame:
    """Good rows, as delivered, ranked by the values that tell them apart: two texts can be one, as 7 and 7.0 are."""
    told = {f"_told{number}": value for number, value in enumerate(validation.told_apart)}
    good = validation.readable(bronze).where(validation.good).withColumns(told)
    return ranked_by_key(good, list(told)).drop(*told, *validation.numbers)


def newest_by_key(ranked: DataFrame) -> DataFrame:
    """One row a key: of the newest file the first."""
    return ranked.where("_newer = 1").drop("_rank", "_first", "_newer")


def repeated_in_file(ranked: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The rows whose key stands earlier in the same file, with the reason."""
    key, names = contract.key, contract.identity(source)
    first = sf.concat(sf.lit("first in line "), "_first")
    given = sf.concat_ws(", ", *map(quoted, names)) if len(names) > 1 else sf.col(quoted(names[0]))
    value = sf.concat(shown(", ".join(names), given), sf.lit(", "), first)
    what = f"`{names[0]}` stands"
    if len(names) > 1:
        what = f"{' and '.join(map(quoted, names))} stand together"
    elif key.columns and source not in contract.joins:
        what = f"{' and '.join(map(quoted, key.columns))} stand together"
    elif key.made == "row_hash" and source not in contract.joins:
        what, value = "the row, with the same value in every column, stands", first
    reason = sf.lit(f"{what} earlier in the same file; the first row is kept")
    return ranked.where("_rank > 1").withColumns({"_reason": reason, "_value": value}).drop("_rank", "_first", "_newer")


def has_doubles(use_case: UseCase, source: str, version: int, batch: int) -> bool:
    """Whether a key seems to stand twice in the rows that bronze got after a batch; what is told apart by several
    columns, by values of joined sources, or by a key that is not as delivered, always may.

    Reads one column and compares hashes, eight bytes a row: a collision, or a double that is bad anyway, only costs the
    longer way.
    """
    if len(use_case.contract.identity(source)) > 1 or source in use_case.contract.joins:
        return True
    key = use_case.contract.key.column
    if mends(use_case.contract.sources[source], key):
        return True
    table = open_lake_table(use_case, f"bronze/{source}", version)
    if table is None or key not in (field.name for field in table.schema().fields):
        return False
    found = dataset_of(table).to_batches(columns=[key], filter=pc.field("_batch") > batch)
    hashes = np.concatenate([_hashes(rows[key].drop_null()) for rows in found] or [np.empty(0, np.uint64)])
    hashes.sort()
    return bool(np.any(hashes[1:] == hashes[:-1]))


def _hashes(texts: pa.Array) -> np.ndarray:
    return hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)
