"""Judges bronze rows by the contract: typed values for the good ones, a sentence for what is wrong with the others."""

from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.schema import MONTH_PATTERN, SPARK_TYPES
from lakeloop.contract import Column, Contract

SHOWN = 80
DECIMAL = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf(inity)?))$"
ORIGIN = ("_source_file", "_delivery", "_line", "_batch")


def good_rows(bronze: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Typed columns and origin of the rows that keep the contract."""
    columns = contract.columns_of(source)
    typed = [typed_value(name, column).alias(name) for name, column in columns.items()]
    # A row's number is never negative, but cannot be computed before the projection: so Spark filters after it and
    # casts each text once, not once a mention (1.5 times as fast).
    good = is_good(contract, source) & (sf.monotonically_increasing_id() >= 0)
    return bronze.select(*typed, *ORIGIN, good.alias("_good")).where("_good").drop("_good")


def bad_rows(bronze: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The other rows as delivered, with `_reason`: a sentence for each thing that is wrong."""
    problems = [problem(contract, name, column) for name, column in contract.columns_of(source).items()]
    reason = sf.coalesce("_flaw", sf.concat_ws("; ", *problems))
    return bronze.where(~is_good(contract, source)).withColumn("_reason", reason)


def is_good(contract: Contract, source: str) -> Expression:
    """Whether a bronze row keeps the contract; never null, and false exactly where `problem` finds something."""
    conditions = [fits(contract, name, column) for name, column in contract.columns_of(source).items()]
    return sf.coalesce(reduce(lambda a, b: a & b, conditions, sf.col("_flaw").isNull()), sf.lit(False))


def fits(contract: Contract, name: str, column: Column) -> Expression:
    """Whether one delivered text keeps the contract; null counts as no."""
    text, value = sf.col(f"`{name}`"), typed_value(name, column)
    if name == contract.event_time.column:
        return text.rlike(MONTH_PATTERN)
    if column.valid is not None:
        low, high = column.valid
        fits = (value >= low) & (value <= high)
    elif column.values is not None:
        fits = value.isin(*column.values)
    else:
        fits = text != ""
    return fits & _is_decimal(text) if column.type == "float" else fits


def _is_decimal(text: Expression) -> Expression:
    """Not one of Java's own spellings (`1f`, `1d`, `0x1p3`). Nearly all end in a digit and need no pattern."""
    last = sf.right(text, sf.lit(1))
    plain = last.between(".", "9") & ~text.contains("x") & ~text.contains("X")
    return plain | sf.trim(text).rlike(DECIMAL)


def typed_value(name: str, column: Column) -> Expression:
    """The delivered text as the contract's type; null where it is not one."""
    text = sf.col(f"`{name}`")
    return text if column.type == "string" else text.try_cast(SPARK_TYPES[column.type])


def problem(contract: Contract, name: str, column: Column) -> Expression:
    """A sentence if the delivered text breaks the contract, else null."""
    text, value = sf.col(f"`{name}`"), typed_value(name, column)
    shown = sf.left(text, sf.lit(SHOWN))
    case = sf.when(text.isNull() | (text == ""), f"`{name}` is missing")
    if name == contract.event_time.column:
        return case.when(
            ~text.rlike(MONTH_PATTERN), sf.concat(sf.lit(f"`{name}` is '"), shown, sf.lit("', not YYYY-MM"))
        )
    if column.type != "string":
        readable = _is_decimal(text) | sf.isnan(value) if column.type == "float" else sf.lit(True)
        wrong = sf.concat(sf.lit(f"`{name}` is '"), shown, sf.lit(f"', not {_article(column.type)}"))
        case = case.when(value.isNull() | ~readable, wrong)
    if column.type == "float":
        case = case.when(sf.isnan(value), f"`{name}` is NaN")
    outside = sf.concat(sf.lit(f"`{name}` is "), shown, sf.lit(f"; allowed: {_allowed(column)}"))
    if column.valid is not None:
        low, high = column.valid
        case = case.when((value < low) | (value > high), outside)
    elif column.values is not None:
        case = case.when(~value.isin(*column.values), outside)
    return case


def _article(type_name: str) -> str:
    return "an int" if type_name == "int" else f"a {type_name}"


def _allowed(column: Column) -> str:
    return f"{column.allowed} {column.unit}".strip()


def rejects(bad: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Bad rows as the table `rejects` keeps them; `raw` is the line or, as JSON, the delivered columns."""
    delivered = sf.to_json(sf.struct(*(sf.col(f"`{name}`") for name in contract.sources[source].columns)))
    return bad.select(
        sf.lit(source).alias("source"),
        sf.col(f"`{contract.key.column}`").alias("key"),
        sf.col("_source_file").alias("file"),
        sf.col("_line").alias("line"),
        sf.col("_reason").alias("reason"),
        sf.coalesce("_rescued", delivered).alias("raw"),
        sf.col("_batch").alias("batch"),
        sf.current_timestamp().alias("rejected_at"),
    )
