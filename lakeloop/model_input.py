"""A feature's values on their way: as a request has them, in frames, and as a model's signature takes them.

A missing value is null in JSON and tables, None in a row, NaN or None in a frame, and a stand-in (`Feature.stand_in`)
for the model, which knows it by that. For the model and in exports a bool is 0 or 1, a decimal a float, and a date or
time its seconds since 1970; in a row they are `Decimal`, `date` and `datetime` (UTC).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import TIMES
from lakeloop.contract.time_features import EPOCH, seconds_of, value_of
from lakeloop.contract.time_formats import meaning
from lakeloop.exceptions import WrongUseError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DTYPES = {"float": "float32", "int": "int64", "string": "str"}
"""NumPy's names of the types that values are carried in."""
CONVERTED = ("bool", "decimal", *TIMES)
"""Types whose values are something else on their way to the model."""
_SECOND = timedelta(seconds=1)
NAN = orjson.Fragment(b"NaN")
"""TensorFlow Serving reads it; JSON itself has no word for it."""


def model_columns(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "dict[str, np.ndarray]":
    """One array (rows,) a feature, as the signature `serving_default` takes them. Missing is None, NaN or `pd.NA`."""
    return {name: _column(feature, frame[name]) for name, feature in features.items()}


def as_carried(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a table or of the request log in the types that rows of an export have: a bool is 0 or 1.

    A bool or an optional whole number is a float, NaN where it is missing, whether any is missing or not.
    """
    there = {name: feature for name, feature in features.items() if name in frame}
    typed = {
        name: carried(feature, frame[name])
        for name, feature in there.items()
        if feature.type in CONVERTED or (feature.carried_as == "int" and feature.optional)
    }
    return frame.assign(**typed) if typed else frame


def carried(feature: Feature, values: "pd.Series") -> "pd.Series":
    """Values of one feature as `as_carried` gives them."""
    if feature.type not in TIMES:
        return values.astype("float64")
    seconds = _seconds(feature, values)
    return seconds if feature.optional or seconds.isna().any() else seconds.astype("int64")


def _seconds(feature: Feature, values: "pd.Series") -> "pd.Series":
    """Dates and times as seconds since 1970, NaN where one is missing: of a table, of the request log, or carried."""
    if values.dtype.kind in "iuf":
        return values.astype("float64")
    if values.dtype.kind == "M":
        return ((values - EPOCH) // _SECOND).astype("float64")  # of a table: in UTC, to the microsecond
    known = {value: _seconds_of(feature, value) for value in values.dropna().unique()}
    return values.map(known).astype("float64")


def read_times(contract: Contract, frame: "pd.DataFrame", names: Iterable[str] | None = None) -> "pd.DataFrame":
    """Rows as they are delivered -> the same with dates and times as seconds since 1970, NaN where one is missing.

    `names`: only these features.

    Raises:
        WrongUseError: one cannot be read.
    """
    event_time = contract.event_time
    found = {}
    for name in contract.features if names is None else names:
        feature = contract.features[name]
        if feature.type not in TIMES or name not in frame:
            continue
        given = event_time.format if name == event_time.column else feature.written
        texts = frame[name].dropna().astype(str)
        known = {text: feature.seconds(text, given, event_time.timezone) for text in texts.unique() if text.strip()}
        if wrong := [text for text, seconds in known.items() if seconds is None]:
            raise WrongUseError(f"`{name}` is {wrong[0]!r}; by the contract it is {meaning(given)}")
        found[name] = carried(feature, texts.map(known).reindex(frame.index).astype("float64"))
    return frame.assign(**found) if found else frame


def _seconds_of(feature: Feature, value: Any) -> float | None:
    if isinstance(value, str):
        return feature.seconds(value)
    return seconds_of(value) if isinstance(value, date) else float(value)


def request_rows(features: Mapping[str, Feature], frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame as requests have them: each value in the contract's type, None where it is missing."""
    rows: list[dict[str, Any]] = frame[list(features)].to_dict("records")  # type: ignore[assignment]
    loose = {name: feature for name, feature in features.items() if feature.optional or feature.type in CONVERTED}
    for row in rows if loose else ():
        for name, feature in loose.items():
            row[name] = request_value(feature, row[name])
    return rows


def request_value(feature: Feature, value: Any) -> Any:
    """A value of a frame or of the request log in the contract's type; None where it is missing."""
    if value is None or value != value:
        return None
    if feature.type in TIMES:
        seconds = _seconds_of(feature, value)
        return None if seconds is None else value_of(feature.type, int(seconds))
    if feature.type == "decimal":
        return value if isinstance(value, Decimal) else Decimal(str(value))
    return {"float": float, "int": int, "bool": bool, "string": str}[feature.type](value)


def complete_rows(features: Mapping[str, Feature], frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows that have every value a request must have."""
    return frame.dropna(subset=[name for name, feature in features.items() if not feature.optional])


def predict_body(features: Mapping[str, Feature], columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The body of TensorFlow Serving's REST call that asks about rows: each feature's values, as requests have them."""
    inputs = {
        name: [_json_value(feature, value) for value in columns[name]]
        if feature.optional or feature.type in CONVERTED
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
    if feature.type == "decimal":
        return float(value)
    if feature.type in TIMES:
        value = _seconds_of(feature, value)
    return int(value) if feature.carried_as == "int" else value


def _column(feature: Feature, values: "pd.Series") -> "np.ndarray":
    dtype = DTYPES[feature.carried_as]
    if feature.type in TIMES:
        values = _seconds(feature, values)
    if feature.optional:
        there = values.notna()
        if not there.all():
            values = values.astype(object).where(there, feature.stand_in)
    return values.to_numpy(dtype)
