"""A truth that several rows of a key make together: what those that are known so far come to, one row a key."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.silver.problems import shown, wrong
from lakehouse.silver.validation import ORIGIN
from lakehouse.storage.merge import COMPLETE
from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract
from lakeloop.contract.columns import not_allowed


def combined_truth(parts: DataFrame, contract: Contract, keys: Sequence[str]) -> DataFrame:
    """One row for the same `keys`, with the truth, the origin of its newest part, and `_complete`.

    `parts`: typed, each once. A truth outside of what the contract allows is none: then `_complete` is null, else true.
    """
    truth = contract.label.column
    newest = sf.max_by(sf.struct(*ORIGIN), sf.struct("_delivery", "_line")).alias("_newest")
    made = parts.groupBy(*map(quoted, keys)).agg(_together(contract).alias(truth), newest)
    rows = made.select(*map(quoted, (*keys, truth)), "_newest.*")
    return rows.withColumn(COMPLETE, sf.when(_allowed(contract), True))


def impossible(combined: DataFrame, contract: Contract) -> DataFrame:
    """The rows whose truth is outside of what the contract allows, with what is wrong as `_reason` and `_value`."""
    label = contract.label
    kind = f"`{label.column}`, {label.truth.combine} of its parts, is {not_allowed(label.truth)}"
    problem = wrong(kind, shown(label.column, sf.col(quoted(label.column)).cast("string")))
    bad = combined.where(sf.col(COMPLETE).isNull())
    return bad.withColumns({"_reason": problem["kind"], "_value": problem["value"]})


def _together(contract: Contract) -> Column:
    truth, value = contract.label.truth, sf.col(quoted(contract.label.column))
    if truth.combine == "count":
        return sf.count("*")
    if truth.combine == "any":
        return sf.bool_or(value)
    if truth.combine in ("min", "max"):
        return sf.min(value) if truth.combine == "min" else sf.max(value)
    values = sf.sort_array(sf.collect_list(value))  # added in one order always, so that the sum is the same each time
    zero = sf.lit(0).cast("bigint") if truth.type == "int" else sf.lit(0.0)
    total = sf.aggregate(values, zero, lambda known, one: known + one)
    return total if truth.combine == "sum" else total / sf.size(values)


def _allowed(contract: Contract) -> Column:
    truth, value = contract.label.truth, sf.col(quoted(contract.label.column))
    conditions = [sf.lit(True)]
    if truth.valid is not None:
        conditions.append(value.between(*truth.valid))
    if truth.values is not None:
        conditions.append(value.isin(*truth.values))
    return reduce(lambda a, b: a & b, conditions)
