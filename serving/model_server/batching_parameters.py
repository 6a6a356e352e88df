"""TensorFlow Serving's file of batching parameters: a BatchingParameters message as text.

Source: tensorflow/serving tensorflow_serving/servables/tensorflow/session_bundle_config.proto; the defaults are those
of tensorflow/core/kernels/batching_util/shared_batch_scheduler.h.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lakeloop.exceptions import WrongUseError
from serving.model_server.text_messages import read_text

_WRAPPED = {
    "max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3, "num_batch_threads": 4,
    "max_execution_batch_size": 9,
}  # fmt: skip
_MESSAGE = {
    "BatchingParameters": {
        **{name: (number, ".google.protobuf.Int64Value") for name, number in _WRAPPED.items()},
        "thread_pool_name": (5, ".google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, ".google.protobuf.BoolValue"),
    }
}


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are put together.

    A request has at most `max_batch_size` rows, a batch `max_execution_size`: a larger request is part of several. A
    batch waits `timeout_seconds` at most to be filled, and for one of `threads`
    runs of its signature to end; at most `max_enqueued_batches` wait. Its size is filled up to one of `allowed_sizes`
    if there are any; rows of different lengths are filled up with zeros if `pad` says so.
    """

    max_batch_size: int = 1000
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = os.cpu_count() or 1
    allowed_sizes: tuple[int, ...] = ()
    pad: bool = False
    max_execution_size: int = 1000


def read_batching_parameters(file: Path) -> BatchingParameters:
    """The parameters of a file. Raises NotFoundError, WrongUseError."""
    message = read_text(file, _MESSAGE, "batching parameters", "max_batch_size { value: 128 }")
    given = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}
    for name, value in given.items():
        if value < (0 if name == "batch_timeout_micros" else 1):
            raise WrongUseError(f"{file}: {name} must be positive, not {value}.")
    allowed, most = tuple(message.allowed_batch_sizes), given.get("max_batch_size", BatchingParameters.max_batch_size)
    run_at_once = most
    if message.enable_large_batch_splitting.value:
        run_at_once = given.get("max_execution_batch_size", most)
    if run_at_once > most:
        raise WrongUseError(f"{file}: max_execution_batch_size, {run_at_once}, is larger than max_batch_size, {most}.")
    if allowed and (list(allowed) != sorted(set(allowed)) or allowed[0] < 1 or allowed[-1] != most):
        raise WrongUseError(
            f"{file}: allowed_batch_sizes must rise and end with max_batch_size, {most}; they are {list(allowed)}."
        )
    return BatchingParameters(
        max_batch_size=most,
        timeout_seconds=given.get("batch_timeout_micros", 0) / 1e6,
        max_enqueued_batches=given.get("max_enqueued_batches", BatchingParameters.max_enqueued_batches),
        threads=given.get("num_batch_threads", BatchingParameters.threads),
        allowed_sizes=allowed,
        pad=message.pad_variable_length_inputs,
        max_execution_size=run_at_once,
    )
