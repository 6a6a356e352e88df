"""TensorFlow Serving's small configuration files: messages as text, whose generated code is in no package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from lakeloop.exceptions import NotFoundError, WrongUseError

_PACKAGE = "lakeloop.serving"
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {"string": _FIELD.TYPE_STRING, "bool": _FIELD.TYPE_BOOL, "int64": _FIELD.TYPE_INT64}

Fields = Mapping[str, tuple[int, str]]
"""Name -> (number, type): `string`, `bool`, `int64`, `repeated int64`, or a message's full name with a leading dot."""


def read_text(file: Path, messages: Mapping[str, Fields], what: str, example: str) -> Any:
    """The message in a file, which is the last one described. Raises NotFoundError, WrongUseError; both name `what`.

    `.lakeloop.serving.NAME` is the full name of a message described before.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise NotFoundError(f"The {what} {file} cannot be read: {exc}.") from None
    message = _message_class(messages)()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as exc:
        raise WrongUseError(f"{file} holds no {what}, line:column {exc}. It looks like {example}") from None
    return message


def _message_class(messages: Mapping[str, Fields]) -> Any:
    described = descriptor_pb2.FileDescriptorProto(
        name=f"{list(messages)[-1]}.proto", package=_PACKAGE, syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )  # fmt: skip
    for name, fields in messages.items():
        message = described.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            words = kind.split()
            label = _FIELD.LABEL_REPEATED if len(words) > 1 else _FIELD.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if words[-1].startswith("."):
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, words[-1]
            else:
                added.type = _TYPES[words[-1]]
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(described.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{list(messages)[-1]}"))
