"""Tables' columns, comments and constraints, all from the contract; creating a table is one commit."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable

from lakehouse.storage.layout import table_exists
from lakeloop.contract import Column, Contract, Feature
from lakeloop.contract.columns import DECIMAL_DIGITS, DECIMAL_PLACES, TIMES
from lakeloop.contract.time_features import value_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_TYPES = {
    "float": "double", "int": "bigint", "decimal": f"decimal({DECIMAL_DIGITS},{DECIMAL_PLACES})", "bool": "boolean",
    "string": "string", "date": "date", "timestamp": "timestamp",
}  # fmt: skip
# A version that an export names must stay readable; Delta forgets old versions after 30 days otherwise.
KEEP_HISTORY = {"delta.logRetentionDuration": "interval 5200 weeks"}
REPLACED = "lakeloop_being_replaced"
CHANGE = "_change"
"""Where sources are joined to the base: the number of a base row's newest change, by its own files or by theirs."""


def quoted(name: str) -> str:
    """A column name, or a table's path after `delta.`, as SQL spells it."""
    return "`" + name.replace("`", "``") + "`"


def literal(value: object) -> str:
    """A Python value as SQL literal."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat()}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, Decimal):
        return f"{value:f}BD"
    return f"{value!r}D" if isinstance(value, float) else repr(value)


def silver_columns(contract: Contract, source: str) -> str:
    """Typed columns with the contract's descriptions, nullable where optional; then where the row came from."""
    typed = [column_sql(name, column) for name, column in contract.silver_columns(source).items()]
    origin = ["_source_file string COMMENT 'file the newest values came from'", "_batch bigint NOT NULL"]
    if change_column(contract, source) == CHANGE:
        origin.append(f"{CHANGE} bigint NOT NULL COMMENT 'number of its newest change, delivered or joined'")
    return ", ".join([*typed, *origin])


def change_column(contract: Contract, source: str) -> str:
    """The column of a silver table that grows with every change of a row."""
    return CHANGE if contract.joins and source == contract.feature_source else "_batch"


def column_sql(name: str, column: Column) -> str:
    """One column with type, NOT NULL unless optional, and the comment that makes the tables the data catalogue."""
    required = "" if column.optional else " NOT NULL"
    return f"{quoted(name)} {SPARK_TYPES[column.type]}{required} COMMENT {literal(comment(column))}"


def comment(column: Column) -> str:
    """Description, unit and allowed values in one line."""
    unit = f" in {column.unit}" if column.unit else ""
    allowed = f" ({column.allowed})" if has_limits(column) else ""
    return f"{column.description}{unit}{allowed}"


def has_limits(column: Column) -> bool:
    """Whether the contract states the column's allowed values; key and event time have none."""
    return column.valid is not None or column.values is not None


def constraints(contract: Contract, columns: Mapping[str, Column]) -> dict[str, str]:
    """CHECK constraints by name, e.g. `age_valid` -> `` `age` >= 0 AND `age` <= 150``."""
    checks = {}
    for name, column in columns.items():
        if name == contract.period_column:
            period = contract.event_time.of_kind
            checks[f"{name}_is_{period.kind}"] = f"{quoted(name)} RLIKE '^{period.pattern}$'"
        elif name == contract.key.column:
            checks[f"{name}_not_empty"] = f"{quoted(name)} != ''"
        elif condition := allowed_sql(name, column):
            # Delta takes a condition that is null for one that is not met.
            checks[f"{name}_valid"] = f"{quoted(name)} IS NULL OR ({condition})" if column.optional else condition
    return checks


def limits_of(column: Column) -> tuple[Any, Any]:
    """The lowest and the highest value possible, as Python has values of the column's type in the lake."""
    low, high = column.limits or (0, 0)
    if column.type in TIMES:
        return value_of(column.type, int(low)), value_of(column.type, int(high))
    return (Decimal(str(low)), Decimal(str(high))) if column.type == "decimal" else (low, high)


def allowed_sql(name: str, column: Column) -> str:
    """The contract's allowed values as an SQL condition; '' where the type alone says all, as of a bool."""
    if column.values is not None:
        return f"{quoted(name)} IN ({', '.join(map(literal, column.values))})"
    if column.limits is not None:
        low, high = limits_of(column)
        return f"{quoted(name)} >= {literal(low)} AND {quoted(name)} <= {literal(high)}"
    return f"{quoted(name)} != ''" if column.type == "string" and isinstance(column, Feature) else ""


def create_table(
    spark: "SparkSession",
    path: str,
    columns: str,
    *,
    comment: str = "",
    checks: Mapping[str, str] | None = None,
    partition: str = "",
    statistics: Sequence[str] = (),
    replace: bool = False,
) -> None:
    """Create the Delta table with everything it needs in one commit; nothing where it exists.

    `statistics` names the columns whose lowest and highest value Delta keeps for each file; none: of all.
    `replace`: an existing table becomes this one, empty; its earlier versions stay readable.
    """
    exists = table_exists(path)
    if exists and not replace:
        return
    properties = dict(KEEP_HISTORY)
    properties |= {f"delta.constraints.{name}": check for name, check in (checks or {}).items()}
    if statistics:
        properties["delta.dataSkippingStatsColumns"] = ",".join(map(quoted, statistics))
    listed = ", ".join(f"{literal(k)} = {literal(v)}" for k, v in properties.items())
    partitioned = f"PARTITIONED BY ({quoted(partition)})" if partition else ""
    body = f"({columns}) USING DELTA {partitioned} COMMENT {literal(comment)} TBLPROPERTIES ({listed})"
    if exists:
        _replace(spark, path, body)
    else:
        spark.sql(f"CREATE TABLE IF NOT EXISTS delta.{quoted(path)} {body}")


def add_columns(spark: "SparkSession", path: str, columns: Sequence[str]) -> None:
    """Add columns, each as `create_table` takes them, that the table at `path` does not have yet."""
    known = {field.name for field in DeltaTable(path).schema().fields}
    missing = [column for column in columns if column.split()[0].strip("`") not in known]
    if missing:
        spark.sql(f"ALTER TABLE delta.{quoted(path)} ADD COLUMNS ({', '.join(missing)})")


def _replace(spark: "SparkSession", path: str, body: str) -> None:
    """Delta replaces a table only under a name, so it gets one in the session's own catalog for the moment."""
    spark.sql(f"CREATE TABLE {REPLACED} USING DELTA LOCATION {literal(path)}")
    try:
        spark.sql(f"CREATE OR REPLACE TABLE {REPLACED} {body} LOCATION {literal(path)}")
    finally:
        spark.sql(f"DROP TABLE {REPLACED}")
