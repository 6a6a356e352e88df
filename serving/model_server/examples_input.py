"""Classify and regress requests to serialised tf.Examples: JSON `examples`, with or without a common `context`.

Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc, FillClassifyRegressRequestFromJson, and
tensorflow_serving/servables/tensorflow/util.cc, InputToSerializedExampleTensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorflow.core.example import example_pb2, feature_pb2

from serving.exceptions import RequestError
from serving.model_server.json_debug import quote, type_name
from serving.model_server.status import invalid
from serving.model_server.tensor_input_exact import decode_base64, is_base64

LARGEST_INT64 = 2**63 - 1

_KIND_WORDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64", None: "UNKNOWN"}


def read_examples(document: dict[str, Any]) -> list[bytes]:
    """The serialised tf.Examples of a request, each with the context merged in. Raises RequestError."""
    context = _example(document["context"]) if "context" in document else b""
    if "examples" not in document:
        raise invalid(
            f"JSON Value: {quote(document)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {quote(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {quote(document)} 'examples' value is an empty array")
    return with_context(context, map(_example, examples))


def with_context(context: bytes, examples: Iterable[bytes]) -> list[bytes]:
    """Serialised messages joined end to end are merged; a feature of the example replaces the context's."""
    return [context + example for example in examples]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        feature = feature_pb2.Feature()
        for item in content if isinstance(content, list) else [content]:
            _add(item, name, feature)
        try:
            example.features.feature[name].CopyFrom(feature)
        except UnicodeEncodeError:
            raise invalid(f"Feature: {quote(name)} has a name that is not UTF-8.") from None
    data: bytes = example.SerializeToString()
    return data


def _add(value: Any, name: str, feature: feature_pb2.Feature) -> None:
    if isinstance(value, bool):
        _of_kind("int64_list", name, feature)
        feature.int64_list.value.append(int(value))
    elif isinstance(value, int):
        _of_kind("int64_list", name, feature)
        if value > LARGEST_INT64:
            raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        feature.int64_list.value.append(value)
    elif isinstance(value, float):
        _of_kind("float_list", name, feature)
        feature.float_list.value.append(value)
    elif isinstance(value, str):
        _of_kind("bytes_list", name, feature)
        feature.bytes_list.value.append(value.encode("utf-8", "surrogateescape"))
    elif is_base64(value):
        _of_kind("bytes_list", name, feature)
        feature.bytes_list.value.append(decode_base64(value))
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")


def _of_kind(kind: str, name: str, feature: feature_pb2.Feature) -> None:
    """One feature holds values of one type: that of its first value."""
    there = feature.WhichOneof("kind")
    if there not in (None, kind):
        raise _unexpected(name, there)


def _unexpected(name: str, kind: str | None) -> RequestError:
    return invalid(f"Unexpected element type in feature: {name} expecting type: {_KIND_WORDS[kind]}")
