"""The current window of requests: what the model is asked now."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.storage.layout import PREDICTIONS_TABLE
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.model_input import as_carried
from lakeloop.use_case import UseCase

AT = "at"


def newest_requests(use_case: UseCase, rows: int) -> pd.DataFrame:
    """The features and event period of the newest `rows` requests, newest last; empty where none was streamed yet.

    Of requests that came after the simulated present there are none: the log is written as time passes.
    """
    contract = use_case.contract
    columns = [contract.period_column, *contract.features]
    table = open_lake_table(use_case, PREDICTIONS_TABLE)
    if table is None:
        return pd.DataFrame(columns=columns)
    requests = dataset_of(table)
    since = _time_of_the(rows, requests)
    newest = requests.to_table(
        columns=[AT, "request_id", *columns], filter=None if since is None else ds.field(AT) >= since
    )
    ordered = newest.sort_by([(AT, "descending"), ("request_id", "descending")]).slice(0, rows)
    found = as_carried(contract.features, ordered.select(columns).to_pandas())
    return found.iloc[::-1].reset_index(drop=True)


def _time_of_the(place: int, requests: ds.Dataset) -> pa.Scalar | None:
    """The event time of the request that so many are newer than or as new as; None where there are fewer."""
    column = requests.to_table(columns=[AT])[AT]
    if len(column) <= place:
        return None
    times = column.cast(pa.int64()).to_numpy()
    return pa.scalar(int(np.partition(times, -place)[-place]), pa.int64()).cast(column.type)
