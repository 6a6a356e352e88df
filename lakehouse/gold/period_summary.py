"""gold/monthly: averages of each period, of what was delivered and asked."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.gold.feature_rows import SilverTables, feature_rows_of_periods
from lakehouse.gold.label_columns import label_columns
from lakehouse.lake import Lake
from lakehouse.storage.layout import PERIOD_SUMMARY, TRAINING_TABLE
from lakehouse.storage.schema import quoted
from lakehouse.storage.small_tables import Row, SmallTable, column, write_periods
from lakeloop.contract import Contract
from lakeloop.contract.features import OPEN


def period_summary(features: DataFrame, training: DataFrame, contract: Contract) -> DataFrame:
    """A row a period: `rows`, `labelled`, `<feature>_mean`, and of the labelled rows what their label shows."""
    period = contract.period_column
    numeric = numeric_features(contract)
    delivered = features.groupBy(quoted(period)).agg(
        sf.count("*").alias("rows"), *(sf.avg(_number(contract, n)).alias(f"{n}_mean") for n in numeric)
    )
    shown = [value.alias(name) for name, value in label_columns(contract).summary().items()]
    known = training.groupBy(quoted(period)).agg(sf.count("*").alias("labelled"), *shown)
    return delivered.join(known, period, "left").select(
        quoted(period),
        "rows",
        sf.coalesce("labelled", sf.lit(0).cast("bigint")).alias("labelled"),
        *(quoted(c) for c in delivered.columns[2:]),
        *(quoted(c) for c in known.columns[2:]),
    )


def _number(contract: Contract, name: str) -> Column:
    column = sf.col(quoted(name))
    kind = contract.features[name].type
    return column.cast("int") if kind == "bool" else column.cast("double") if kind == "decimal" else column


def numeric_features(contract: Contract) -> list[str]:
    """Features that have an average."""
    return [name for name, feature in contract.features.items() if feature.role not in (*OPEN, "time")]


def update_period_summary(lake: Lake, silver: SilverTables, periods: set[str] | None, note: Row) -> tuple[str, ...]:
    """Compute these periods again, all of them for None; those that have rows. `note`: the commit's."""
    contract = lake.contract
    if periods is not None and not periods:
        return ()
    delivered, requests = silver.delivered, silver.requests
    training = lake.frame(TRAINING_TABLE)
    if periods is not None:
        listed = in_periods(contract, periods)
        delivered, training = delivered.where(listed), training.where(listed)
        requests = None if requests is None else requests.where(listed)
    features = feature_rows_of_periods(delivered, requests, contract)
    rows = period_summary(features, training, contract).toArrow().to_pylist()
    write_periods(lake, _table(contract), rows, periods, note)
    return tuple(sorted(row[contract.period_column] for row in rows))


def _table(contract: Contract) -> SmallTable:
    means = [f"{name}_mean" for name in numeric_features(contract)]
    counts = [column("rows", "long", nullable=True), column("labelled", "long", nullable=True)]
    averages = [column(name, "double", nullable=True) for name in [*means, *label_columns(contract).summary()]]
    period = contract.period_column
    return SmallTable(
        PERIOD_SUMMARY,
        (column(period, "string", nullable=True), *counts, *averages),
        key=(period,),
        comment=f"{contract.title}: averages of each {contract.period}",
    )


def in_periods(contract: Contract, periods: set[str]) -> Column:
    """The periods as a condition, by which Delta skips files."""
    return sf.col(quoted(contract.period_column)).isin(*sorted(periods))
