"""Derived features of typed rows: the use case's own functions, called in Spark's workers as the gateway calls them.

Moments travel as microseconds since 1970: PySpark itself would make them times of the machine's zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.storage.schema import SPARK_TYPES, quoted
from lakeloop.contract import Feature
from lakeloop.contract.time_features import EPOCH
from lakeloop.derived_features import Derivation

CARRIED = SPARK_TYPES | {"timestamp": "bigint"}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class DerivedColumns:
    """The derived features of a row as columns, and what is wrong with them: structs of kind and value."""

    values: Mapping[str, Column]
    problems: Column


def derived_columns(
    derivation: Derivation, features: Mapping[str, Feature], typed: Mapping[str, Column]
) -> DerivedColumns:
    """The derived ones among `features`; `typed` are the columns that they are made of."""
    derived = {name: feature for name, feature in features.items() if feature.derived}
    fields = ", ".join(f"{quoted(name)}: {CARRIED[feature.type]}" for name, feature in derived.items())
    returned = f"struct<made: struct<{fields}>, problems: array<struct<kind: string, value: string>>>"
    given = [_sent(feature, typed[name]) for name, feature in derivation.inputs.items()]
    found = sf.udf(RowFunction(derivation, derived), returned)(*given)
    values = {name: found["made"][name] for name in derived}
    return DerivedColumns(
        {name: sf.timestamp_micros(v) if derived[name].type == "timestamp" else v for name, v in values.items()},
        found["problems"],
    )


def _sent(feature: Feature, value: Column) -> Column:
    return sf.unix_micros(value) if feature.type == "timestamp" else value


class RowFunction:
    """What a worker calls with a row's inputs; it holds no function of the use case's, but where its file is.

    A class of a module, which a worker imports: a function within a function would travel as code.
    """

    def __init__(self, derivation: Derivation, derived: Mapping[str, Feature]) -> None:
        self._derivation, self._inputs = derivation, list(derivation.inputs)
        self._sent = [name for name, feature in derivation.inputs.items() if feature.type == "timestamp"]
        self._back = [name for name, feature in derived.items() if feature.type == "timestamp"]

    def __call__(self, *values: Any) -> Any:
        row = dict(zip(self._inputs, values, strict=True))
        for name in self._sent:
            row[name] = None if row[name] is None else EPOCH + timedelta(microseconds=row[name])
        found, problems = self._derivation.of(row)
        for name in self._back:
            found[name] = _micros(found[name])
        return tuple(found.values()), [(problem.kind, problem.value) for problem in problems]


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // _MICROSECOND
