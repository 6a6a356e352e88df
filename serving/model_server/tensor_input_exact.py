"""The value-by-value conversion of a predict request, in TensorFlow Serving's order of checks.

Slow and exact: it runs for base64 objects, scalars and everything wrong, so that the error names the
element TensorFlow Serving would name. Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from serving.exceptions import RequestError
from serving.model_server.json_debug import quote, type_name
from serving.model_server.signatures import NamedTensor
from serving.model_server.status import Code, invalid

MAX_RANK = 64
"""numpy's; TensorFlow itself stops at 254."""

_INT_RANGE = {
    "int32": (-(2**31), 2**31),
    "int16": (-(2**31), 2**31),  # TensorFlow Serving checks these three as int32 and wraps
    "int8": (-(2**31), 2**31),
    "uint8": (-(2**31), 2**31),
    "int64": (-(2**63), 2**63),
    "uint32": (0, 2**32),
    "uint64": (0, 2**64),
}
_FEED = {
    "float": np.float32,
    "double": np.float64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint8": np.uint8,
    "int64": np.int64,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
}


def is_base64(value: Any) -> bool:
    """True for `{"b64": "<text>"}`: a binary string, not an object of named tensors."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def is_named(value: Any) -> bool:
    """True for an object that maps input names to tensors."""
    return isinstance(value, dict) and not is_base64(value)


def tensor(value: Any, dtype: str) -> np.ndarray:
    """One whole tensor of the columnar format. Raises RequestError."""
    shape = _shape(value)
    leaves: list[Any] = []
    _fill(value, 0, shape, dtype, leaves)
    return _array(leaves, dtype, shape)


def rows(instances: list[Any], inputs: tuple[NamedTensor, ...]) -> dict[str, np.ndarray]:
    """All tensors of the row format, batched along the first dimension. Raises RequestError."""
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    batch = _Batch(inputs)
    named = is_named(instances[0])
    names = sorted(spec.name for spec in inputs)
    for index, element in enumerate(instances):
        if named:
            if not is_named(element):
                raise invalid(f"Expecting object but got list at item {index} of input list")
            for key, value in element.items():
                try:
                    batch.add(key, value)
                except RequestError as exc:
                    raise invalid(
                        f"Failed to process element: {index} key: {key} of 'instances' list. "
                        f"Error: {exc.code.name}: {exc.message}"
                    ) from None
            if sorted(element) != names:
                raise invalid(
                    f"Failed to process element: {index} of 'instances' list. JSON object: {quote(element)}"
                    f" keys must be equal to: {','.join(names)}"
                )
        else:
            if is_named(element):
                raise invalid(f"Expecting value/list but got object at item {index} of input list")
            try:
                batch.add(inputs[0].name, element)
            except RequestError as exc:
                raise invalid(
                    f"Failed to process element: {index} of 'instances' list. Error: {exc.code.name}: {exc.message}"
                ) from None
    return batch.arrays(len(instances))


class _Batch:
    """The tensors under construction: leaves, and the shape every further element must have."""

    def __init__(self, inputs: tuple[NamedTensor, ...]) -> None:
        self.dtypes = {spec.name: spec.dtype for spec in inputs}
        self.leaves: dict[str, list[Any]] = {}
        self.shapes: dict[str, list[int]] = {}
        self.sizes: dict[str, int] = {}

    def add(self, name: str, value: Any) -> None:
        if name not in self.dtypes:
            raise invalid(f"JSON object: does not have named input: {name}")
        shape = _shape(value)
        leaves = self.leaves.setdefault(name, [])
        before = len(leaves)
        _fill(value, 0, shape, self.dtypes[name], leaves)
        size = len(leaves) - before
        if name not in self.shapes:
            self.shapes[name], self.sizes[name] = shape, size
        elif self.sizes[name] != size:
            raise invalid(f"Expecting tensor size: {self.sizes[name]} but got: {size}")
        elif self.shapes[name] != shape:
            raise invalid(f"Expecting shape {_text(self.shapes[name])} but got: {_text(shape)}")

    def arrays(self, count: int) -> dict[str, np.ndarray]:
        return {
            name: _array(leaves, self.dtypes[name], [count, *self.shapes[name]]) for name, leaves in self.leaves.items()
        }


def _text(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Any) -> list[int]:
    """The shape the first elements suggest; `_fill` then holds all others against it."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) >= MAX_RANK:
            raise invalid(f"JSON Value: lists are nested too deeply for a tensor, at most {MAX_RANK - 1} levels")
        value = value[0] if value else None
    return shape


def _fill(value: Any, level: int, shape: list[int], dtype: str, leaves: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quote(value)} found at incorrect level: {level + 1}"
                f" in the JSON DOM. Expected at level: {len(shape)}"
            )
        leaves.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, leaves)


def _leaf(value: Any, dtype: str) -> Any:
    if isinstance(value, dict) and dtype == "string":
        return decode_base64(value)
    if isinstance(value, dict) or dtype == "string":
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
    elif dtype in ("float", "double"):
        if type(value) in (int, float):
            return float(value)
    elif dtype in _INT_RANGE:
        low, high = _INT_RANGE[dtype]
        if type(value) is int and low <= value < high:
            return value
    elif dtype == "bool":
        if isinstance(value, bool):
            return value
    else:
        raise RequestError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {quote(value)} to type: {dtype}")
    raise invalid(f"JSON Value: {quote(value)} Type: {type_name(value)} is not of expected type: {dtype}")


def decode_base64(value: dict[str, Any]) -> bytes:
    """The bytes of `{"b64": "<text>"}`. Raises RequestError for any other object and for wrong base64."""
    if not is_base64(value):
        raise invalid(f"JSON Value: {quote(value)} not formatted correctly for base64 data")
    text = "".join(value["b64"].split())
    data = text.rstrip("=.")  # padding may be left out, but where it is there it must be right
    padding = len(text) - len(data)
    if padding not in (0, -len(data) % 4) or len(data) % 4 == 1:
        raise invalid("Unable to base64 decode")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _array(leaves: list[Any], dtype: str, shape: list[int]) -> np.ndarray:
    if dtype == "string":
        array = np.empty(len(leaves), dtype=object)
        array[:] = leaves
    elif dtype in ("int16", "int8", "uint8"):
        array = np.array(leaves, np.int32).astype(_FEED[dtype])
    elif dtype in _FEED:
        with np.errstate(over="ignore"):
            array = np.array(leaves, _FEED[dtype])
    else:  # only an empty tensor comes this far: a value of such a type was refused above
        raise RequestError(Code.UNIMPLEMENTED, f"Conversion of an empty JSON list to type: {dtype}")
    return array.reshape(shape)
