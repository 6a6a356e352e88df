"""gold/monthly: averages of each month, of what was delivered and asked."""

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.feature_rows import SilverTables, feature_rows_of_months
from lakehouse.layout import MONTHLY, TRAINING, table_path
from lakehouse.schema import create_table, literal, quoted
from lakehouse.silver import differs
from lakeloop.contract import Contract
from lakeloop.settings import Settings


def monthly_rows(features: DataFrame, training: DataFrame, contract: Contract) -> DataFrame:
    """A row a month: `rows`, `labelled`, `<feature>_mean`, `<truth>_mean` and `<class>_share` of the labelled rows."""
    month, label = contract.event_time.column, contract.label
    numeric = [name for name, feature in contract.features.items() if feature.role != "categorical"]
    delivered = features.groupBy(quoted(month)).agg(
        sf.count("*").alias("rows"), *(sf.avg(quoted(n)).alias(f"{n}_mean") for n in numeric)
    )
    truth_mean = [] if label.truth.type == "string" else [sf.avg(quoted(label.column)).alias(f"{label.column}_mean")]
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


def update_monthly(
    spark: SparkSession, contract: Contract, settings: Settings, silver: SilverTables, months: set[str] | None
) -> tuple[str, ...]:
    """Compute these months again, all of them for None; the months that were."""
    if months is not None and not months:
        return ()
    month, path = contract.event_time.column, table_path(settings, "gold", MONTHLY)
    delivered, asked = silver.delivered, silver.asked
    training = spark.read.format("delta").load(table_path(settings, "gold", TRAINING))
    if months is not None:
        listed = month_in(contract, months)
        delivered, training = delivered.where(listed), training.where(listed)
        asked = None if asked is None else asked.where(listed)
    features = feature_rows_of_months(delivered, asked, contract)
    rows = monthly_rows(features, training, contract).coalesce(1).persist()
    try:
        present = {row[0] for row in rows.select(quoted(month)).collect()}
        columns = ", ".join(f"{quoted(f.name)} {f.dataType.simpleString()}" for f in rows.schema.fields)
        comment = f"{contract.title}: averages of each month"
        create_table(spark, path, columns, comment=comment, replace=months is None)
        table = DeltaTable.forPath(spark, path)
        names = [f for f in rows.columns if f != month]
        merge = table.alias("target").merge(rows.alias("new"), f"target.{quoted(month)} = new.{quoted(month)}")
        merge.whenMatchedUpdateAll(differs(names)).whenNotMatchedInsertAll().execute()
        if emptied := (months or set()) - present:
            table.delete(sf.col(quoted(month)).isin(*sorted(emptied)))
    finally:
        rows.unpersist()
    return tuple(sorted(present | (months or set())))


def month_in(contract: Contract, months: set[str], table: str = "") -> str:
    """The months as a condition with literals, by which Delta skips files."""
    listed = ", ".join(literal(m) for m in sorted(months))
    return f"{table}{quoted(contract.event_time.column)} IN ({listed})"
