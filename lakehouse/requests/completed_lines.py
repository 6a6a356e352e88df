"""Requests that were answered before the contract had a derived feature: their lines with what is made of them now."""

from collections.abc import Callable

import orjson
from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakeloop.contract import Contract
from lakeloop.derived_features import Derivation
from lakeloop.model_input import request_value
from lakeloop.request_record import in_json


def completed_line(derivation: Derivation, contract: Contract) -> Column:
    """The column `line` of bronze/requests with the derived features that a record lacks; others stay as served."""
    return sf.udf(_completed(derivation, contract), "string")(sf.col("line"))


def _completed(derivation: Derivation, contract: Contract) -> Callable[[str | None], str | None]:
    derived = list(contract.derived_features)
    marks = [f'"{name}":' for name in derived]

    def complete(line: str | None) -> str | None:
        if line is None or all(mark in line for mark in marks):
            return line
        try:
            record = orjson.loads(line)
            logged = record["features"]
            row = {name: request_value(feature, logged.get(name)) for name, feature in derivation.inputs.items()}
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            return line  # what is wrong with it is told of it as it is
        values, _ = derivation.of(row)
        record["features"] = {**values, **logged}
        return orjson.dumps(record, in_json).decode()

    return complete
