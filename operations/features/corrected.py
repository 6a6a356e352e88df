"""Whether a served row has the values of one of several deliveries of its key: corrected since, and no skew."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lakeloop.contract import Feature
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.model_input import request_rows
from lakeloop.truth_values import FALSE, TRUE
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
    known: dict[str, set[tuple[object, ...]]] = {}
    for row in dataset_of(table).to_table(columns=[key, *features], filter=wanted).to_pylist():
        values = _values(features, row)
        if values is not None:
            known.setdefault(row[key], set()).add(values)
    pairs = zip(served[key], (tuple(row.values()) for row in request_rows(features, served)), strict=True)
    return np.array([len(known.get(one, ())) > 1 and values in known[one] for one, values in pairs], dtype=bool)


def _values(features: Mapping[str, Feature], row: Mapping[str, str | None]) -> tuple[object, ...] | None:
    """A row of bronze in the contract's types; None where it is not in them, so silver never had it."""
    try:
        return tuple(_read(feature, row[name]) for name, feature in features.items())
    except (TypeError, ValueError, KeyError):
        return None


def _read(feature: Feature, text: str | None) -> object:
    """One delivered text; 3.0 is the whole number 3, and a missing value None where it may be missing."""
    if feature.optional and (text is None or not text.strip()):
        return None
    if text is None:
        raise ValueError("a value is missing")
    if feature.type == "bool":
        return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}[text.strip().lower()]
    if feature.type == "int":
        return int(text) if text.strip().lstrip("+-").isdigit() else _whole(float(text))
    return float(text) if feature.type == "float" else text


def _whole(number: float) -> int:
    """Raises ValueError where it is none."""
    if not number.is_integer():
        raise ValueError(f"{number} is not a whole number")
    return int(number)
