"""What the gateway served: each answered request's features as it logged them, and in which types it wrote them."""

import json
from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from lakehouse.read.provenance import last_batch
from lakehouse.storage.layout import PREDICTIONS_TABLE
from lakeloop.contract.columns import TIMES
from lakeloop.lake_tables import Filter, dataset_of, open_lake_table, read_lake_table
from lakeloop.use_case import UseCase
from monitoring.drift.watched_answers import watched_answers

REQUESTS = "bronze/requests"
LINES = 1_000
JSON_TYPES = {bool: "bool", int: "int", float: "float", str: "string"}
AS_TEXT = ("decimal", *TIMES)
"""Types that JSON has no word for: the log has them as text, and takes nothing else for them."""


def served_rows(use_case: UseCase, since: "str | datetime | None" = None) -> pd.DataFrame:
    """The lake's requests, one row each; since a period by their event time, since a moment by when they were answered.

    Columns: request_id, key, event time, `at`, features, `model_version` and what the model gave, `probability_<class>`
    or the number with its interval; but of the number null where no model was asked.
    """
    contract = use_case.contract
    columns = [
        "request_id", contract.key.column, contract.period_column, "at", *contract.features, "model_version",
        *watched_answers(contract).columns,
    ]  # fmt: skip
    by = contract.period_column if isinstance(since, str) else "answered_at"
    filters: list[Filter] = [] if since is None else [(by, ">=", since)]
    found = read_lake_table(use_case, PREDICTIONS_TABLE, columns, filters)
    return pd.DataFrame(columns=columns) if found is None else found


def logged_types(use_case: UseCase) -> Mapping[str, str]:
    """Feature -> the type its values have in the log's JSON, e.g. `float`, or `float, int`; of the newest 1,000 lines.

    A number is a float where it is written with a point or an exponent, as the gateway writes every float.
    """
    table = open_lake_table(use_case, REQUESTS)
    if table is None:
        return {}
    import pyarrow.dataset as ds

    newest = last_batch(use_case, REQUESTS, table.version())
    wanted = (
        ds.field("line").is_valid() if newest is None else ds.field("line").is_valid() & (ds.field("_batch") == newest)
    )
    lines = dataset_of(table).head(LINES, columns=["line"], filter=wanted)["line"].to_pylist()
    found: dict[str, set[str]] = {name: set() for name in use_case.contract.features}
    for line in lines:
        features = json.loads(line).get("features", {})
        for name in found:
            if features.get(name) is not None:
                kind = use_case.contract.features[name].type
                logged = JSON_TYPES.get(type(features[name]), "no plain value")
                found[name].add(kind if kind in AS_TEXT and logged == "string" else logged)
    return {name: ", ".join(sorted(types)) for name, types in found.items() if types}
