"""Arrays to the JSON answer of a predict request, row (`predictions`) or columnar (`outputs`), of classify and regress.

Numbers are written as the shortest text that reads back as the same float32 or float64 (2.3, not
2.299999952316284); NaN and infinities as the bare words TensorFlow Serving uses. Strings are text, or
`{"b64": …}` where the output's name ends in `_bytes`.
Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc, MakeJsonFromTensors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import orjson

from serving.model_server.status import invalid

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_WHOLE = {"int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"}
_WRITABLE = frozenset({"float32", "float64", "bool", "object", *_WHOLE})
_TENSORFLOW_NAME = {"float16": "half"}


def to_json(outputs: dict[str, np.ndarray], layout: Literal["row", "columnar"]) -> bytes:
    """The body of the answer. Raises RequestError for types JSON cannot carry and for uneven batches."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if layout == "row":
        _check_batch(outputs)
    for array in outputs.values():
        if array.dtype.name not in _WRITABLE:
            name = _TENSORFLOW_NAME.get(array.dtype.name, array.dtype.name)
            raise invalid(f"Failed to write JSON value for tensor type: {name}")
    body = _dump(outputs, layout, _plain)
    # orjson writes what is not finite as null; only then is the slower, token by token way needed
    return body if b"null" not in body else _dump(outputs, layout, _with_tokens)


def _dump(outputs: dict[str, np.ndarray], layout: str, convert: Callable[[np.ndarray], Any]) -> bytes:
    values = {
        name: _strings(array, name.endswith("_bytes")) if array.dtype == object else convert(array)
        for name, array in outputs.items()
    }
    key = "predictions" if layout == "row" else "outputs"
    if len(values) == 1:
        return orjson.dumps({key: next(iter(values.values()))}, option=_OPTIONS)
    if layout == "columnar":
        return orjson.dumps({key: values}, option=_OPTIONS)
    names = list(values)
    return orjson.dumps(
        {key: [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]},
        option=_OPTIONS,
    )


def _check_batch(outputs: dict[str, np.ndarray]) -> None:
    batch = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch not in (-1, len(array)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)


def _plain(array: np.ndarray) -> Any:
    return array[()] if array.ndim == 0 else np.ascontiguousarray(array)


def _with_tokens(array: np.ndarray) -> Any:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return _plain(array)
    if array.ndim == 0:
        return _number(array[()])
    return [_number(item) if array.ndim == 1 else _with_tokens(item) for item in array]


def _number(value: Any) -> Any:
    if np.isfinite(value):
        return value
    if np.isnan(value):
        return orjson.Fragment(b"NaN")
    return orjson.Fragment(b"Infinity" if value > 0 else b"-Infinity")


def _strings(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_strings(item, as_bytes) for item in value]
    if as_bytes:
        return {"b64": base64.b64encode(value).decode("ascii")}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:  # sent as it is, as TensorFlow Serving does; `_bytes` names avoid this
        text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return orjson.Fragment(text.encode("utf-8", "surrogateescape"))


def classes_to_json(rows: list[list[tuple[bytes, float]]]) -> bytes:
    """The body of a classify answer: for each example its `[label, score]` pairs."""
    return _results([[[_strings(label, False), _number(score)] for label, score in row] for row in rows])


def values_to_json(values: np.ndarray) -> bytes:
    """The body of a regress answer: one number an example."""
    return _results(_with_tokens(values))


def _results(results: Any) -> bytes:
    return orjson.dumps({"results": results}, option=_OPTIONS)
