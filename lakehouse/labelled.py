"""One month of labelled rows for judging a model."""

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.export import labelled_months, no_truth
from lakehouse.layout import TRAINING, table_exists, table_path
from lakehouse.schema import quoted
from lakeloop.contract import Contract
from lakeloop.errors import NotFound
from lakeloop.settings import Settings


def labelled_month(spark: SparkSession, contract: Contract, settings: Settings, month: int) -> pd.DataFrame:
    """The month's rows of gold/training, sorted by key: key, event time, features, truth, class id, class name.

    Raises:
        NotFound: the month has no labelled rows; the text says when its truth is delivered and which months have.
    """
    path = table_path(settings, "gold", TRAINING)
    if not table_exists(spark, path):
        raise NotFound(no_truth(contract, month, {}))
    table = spark.read.format("delta").load(path)
    rows = table.where(sf.col(quoted(contract.event_time.column)) == contract.month_name(month))
    frame = rows.toArrow().to_pandas()
    if frame.empty:
        raise NotFound(no_truth(contract, month, labelled_months(table, contract)))
    return frame.sort_values(contract.key.column, ignore_index=True)
