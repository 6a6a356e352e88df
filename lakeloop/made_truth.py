"""The truth that a contract computes from several columns, of rows in a frame; Spark's twin is `lakehouse.silver`'s."""

from typing import TYPE_CHECKING, Any

from lakeloop.contract import Contract
from lakeloop.contract.expression import Expression, Named, computed

if TYPE_CHECKING:
    import pandas as pd

DTYPES = {"number": "Float64", "text": "string", "condition": "boolean"}
"""pandas' types that know a missing value, and what it makes of `and` and `or`."""


def made_truth(contract: Contract, frame: "pd.DataFrame") -> "pd.Series":
    """The truth of each row (rows,), `Float64` or `boolean`, of several labels `Int64`; NA where it is missing.

    Raises:
        ValueError: the contract's truth is delivered as it is.
    """
    expression = contract.truth_expression
    if expression is None:
        raise ValueError(f"the truth of {contract.use_case} is delivered as it is")
    if not contract.label.several:
        return evaluated(expression, frame)
    said = {name: frame[name].astype("boolean").astype("Float64") for name in contract.label.columns}
    return evaluated(expression, frame.assign(**said)).astype("Int64")


def evaluated(expression: Expression, frame: "pd.DataFrame") -> "pd.Series":
    """The expression's value of each row (rows,), NA where it is missing."""
    import numpy as np
    import pandas as pd

    def column(named: Named) -> "pd.Series":
        values = frame[named.column]
        if named.kind == "text":
            texts = values.astype("string")
            return texts.mask((texts == "").fillna(False))
        return finite(values) if named.kind == "number" else values.astype("boolean")

    def finite(values: "pd.Series") -> "pd.Series":
        numbers = pd.Series(values, dtype="Float64").to_numpy("float64", na_value=np.nan)
        return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan), frame.index).astype("Float64")

    def divided(dividend: Any, divisor: Any) -> Any:
        return dividend / divisor

    found: pd.Series = computed(expression, column, divided, finite)
    return found
