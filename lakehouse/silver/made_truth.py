"""The truth that a contract computes from several columns, of typed rows; pandas' twin is `lakeloop.made_truth`."""

import math
from collections.abc import Callable
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract
from lakeloop.contract.expression import Named, computed


def made_truth(contract: Contract, value: Callable[[str], Column] = lambda name: sf.col(quoted(name))) -> Column:
    """The truth of a row, null where it is missing; `value` gives a column's typed value by its name.

    Of several labels it is the number of the set of those that are true, null where one of them is missing.

    Raises:
        ValueError: the contract's truth is delivered as it is.
    """
    expression = contract.truth_expression
    if expression is None:
        raise ValueError(f"the truth of {contract.use_case} is delivered as it is")

    def column(named: Named) -> Column:
        found = value(named.column)
        return found.cast("double") if named.kind == "number" else found

    found: Column = computed(expression, column, _divided, _finite)
    return found.cast("bigint") if contract.label.several else found


def _divided(dividend: Any, divisor: Any) -> Column:
    """Null, not an error, for a division by 0."""
    return sf.try_divide(*(side if isinstance(side, Column) else sf.lit(side) for side in (dividend, divisor)))


def _finite(number: Column) -> Column:
    """Spark takes NaN for larger than infinity."""
    return sf.when(sf.abs(number) < sf.lit(math.inf), number)
