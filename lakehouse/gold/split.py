"""Which rows of an export are held out, in Spark: the same ones as `lakeloop.held_out` says."""

from typing import TYPE_CHECKING

from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.exceptions import LakeloopError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def with_split(rows: "DataFrame", contract: Contract) -> "DataFrame":
    """Rows with `_hash`, by which they go into shards, and `_split`: `eval` or `train`, as `lakeloop.held_out` says.

    `_hash` is the first 8 hex digits of sha256('salt:key') as a number, in a split by column of that column's value.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    salted = sf.concat(sf.lit(f"{contract.split.salt}:"), _split_by(contract))
    number = _hash_of(salted)
    is_eval = sf.col("_hash") % contract.split.every == 0
    if contract.split.by == "time":
        period = quoted(contract.period_column)
        counts = {str(name): count for name, count in rows.groupBy(period).count().collect()}
        is_eval = sf.col(period) >= sf.lit(contract.split.first_eval_period(counts) if counts else "")
    elif contract.split.stratify:
        period, label, key = (quoted(n) for n in (contract.period_column, contract.label.name, contract.key.column))
        group = sf.concat_ws(":", sf.lit(contract.split.salt), sf.col(period), sf.col(label).cast("int"))
        place = sf.row_number().over(Window.partitionBy(period, label).orderBy("_hash", key)) - 1
        is_eval = (place + _hash_of(group)) % contract.split.every == 0
    return rows.withColumn("_hash", number).withColumn("_split", sf.when(is_eval, "eval").otherwise("train"))


def _hash_of(text: "Column") -> "Column":
    """The first 8 hex digits of a text's sha256 as a number."""
    from pyspark.sql import functions as sf

    return sf.conv(sf.substring(sf.sha2(text, 256), 1, 8), 16, 10).cast("bigint")


def _split_by(contract: Contract) -> "Column":
    """The text whose hash says where a row goes. A row that came as a request alone has no group: its key says it."""
    from pyspark.sql import functions as sf

    key, column = sf.col(quoted(contract.key.column)), contract.split.column
    if column is None:
        return key
    if column in contract.key.columns and column not in contract.features:
        return sf.split_part(key, sf.lit(JOINT), sf.lit(contract.key.columns.index(column) + 1))
    return sf.coalesce(sf.col(quoted(column)).cast("string"), key)


def split_in_words(contract: Contract) -> str:
    """How an export's manifest says which of its rows are eval rows."""
    split = contract.split
    if split.by == "time":
        return f"the newest {contract.period}s, nearest to {split.eval:g} of the rows"
    if split.stratify:
        by = f"sha256('{split.salt}:'+{contract.key.column})[:8]"
        return f"of each class of a {contract.period} one row in {split.every}, in the order of {by}"
    return f"sha256('{split.salt}:'+{split.column or contract.key.column})[:8] % {split.every} == 0"


def rows_a_split(rows: "DataFrame", contract: Contract) -> dict[str, int]:
    """Rows of train and eval; raises where one of them has none."""
    by_split = {"train": 0, "eval": 0} | dict(with_split(rows, contract).groupBy("_split").count().collect())
    for split, count in by_split.items():
        if not count:
            raise LakeloopError(
                f"all {sum(by_split.values())} rows would go to one split, {split} would be empty: {_more(contract)}, "
                "or change `split` in the contract"
            )
    return by_split


def _more(contract: Contract) -> str:
    if contract.split.by == "time":
        return f"a split by time needs rows of two {contract.period}s at least; deliver more rows"
    return "deliver more rows"
