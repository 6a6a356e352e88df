"""TensorProtos to arrays and back, as the gRPC API carries them.

Answers use the typed fields (`float_val`, …) as TensorFlow Serving does, since clients may read them directly.
Source: tensorflow tensorflow/core/framework/tensor.cc, FromProto and AsProtoField.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.exceptions import RequestError
from serving.model_server.status import Code, invalid

MOST_FILLED_BYTES = 256 * 1024 * 1024
"""A proto may give one value for a whole shape; a tensor made this way may have at most this size."""
_MAX_RANK = 64
_MOST_ELEMENTS = 2**63 // 16
"""Of the widest type, so that no size in bytes overflows."""
_WORTH_COPYING = 256
"""Values from which on a copy of the bytes, or TensorFlow's own reader, is quicker than a list."""

# type number -> (numpy type, field of the values, type the field's values have)
_FIELDS: dict[int, tuple[type[np.generic], str, type[np.generic]]] = {
    tf.float32.as_datatype_enum: (np.float32, "float_val", np.float32),
    tf.float64.as_datatype_enum: (np.float64, "double_val", np.float64),
    tf.int32.as_datatype_enum: (np.int32, "int_val", np.int32),
    tf.int16.as_datatype_enum: (np.int16, "int_val", np.int32),
    tf.int8.as_datatype_enum: (np.int8, "int_val", np.int32),
    tf.uint8.as_datatype_enum: (np.uint8, "int_val", np.int32),
    tf.uint16.as_datatype_enum: (np.uint16, "int_val", np.int32),
    tf.int64.as_datatype_enum: (np.int64, "int64_val", np.int64),
    tf.uint32.as_datatype_enum: (np.uint32, "uint32_val", np.uint32),
    tf.uint64.as_datatype_enum: (np.uint64, "uint64_val", np.uint64),
    tf.bool.as_datatype_enum: (np.bool_, "bool_val", np.bool_),
    tf.float16.as_datatype_enum: (np.float16, "half_val", np.int32),
    tf.bfloat16.as_datatype_enum: (tf.bfloat16.as_numpy_dtype, "half_val", np.int32),
    tf.complex64.as_datatype_enum: (np.complex64, "scomplex_val", np.float32),
    tf.complex128.as_datatype_enum: (np.complex128, "dcomplex_val", np.float64),
}
_BY_DTYPE = {np.dtype(dtype): (number, field) for number, (dtype, field, _) in _FIELDS.items()}


# wire types of a serialised message, and how its fields are numbered
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIELD_NUMBER = {name: field.number for name, field in tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name.items()}
_COPIED = {"float_val", "double_val", "scomplex_val", "dcomplex_val"}
"""Fields whose values stand in a message as in an array: copied whole, where a list takes ten times longer.

All others hold varints, of which those below _ONE_BYTE stand there as in an array of bytes.
"""
_ONE_BYTE = 128


def to_array(proto: tensor_pb2.TensorProto, alias: str) -> np.ndarray:
    """The array of one input. Raises RequestError for a proto that is no whole tensor; `alias` names it there."""
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or len(shape) > _MAX_RANK or any(size < 0 for size in shape):
        raise _broken(alias)
    if math.prod(size for size in shape if size) > _MOST_ELEMENTS:  # numpy has no such shape, even with a 0 in it
        raise _broken(alias)
    count = math.prod(shape)
    if proto.dtype == tf.string.as_datatype_enum:
        return _strings(proto, count, shape, alias)
    if proto.dtype not in _FIELDS:
        raise _broken(alias)
    dtype, field, field_dtype = _FIELDS[proto.dtype]
    if proto.tensor_content:
        if len(proto.tensor_content) != count * np.dtype(dtype).itemsize:
            raise _broken(alias)
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    if field not in _COPIED and _WORTH_COPYING <= count == len(getattr(proto, field)):
        read: np.ndarray = tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(proto.dtype)).numpy()
        return read
    values = _values(proto, field, field_dtype)
    if field == "half_val":
        values = values.astype(np.uint16).view(dtype)
    elif field in ("scomplex_val", "dcomplex_val"):
        values = values[: len(values) // 2 * 2].view(dtype)
    else:
        values = values.astype(dtype, copy=False)
    if len(values) == count:
        return values.reshape(shape)
    _check_size(count * values.itemsize, alias)
    filled = np.full(count, values[-1] if len(values) else 0, dtype)
    filled[: len(values)] = values[:count]
    return filled.reshape(shape)


def fill_proto(proto: tensor_pb2.TensorProto, array: np.ndarray, as_content: bool = False) -> None:
    """Makes an empty proto one output: values in the field of their type or (but for strings) as packed bytes."""
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.SetInParent()  # a scalar has a shape too: the empty one
    if array.dtype == object:
        proto.dtype = tf.string.as_datatype_enum
        proto.string_val.extend(array.ravel().tolist())
        return
    proto.dtype, field = _BY_DTYPE[array.dtype]
    if as_content:
        proto.tensor_content = array.tobytes()
        return
    flat = array.ravel()
    if field == "half_val":
        flat = flat.view(np.uint16)
    elif field == "scomplex_val":
        flat = flat.view(np.float32)
    elif field == "dcomplex_val":
        flat = flat.view(np.float64)
    if len(flat) >= _WORTH_COPYING and field not in _COPIED and flat.min() >= 0 and flat.max() < _ONE_BYTE:
        flat = flat.astype(np.uint8)
    elif len(flat) < _WORTH_COPYING or field not in _COPIED:
        getattr(proto, field).extend(flat.tolist())
        return
    proto.MergeFromString(_varint(_FIELD_NUMBER[field] << 3 | _BYTES) + _varint(flat.nbytes) + flat.tobytes())


def _values(proto: tensor_pb2.TensorProto, field: str, dtype: type[np.generic]) -> np.ndarray:
    """The values of a repeated field."""
    values = getattr(proto, field)
    if field not in _COPIED or len(values) < _WORTH_COPYING:
        return np.array(values, dtype)
    # our own serialisation: fields of each number once, and these values packed, whatever the client sent
    data, at = memoryview(proto.SerializeToString()), 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == _VARINT:
            _, at = _read_varint(data, at)
        elif key & 7 == _BYTES:
            length, at = _read_varint(data, at)
            if key >> 3 == _FIELD_NUMBER[field]:
                return np.frombuffer(data[at : at + length], dtype)
            at += length
        elif key & 7 in (_FIXED64, _FIXED32):
            at += 8 if key & 7 == _FIXED64 else 4
        else:  # a group among fields that this version does not know
            break
    return np.array(values, dtype)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _strings(proto: tensor_pb2.TensorProto, count: int, shape: tuple[int, ...], alias: str) -> np.ndarray:
    if proto.tensor_content:  # lengths as varints, then the bytes: tf.make_ndarray does not read it either
        raise _broken(alias)
    values = list(proto.string_val)
    if len(values) != count:
        _check_size(count * 64, alias)
        values = values[:count] + [values[-1] if values else b""] * (count - len(values))
    array = np.empty(count, dtype=object)
    array[:] = values
    return array.reshape(shape)


def _check_size(size: int, alias: str) -> None:
    if size > MOST_FILLED_BYTES:
        raise RequestError(
            Code.RESOURCE_EXHAUSTED,
            f"The shape of input {alias} asks for {size} bytes but carries fewer values; "
            f"at most {MOST_FILLED_BYTES} bytes are filled up.",
        )


def _broken(alias: str) -> RequestError:
    return invalid(f"tensor parsing error: {alias}")
