"""The outcome of a request: TensorFlow's canonical error codes, their names and their HTTP status.

Source of the HTTP mapping: tensorflow/serving tensorflow_serving/model_servers/http_server.cc.
"""

from __future__ import annotations

from enum import IntEnum

from serving.exceptions import RequestError


class Code(IntEnum):
    """Canonical codes, numbered as in tensorflow/core/protobuf/error_codes.proto."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS: dict[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


def invalid(message: str) -> RequestError:
    """The most common error: something the client can mend."""
    return RequestError(Code.INVALID_ARGUMENT, message)


def too_late() -> RequestError:
    """What a request is answered that was not done at its deadline, in TensorFlow's words."""
    return RequestError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def code_of(number: int) -> Code:
    """The canonical code with this number; UNKNOWN for numbers that TensorFlow does not define."""
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN
