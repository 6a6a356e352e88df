"""Requests that were answered before the contract had a derived feature: their lines with what is made of them now."""

import orjson
from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakeloop.contract import Contract
from lakeloop.derived_features import Derivation
from lakeloop.model_input import request_value
from lakeloop.request_record import in_json


def completed_line(derivation: Derivation, contract: Contract) -> Column:
    """The column `line` of bronze/requests with the derived features that a record lacks; others stay as served."""
    return sf.udf(LineFunction(derivation, contract), "string")(sf.col("line"))


class LineFunction:
    """What a worker calls with a line; a class, so that it imports this and no code travels."""

    def __init__(self, derivation: Derivation, contract: Contract) -> None:
        self._derivation = derivation
        self._marks = [f'"{name}":' for name in contract.derived_features]

    def __call__(self, line: str | None) -> str | None:
        if line is None or all(mark in line for mark in self._marks):
            return line
        try:
            record = orjson.loads(line)
            logged = record["features"]
            row = {name: request_value(one, logged.get(name)) for name, one in self._derivation.inputs.items()}
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            return line  # what is wrong with it is told of it as it is
        values, _ = self._derivation.of(row)
        record["features"] = {**values, **logged}
        return orjson.dumps(record, in_json).decode()
