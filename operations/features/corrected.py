"""Whether a served row has the values of former deliveries: corrected since, and no skew.

Its own source may have been delivered again, or a row of a joined source that it meets. A row of a joined source that
only came later, not in place of another one, is no correction: then training saw what serving could not know.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, Feature
from lakeloop.delivered_values import typed_values
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.mended_texts import mended_frame
from lakeloop.model_input import complete_rows, request_rows
from lakeloop.use_case import UseCase
from operations.joined_rows import met_rows
from operations.typed_rows import joinable, rows_with_times, typed_rows

Values = tuple[object, ...]
Way = tuple[frozenset[Values], ...]
"""One way in which a row may have been served: of each source the values that it was delivered with."""
ORDER = ["_delivery", "_line"]


def corrected_since_served(use_case: UseCase, served: pd.DataFrame) -> np.ndarray:
    """For each served row (n,): whether it was delivered in several ways, and once just as it was served.

    A row that was delivered in one way alone, and meets such rows, has no correction: a difference has another cause.
    """
    contract = use_case.contract
    key = contract.key.column
    ways = _ways_by_key(use_case, served[key].unique().tolist())
    sources = [contract.feature_source, *contract.joins]
    by_source = [request_rows(_features_of(contract, source), served) for source in sources]
    found = []
    for one, *values in zip(served[key], *by_source, strict=True):
        known = ways.get(one, [])
        several = len(set(known)) > 1 or any(len(of_source) > 1 for way in known for of_source in way)
        was = [tuple(row.values()) for row in values]
        found.append(several and any(all(v in w for v, w in zip(was, way, strict=True)) for way in known))
    return np.array(found, dtype=bool)


def _features_of(contract: Contract, source: str) -> dict[str, Feature]:
    """Those that its files have: derived ones follow from them."""
    given = contract.given_features.items()
    return {name: feature for name, feature in given if contract.source_of(name) == source}


def _ways_by_key(use_case: UseCase, keys: Sequence[str]) -> dict[str, list[Way]]:
    import pyarrow.dataset as ds

    contract = use_case.contract
    key, source = contract.key.column, contract.feature_source
    features = _features_of(contract, source)
    texts = _delivered(use_case, source, ds.field(key).isin(keys))
    base = rows_with_times(contract, typed_rows(contract, source, texts))
    good = complete_rows(features, base.assign(**_event_time(contract, features, texts.loc[base.index])))
    base = base.loc[good.index]  # the others never came into silver
    own = [{tuple(row.values())} for row in request_rows(features, good)]
    joined = [_met_values(use_case, one, base) for one in contract.joins]
    ways: dict[str, list[Way]] = {}
    for one, *values in zip(base[key], own, *joined, strict=True):
        ways.setdefault(one, []).append(tuple(map(frozenset, values)))
    return ways


def _event_time(contract: Contract, features: dict[str, Feature], texts: pd.DataFrame) -> dict[str, pd.Series]:
    """The event time as the feature that it is, where it is one."""
    event_time, read = contract.event_time, contract.sources[contract.feature_source].read
    name = event_time.column
    if name not in features:
        return {}
    written = features[name].model_copy(update={"format": event_time.format})
    return {name: typed_values(texts[name], written, read.spelling(name), event_time.timezone)}


def _met_values(use_case: UseCase, source: str, base: pd.DataFrame) -> list[set[Values]]:
    """For each row of the base the values that the row it meets was delivered with; where it meets none, no values."""
    contract = use_case.contract
    join, features = contract.joins[source], contract.joined_features(source)
    texts = _delivered(use_case, source)
    values = pd.MultiIndex.from_frame(typed_rows(contract, source, texts[list(join.on)]))
    texts = texts[values.isin(pd.MultiIndex.from_frame(base[list(join.on.values())]))]
    rows = joinable(contract, source, typed_rows(contract, source, texts))
    told_by = list(join.identity)
    rows = rows[~rows.assign(_delivery=texts["_delivery"]).duplicated([*told_by, "_delivery"])].reset_index(drop=True)
    group = rows.groupby(told_by, sort=False).ngroup()
    known: list[set[Values]] = [set() for _ in range(int(group.max()) + 1 if len(group) else 0)]
    for number, row in zip(group, request_rows(features, rows), strict=True):
        known[number].add(tuple(row.values()))
    known.append({(None,) * len(features)})  # the last one, which a row meets that meets none
    return [known[met] for met in met_rows(contract, source, base, rows.drop_duplicates(told_by))]


def _delivered(use_case: UseCase, source: str, wanted: Any = None) -> pd.DataFrame:
    """A source's delivered texts as they are meant, in the order in which they came."""
    names = list(use_case.contract.columns_of(source))
    table = open_lake_table(use_case, f"bronze/{source}")
    if table is None:
        return pd.DataFrame(columns=[*names, *ORDER], dtype=str)
    there = {field.name for field in table.schema().fields}
    found = dataset_of(table).to_table(columns=[*(name for name in names if name in there), *ORDER], filter=wanted)
    rows = found.to_pandas().reindex(columns=[*names, *ORDER]).sort_values(ORDER, ignore_index=True)
    return mended_frame(use_case.contract, source, rows).reset_index(drop=True)
