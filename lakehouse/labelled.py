"""Labelled rows of some months: for judging a model, and for seeing what has changed since it was trained."""

import pandas as pd
from pyspark.sql import SparkSession
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


def exported_rows_of(
    spark: SparkSession, contract: Contract, settings: Settings, months: tuple[int, int], version: int
) -> pd.DataFrame:
    """The columns of an export for the months from `first` to `last` of gold/training at a version, in no order.

    Raises:
        NotFound: there is no such version.
    """
    first, last = (contract.month_name(month) for month in months)
    rows = read_table(spark, settings, f"gold/{TRAINING}", version)
    wanted = rows.where(sf.col(quoted(contract.event_time.column)).between(first, last))
    return wanted.select(*map(quoted, export_columns(contract))).toArrow().to_pandas()
