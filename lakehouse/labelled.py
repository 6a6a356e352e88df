"""Labelled rows of some months: for judging a model, and for seeing what has changed since it was trained."""

from functools import reduce
from operator import or_

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.export import export_columns, labelled_months, no_truth
from lakehouse.layout import TRAINING, table_exists, table_path
from lakehouse.schema import quoted
from lakehouse.tables import read_table
from lakeloop.contract import Contract
from lakeloop.errors import NotFound
from lakeloop.settings import Settings


def labelled_month(
    spark: SparkSession, contract: Contract, settings: Settings, month: int, version: int | None = None
) -> pd.DataFrame:
    """The month's rows of gold/training, sorted by key: key, event time, features, truth, class id, class name.

    `version` is the table's; default: the newest.

    Raises:
        NotFound: the month has no labelled rows; the text says when its truth is delivered and which months have.
    """
    if not table_exists(spark, table_path(settings, "gold", TRAINING)):
        raise NotFound(no_truth(contract, month, {}))
    table = read_table(spark, settings, f"gold/{TRAINING}", version)
    rows = table.where(sf.col(quoted(contract.event_time.column)) == contract.month_name(month))
    frame = rows.toArrow().to_pandas()
    if frame.empty:
        raise NotFound(no_truth(contract, month, labelled_months(table, contract)))
    return frame.sort_values(contract.key.column, ignore_index=True)


def changed_rows(
    spark: SparkSession, contract: Contract, settings: Settings, months: tuple[int, int], before: int, now: int
) -> int:
    """Rows of the months from `first` to `last` of gold/training that two of its versions do not share.

    Told apart by key; one that only one of them has counts, and so does one with another value in an exported column.

    Raises:
        NotFound: there is no such version.
    """
    first, last = (contract.month_name(month) for month in months)
    columns = [column for column in export_columns(contract) if column != contract.key.column]

    def rows_of(version: int, prefix: str) -> DataFrame:
        rows = read_table(spark, settings, f"gold/{TRAINING}", version)
        wanted = rows.where(sf.col(quoted(contract.event_time.column)).between(first, last))
        return wanted.select(
            sf.col(quoted(contract.key.column)).alias("_key"),
            *(sf.col(quoted(column)).alias(f"{prefix}{number}") for number, column in enumerate(columns)),
        )

    both = rows_of(before, "then").join(rows_of(now, "now"), "_key", "full")
    differ = [~sf.col(f"then{number}").eqNullSafe(sf.col(f"now{number}")) for number in range(len(columns))]
    return both.where(reduce(or_, differ)).count()
