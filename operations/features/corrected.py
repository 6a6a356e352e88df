"""Whether a served row has the values of one of several deliveries of its key: corrected since, and no skew."""

import numpy as np
import pandas as pd

from lakeloop.delivered_values import typed_values
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.model_input import complete_rows, request_rows
from lakeloop.use_case import UseCase


def corrected_since_served(use_case: UseCase, served: pd.DataFrame) -> np.ndarray:
    """For each served row (n,): whether its key was delivered with several values, and once with just these.

    A key that was delivered with one set of values has no correction, so a difference has another cause. Features of
    joined sources are not looked at: bronze has them with other rows.
    """
    import pyarrow.dataset as ds

    contract = use_case.contract
    key, source = contract.key.column, contract.feature_source
    features = {name: feature for name, feature in contract.features.items() if contract.source_of(name) == source}
    table = open_lake_table(use_case, f"bronze/{source}")
    if table is None:
        return np.zeros(len(served), dtype=bool)
    wanted = ds.field(key).isin(served[key].unique().tolist())
    texts = dataset_of(table).to_table(columns=[key, *features], filter=wanted).to_pandas()
    read = contract.sources[source].read
    event_time = contract.event_time
    written = {
        name: f.model_copy(update={"format": event_time.format}) if name == event_time.column else f
        for name, f in features.items()
    }
    typed = {name: typed_values(texts[name], feature, read, event_time.timezone) for name, feature in written.items()}
    delivered = complete_rows(features, pd.DataFrame({key: texts[key], **typed}))  # the others never came into silver
    known: dict[str, set[tuple[object, ...]]] = {}
    for one, row in zip(delivered[key], request_rows(features, delivered), strict=True):
        known.setdefault(one, set()).add(tuple(row.values()))
    pairs = zip(served[key], (tuple(row.values()) for row in request_rows(features, served)), strict=True)
    return np.array([len(known.get(one, ())) > 1 and values in known[one] for one, values in pairs], dtype=bool)
