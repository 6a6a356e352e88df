"""Arrays to the JSON answer of a predict request, row (`predictions`) or columnar (`outputs`), of classify and regress.

Numbers are written as the shortest text that reads back as the same float32 or float64 (2.3, not
2.299999952316284); NaN and infinities as the bare words TensorFlow Serving uses. Strings are text, or
`{"b64": …}` where the output's name ends in `_bytes`.
Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc, MakeJsonFromTensors.
"""

from __future__ import annotations

import base64
import json
import math
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import numpy as np
import orjson

from serving.model_server.status import invalid

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
_WRITABLE = frozenset(map(np.dtype, ("float32", "float64", "bool", "object", *_WHOLE)))
_TENSORFLOW_NAME = {"float16": "half"}


def to_json(outputs: dict[str, np.ndarray], layout: Literal["row", "columnar"]) -> bytes:
    """The body of the answer. Raises RequestError for types JSON cannot carry and for uneven batches."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if layout == "row":
        _check_batch(outputs)
    for array in outputs.values():
        if array.dtype not in _WRITABLE:
            name = _TENSORFLOW_NAME.get(array.dtype.name, array.dtype.name)
            raise invalid(f"Failed to write JSON value for tensor type: {name}")
    key = b'{"predictions":' if layout == "row" else b'{"outputs":'
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return key + _text(array, name) + b"}"
    template = _template(tuple(outputs))
    if layout == "columnar":
        return key + template % tuple(_text(array, name) for name, array in outputs.items()) + b"}"
    columns = [_rows(array, name) for name, array in outputs.items()]
    # text is put together as text: a dict a row takes four times as long
    return key + b"[" + b",".join([template % row for row in zip(*columns, strict=True)]) + b"]}"


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> bytes:
    """An object with a place for each value's text."""
    return b"{" + b",".join(orjson.dumps(name).replace(b"%", b"%%") + b":%b" for name in names) + b"}"


def _text(array: np.ndarray, name: str) -> bytes:
    """A whole array as JSON."""
    if array.dtype == object:
        return orjson.dumps(_strings(array, name.endswith("_bytes")))
    text = orjson.dumps(array[()] if array.ndim == 0 else np.ascontiguousarray(array), option=_OPTIONS)
    if array.dtype.kind != "f" or b"null" not in text:
        return text
    # orjson writes what is not finite as null: the words in the place of the nulls, in the same order
    flat = array.ravel()
    odd = flat[~np.isfinite(flat)].tolist()
    words = map(_word, odd)
    pieces = text.split(b"null")
    return b"".join(chain(*zip(pieces, words, strict=False), pieces[-1:]))


def _rows(array: np.ndarray, name: str) -> list[bytes]:
    """Each row of an array as JSON."""
    if array.dtype == object:
        return [orjson.dumps(_strings(item, name.endswith("_bytes"))) for item in array]
    if array.size == 0:
        return [orjson.dumps(item.tolist()) for item in array]
    text, depth = _text(array, name), array.ndim - 1
    if depth == 0:
        return text[1:-1].split(b",")
    # the rows alone stand between so many brackets; the first and the last keep theirs without the outermost
    between = b"]" * depth + b"," + b"[" * depth
    inner = text[1 + depth : -1 - depth].split(between)
    opening, closing = b"[" * depth, b"]" * depth
    return [opening + row + closing for row in inner]


def _check_batch(outputs: dict[str, np.ndarray]) -> None:
    batch = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch not in (-1, len(array)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)


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
    results = [[[_strings(label, False), _number(score)] for label, score in row] for row in rows]
    return orjson.dumps({"results": results}, option=_OPTIONS)


def values_to_json(values: np.ndarray) -> bytes:
    """The body of a regress answer: one number an example."""
    return b'{"results":' + _text(values, "") + b"}"


def _number(value: Any) -> Any:
    return value if np.isfinite(value) else orjson.Fragment(_word(value))


def _word(value: float) -> bytes:
    if math.isnan(value):
        return b"NaN"
    return b"Infinity" if value > 0 else b"-Infinity"
