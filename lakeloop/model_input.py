"""A feature's values on their way: as a request has them, in frames, and as a model's signature takes them.

A missing value is null in JSON and tables, None in a row, NaN or None in a frame, and a stand-in (`Feature.stand_in`)
for the model, which knows it by that. A bool is 0 or 1 for the model and in exports.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from lakeloop.contract import Feature

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DTYPES = {"float": "float32", "int": "int64", "string": "str"}
"""NumPy's names of the types that values are carried in."""
NAN = orjson.Fragment(b"NaN")
"""TensorFlow Serving reads it; JSON itself has no word for it."""


def model_columns(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "dict[str, np.ndarray]":
    """One array (rows,) a feature, as the signature `serving_default` takes them. Missing is None, NaN or `pd.NA`."""
    return {name: _column(feature, frame[name]) for name, feature in features.items()}


def as_carried(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a table or of the request log in the types that rows of an export have: a bool is 0 or 1.

    A bool or an optional whole number is a float, NaN where it is missing, whether any is missing or not.
    """
    loose = [
        name
        for name, feature in features.items()
        if name in frame and feature.carried_as == "int" and (feature.optional or feature.type == "bool")
    ]
    return frame.assign(**{name: frame[name].astype("float64") for name in loose}) if loose else frame


def request_rows(features: Mapping[str, Feature], frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame as requests have them: each value in the contract's type, None where it is missing."""
    rows: list[dict[str, Any]] = frame[list(features)].to_dict("records")  # type: ignore[assignment]
    loose = {name: feature for name, feature in features.items() if feature.optional or feature.type == "bool"}
    for row in rows if loose else ():
        for name, feature in loose.items():
            row[name] = _request_value(feature, row[name])
    return rows


def _request_value(feature: Feature, value: Any) -> Any:
    if value is None or value != value:
        return None
    return {"float": float, "int": int, "bool": bool, "string": str}[feature.type](value)


def complete_rows(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows that have every value a request must have."""
    return frame.dropna(subset=[name for name, feature in features.items() if not feature.optional])


def predict_body(features: Mapping[str, Feature], columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The body of TensorFlow Serving's REST call that asks about rows: each feature's values, as requests have them."""
    inputs = {
        name: [_json_value(feature, value) for value in columns[name]]
        if feature.optional or feature.type == "bool"
        else columns[name]
        for name, feature in features.items()
    }
    return orjson.dumps({"inputs": inputs})


def instance(features: Mapping[str, Feature], row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of that call's other form, `instances`, for orjson."""
    return {name: _json_value(feature, row[name]) for name, feature in features.items()}


def _json_value(feature: Feature, value: Any) -> Any:
    if value is None or value != value:
        return NAN if feature.carried_as == "float" else feature.stand_in
    return int(value) if feature.carried_as == "int" else value


def _column(feature: Feature, values: "pd.Series") -> "np.ndarray":
    dtype = DTYPES[feature.carried_as]
    if feature.optional:
        there = values.notna()
        if not there.all():
            values = values.astype(object).where(there, feature.stand_in)
    return values.to_numpy(dtype)
