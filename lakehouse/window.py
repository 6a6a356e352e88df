"""The current window of requests: what the model is asked now."""

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.layout import PREDICTIONS, table_exists, table_path
from lakehouse.schema import quoted
from lakeloop.contract import Contract
from lakeloop.settings import Settings


def newest_requests(spark: SparkSession, contract: Contract, settings: Settings, rows: int) -> pd.DataFrame:
    """The features and event month of the newest `rows` requests, newest last; empty where none was streamed yet.

    Of requests that came after the simulated present there are none: the log is written as time passes.
    """
    columns = [contract.event_time.column, *contract.features]
    path = table_path(settings, "silver", PREDICTIONS)
    if not table_exists(spark, path):
        return pd.DataFrame(columns=columns)
    table = spark.read.format("delta").load(path)
    newest = table.orderBy(sf.desc("at"), sf.desc("request_id")).limit(rows)
    found = newest.select(sf.col("at"), *map(quoted, columns)).toPandas()
    return found.sort_values("at", ignore_index=True)[columns]
