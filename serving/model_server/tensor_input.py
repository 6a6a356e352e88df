"""Predict requests to arrays: the row (`instances`) and the columnar (`inputs`) format.

Regular requests are converted column-wise at C speed; whatever is irregular goes through
`tensor_input_exact`, which finds TensorFlow Serving's error text (or accepts the rare odd shape).
Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc and g3doc/api_rest.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from serving.model_server import tensor_input_exact as exact
from serving.model_server.json_debug import quote
from serving.model_server.signatures import NamedTensor, Signature
from serving.model_server.status import invalid

Arrays = dict[str, np.ndarray]

_NUMBERS = frozenset({int, float})
_WHOLE = frozenset({int})
_BOOLEANS = frozenset({bool})
_STRINGS = frozenset({str})

# type in the signature -> JSON types allowed, type to read into (checks the range), type to feed
_READ: dict[str, tuple[frozenset[type], Any, Any]] = {
    "float": (_NUMBERS, np.float32, np.float32),
    "double": (_NUMBERS, np.float64, np.float64),
    "int32": (_WHOLE, np.int32, np.int32),
    "int16": (_WHOLE, np.int32, np.int16),
    "int8": (_WHOLE, np.int32, np.int8),
    "uint8": (_WHOLE, np.int32, np.uint8),
    "int64": (_WHOLE, np.int64, np.int64),
    "uint32": (_WHOLE, np.uint32, np.uint32),
    "uint64": (_WHOLE, np.uint64, np.uint64),
    "bool": (_BOOLEANS, np.bool_, np.bool_),
}


@dataclass(frozen=True)
class PredictRequest:
    """Inputs by name, ready to be fed, and the format the answer must have."""

    inputs: Arrays
    format: Literal["row", "columnar"]


class _IrregularError(Exception):
    """Not convertible at C speed."""


def signature_name(document: Any) -> str:
    """The signature asked for, '' if none is named. Raises RequestError for a wrong document."""
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {quote(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {quote(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def read_predict_request(document: dict[str, Any], signature: Signature) -> PredictRequest:
    """Converts `instances` or `inputs`, cast to the signature's types. Raises RequestError."""
    with np.errstate(over="ignore"):  # too large for float is infinity, as in TensorFlow Serving
        return _read(document, signature)


def _read(document: dict[str, Any], signature: Signature) -> PredictRequest:
    if not signature.inputs:
        raise invalid(f"Failed to get input map for signature: {document.get('signature_name') or 'DEFAULT'}")
    if "instances" in document:
        instances = document["instances"]
        if "inputs" in document:
            raise invalid(
                f"JSON Value: {quote(document)} Not formatted correctly expecting only"
                " one of 'inputs' or 'instances' keys to exist "
            )
        if not isinstance(instances, list):
            raise invalid(f"JSON Value: {quote(document)} Expecting 'instances' to be an list/array")
        if not instances:
            raise invalid(f"JSON Value: {quote(document)} No values in 'instances' array")
        try:
            arrays = _rows(instances, signature.inputs)
        except _IrregularError:
            arrays = exact.rows(instances, signature.inputs)
        return PredictRequest(arrays, "row")
    if "inputs" in document:
        return PredictRequest(_columns(document["inputs"], signature.inputs), "columnar")
    raise invalid("Missing 'inputs' or 'instances' key")


def _rows(instances: list[Any], inputs: tuple[NamedTensor, ...]) -> Arrays:
    if exact.is_named(instances[0]):
        if set(map(type, instances)) != {dict} or set(map(len, instances)) != {len(inputs)}:
            raise _IrregularError
        try:
            return {i.name: _dense([row[i.name] for row in instances], i.dtype) for i in inputs}
        except KeyError:
            raise _IrregularError from None
    if len(inputs) > 1:
        raise _IrregularError
    return {inputs[0].name: _dense(instances, inputs[0].dtype)}


def _columns(value: Any, inputs: tuple[NamedTensor, ...]) -> Arrays:
    if not exact.is_named(value):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        return {inputs[0].name: _column(value, inputs[0].dtype)}
    arrays: Arrays = {}
    for spec in inputs:
        if spec.name not in value:
            raise invalid(f"Missing named input: {spec.name} in 'inputs' object.")
        arrays[spec.name] = _column(value[spec.name], spec.dtype)
    return arrays


def _column(value: Any, dtype: str) -> np.ndarray:
    try:
        if isinstance(value, list):
            return _dense(value, dtype)
    except _IrregularError:
        pass
    return exact.tensor(value, dtype)


def _dense(values: list[Any], dtype: str) -> np.ndarray:
    """An array of a list of scalars or of equally long lists, nested to any depth numpy can hold."""
    shape = [len(values)]
    kinds = set(map(type, values))
    while kinds == {list}:
        lengths = set(map(len, values))
        if len(lengths) != 1 or len(shape) >= exact.MAX_RANK:
            raise _IrregularError
        shape.append(lengths.pop())
        values = list(chain.from_iterable(values))
        kinds = set(map(type, values))
    if dtype == "string":
        if not kinds <= _STRINGS:
            raise _IrregularError
        return _strings(values).reshape(shape)
    read = _READ.get(dtype)
    if read is None or not kinds <= read[0]:
        raise _IrregularError
    try:
        array = np.array(values, read[1])
    except OverflowError:
        raise _IrregularError from None
    if read[1] is not read[2]:
        array = array.astype(read[2])
    return array if len(shape) == 1 else array.reshape(shape)


def _strings(values: list[str]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = [text.encode("utf-8", "surrogateescape") for text in values]
    return array
