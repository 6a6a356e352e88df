"""Whether a served row has the values of an earlier delivery, which a later one corrected: then nothing is skewed."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.settings import Settings

READ: Mapping[str, Callable[[str], object]] = {"float": float, "int": int, "string": str}


def served_from_earlier_delivery(settings: Settings, contract: Contract, served: pd.DataFrame) -> np.ndarray:
    """For each served row (n,): whether bronze has a delivery of its key with just these values."""
    import pyarrow.dataset as ds

    key, source = contract.key.column, contract.feature_source
    table = open_lake_table(settings, f"bronze/{source}")
    if table is None:
        return np.zeros(len(served), dtype=bool)
    wanted = ds.field(key).isin(served[key].unique().tolist())
    rows = dataset_of(table).to_table(columns=[key, *contract.features], filter=wanted).to_pylist()
    known = {(row[key], values) for row in rows if (values := _values(contract, row)) is not None}
    asked = zip(served[key], served[list(contract.features)].itertuples(index=False, name=None), strict=True)
    return np.array([(one, values) in known for one, values in asked], dtype=bool)


def _values(contract: Contract, row: Mapping[str, str]) -> tuple[object, ...] | None:
    """A row of bronze in the contract's types; None where it is not in them, so silver never had it."""
    try:
        return tuple(READ[feature.type](row[name]) for name, feature in contract.features.items())
    except (TypeError, ValueError):
        return None
