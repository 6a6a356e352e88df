"""TensorFlow Serving's file of batching parameters: a BatchingParameters message as text.

Source: tensorflow/serving tensorflow_serving/servables/tensorflow/session_bundle_config.proto; the defaults are those
of tensorflow/core/kernels/batching_util/shared_batch_scheduler.h. The generated code of the message is in no package,
so it is described here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from lakeloop.errors import NotFound, WrongUse

_WRAPPED = {
    "max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3, "num_batch_threads": 4,
}  # fmt: skip
_IGNORED = {"thread_pool_name": (5, "StringValue"), "max_execution_batch_size": (9, "Int64Value")}
_SPLITTING = ("enable_large_batch_splitting", 8)


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are put together.

    A batch has at most `max_batch_size` rows, waits `timeout_seconds` at most to be filled, and for one of `threads`
    runs of its signature to end; at most `max_enqueued_batches` wait. Its size is filled up to one of `allowed_sizes`
    if there are any; rows of different lengths are filled up with zeros if `pad` says so.
    """

    max_batch_size: int = 1000
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = os.cpu_count() or 1
    allowed_sizes: tuple[int, ...] = ()
    pad: bool = False


def read_batching_parameters(file: Path) -> BatchingParameters:
    """The parameters of a file. Raises NotFound, WrongUse."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise NotFound(f"The batching parameters {file} cannot be read: {exc}.") from None
    message = _message_class()()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as exc:
        raise WrongUse(
            f"{file} holds no batching parameters, line:column {exc}. It looks like max_batch_size {{ value: 128 }}"
        ) from None
    if message.HasField(_SPLITTING[0]) and message.enable_large_batch_splitting.value:
        raise WrongUse(f"{file}: enable_large_batch_splitting is not supported; requests over max_batch_size fail.")
    given = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}
    for name, value in given.items():
        if value < (0 if name == "batch_timeout_micros" else 1):
            raise WrongUse(f"{file}: {name} must be positive, not {value}.")
    allowed, most = tuple(message.allowed_batch_sizes), given.get("max_batch_size", BatchingParameters.max_batch_size)
    if allowed and (list(allowed) != sorted(set(allowed)) or allowed[0] < 1 or allowed[-1] != most):
        raise WrongUse(
            f"{file}: allowed_batch_sizes must rise and end with max_batch_size, {most}; they are {list(allowed)}."
        )
    return BatchingParameters(
        max_batch_size=most,
        timeout_seconds=given.get("batch_timeout_micros", 0) / 1e6,
        max_enqueued_batches=given.get("max_enqueued_batches", BatchingParameters.max_enqueued_batches),
        threads=given.get("num_batch_threads", BatchingParameters.threads),
        allowed_sizes=allowed,
        pad=message.pad_variable_length_inputs,
    )


def _message_class() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    described = descriptor_pb2.FileDescriptorProto(
        name="batching_parameters.proto", package="lakeloop.serving", syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )  # fmt: skip
    message = described.message_type.add(name="BatchingParameters")
    wrapped = {name: (number, "Int64Value") for name, number in _WRAPPED.items()}
    for name, (number, kind) in {**wrapped, **_IGNORED, _SPLITTING[0]: (_SPLITTING[1], "BoolValue")}.items():
        message.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, type_name=f".google.protobuf.{kind}",
            label=field.LABEL_OPTIONAL,
        )  # fmt: skip
    message.field.add(name="allowed_batch_sizes", number=6, type=field.TYPE_INT64, label=field.LABEL_REPEATED)
    message.field.add(name="pad_variable_length_inputs", number=7, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(described.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lakeloop.serving.BatchingParameters"))
