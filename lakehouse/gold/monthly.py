"""gold/monthly: averages of each month, of what was delivered and asked."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.gold.feature_rows import SilverTables, feature_rows_of_months
from lakehouse.lake import Lake
from lakehouse.storage.commits import read_note
from lakehouse.storage.layout import MONTHLY, TRAINING
from lakehouse.storage.schema import quoted
from lakehouse.storage.small_tables import SmallTable, among, column, merge_rows, replace_rows
from lakeloop.contract import Contract
from lakeloop.contract.columns import OPEN


def monthly_rows(features: DataFrame, training: DataFrame, contract: Contract) -> DataFrame:
    """A row a month: `rows`, `labelled`, `<feature>_mean`, `<truth>_mean` and `<class>_share` of the labelled rows."""
    month, label = contract.period_column, contract.label
    numeric = numeric_features(contract)
    delivered = features.groupBy(quoted(month)).agg(
        sf.count("*").alias("rows"), *(sf.avg(_number(contract, n)).alias(f"{n}_mean") for n in numeric)
    )
    truth_mean = [sf.avg(quoted(label.column)).alias(f"{label.column}_mean")] if label.truth_is_number else []
    shares = [
        sf.avg((sf.col(quoted(label.name)) == i).cast("double")).alias(f"{name}_share")
        for i, name in enumerate(label.class_names)
    ]
    known = training.groupBy(quoted(month)).agg(sf.count("*").alias("labelled"), *truth_mean, *shares)
    return delivered.join(known, month, "left").select(
        quoted(month),
        "rows",
        sf.coalesce("labelled", sf.lit(0).cast("bigint")).alias("labelled"),
        *(quoted(c) for c in delivered.columns[2:]),
        *(quoted(c) for c in known.columns[2:]),
    )


def _number(contract: Contract, name: str) -> Column:
    column = sf.col(quoted(name))
    return column.cast("int") if contract.features[name].type == "bool" else column


def numeric_features(contract: Contract) -> list[str]:
    """Features that have an average."""
    return [name for name, feature in contract.features.items() if feature.role not in OPEN]


def update_monthly(lake: Lake, silver: SilverTables, months: set[str] | None) -> tuple[str, ...]:
    """Compute these months again, all of them for None; those that have rows."""
    contract = lake.contract
    if months is not None and not months:
        return ()
    month, path = contract.period_column, lake.table(f"gold/{TRAINING}")
    delivered, requests = silver.delivered, silver.requests
    training = lake.spark.read.format("delta").load(path)
    if months is not None:
        listed = month_in(contract, months)
        delivered, training = delivered.where(listed), training.where(listed)
        requests = None if requests is None else requests.where(listed)
    features = feature_rows_of_months(delivered, requests, contract)
    rows = monthly_rows(features, training, contract).toArrow().to_pylist()
    table = _table(contract)
    note = read_note(lake.spark)
    if months is None:
        replace_rows(lake, table, rows, note=note)
    else:
        merge_rows(lake, table, rows, replacing=among(month, months), note=note)
    return tuple(sorted(row[month] for row in rows))


def _table(contract: Contract) -> SmallTable:
    label = contract.label
    truth = [label.column] if label.truth_is_number else []
    means = [f"{name}_mean" for name in [*numeric_features(contract), *truth]]
    shares = [f"{name}_share" for name in label.class_names]
    counts = [column("rows", "long", nullable=True), column("labelled", "long", nullable=True)]
    averages = [column(name, "double", nullable=True) for name in [*means, *shares]]
    month = contract.period_column
    return SmallTable(
        f"gold/{MONTHLY}",
        (column(month, "string", nullable=True), *counts, *averages),
        key=(month,),
        comment=f"{contract.title}: averages of each {contract.period}",
    )


def month_in(contract: Contract, months: set[str]) -> Column:
    """The months as a condition, by which Delta skips files."""
    return sf.col(quoted(contract.period_column)).isin(*sorted(months))
