"""The process that a use case's own code runs in at the gateway: `python -m serving.gateway.own_functions DESCRIPTOR`.

The descriptor is a socket. First comes what is wanted of which files, answered function by function; then calls, so
many at a time, with what they gave in the same order. It imports the standard library and that code alone, and ends
when the gateway does.
"""

import ctypes
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from numbers import Real
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lakeloop.exceptions import OwnCodeError, OwnCodeTooSlowError
from lakeloop.own_code import Foreign, Known, code_sha256, derived_by, failure_of, line_of, load_derived, load_function

RULES = ""
"""What the rules are called: features have a name."""
MOST_NAMES = 1000
"""Of an answer of rules, so that one which never ends does."""
LONGEST_SHOWN = 200
_HEAD = struct.Struct("!I")
HEAD_BYTES = _HEAD.size
_PR_SET_PDEATHSIG = 1
_PLAIN = (type(None), bool, int, float, str, Decimal, date)


class Wanted(NamedTuple):
    """A function of a file: that of a derived feature with what it is made of, or the rules, which get a row."""

    path: Path
    function: str
    inputs: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """What it is called by."""
        return RULES if self.inputs is None else self.function


Question = tuple[str, Mapping[str, Any]]
"""What is called, and with what."""


class _Function(NamedTuple):
    """A function of a file; called, it gives a plain value, or an OwnCodeError."""

    path: Path
    called: Callable[[Mapping[str, Any]], Any]


class _LateError(BaseException):
    """The time is up; no `except Exception` of others' code holds it back."""


def framed(value: Any) -> bytes:
    """A value as it goes over the socket: how long it is, and it."""
    content = pickle.dumps(value)
    return _HEAD.pack(len(content)) + content


def length_of(head: bytes) -> int | None:
    """How many bytes follow a frame's head; None where that has not come as a whole yet."""
    return int(_HEAD.unpack_from(head)[0]) if len(head) >= HEAD_BYTES else None


def read(connection: socket.socket) -> Any:
    """The next value of a socket that blocks.

    Raises:
        EOFError: nothing comes any more.
    """
    length = length_of(_received(connection, HEAD_BYTES))
    assert length is not None
    return pickle.loads(_received(connection, length))


def main() -> int:
    """Answer until the gateway is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGALRM, _late)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            seconds, wanted = read(connection)
            functions: dict[str, _Function] = {}
            for one in wanted:
                found, functions[one.name] = _loaded(one)
                connection.sendall(framed(found))
            while True:
                connection.sendall(framed(_answers(functions, read(connection), seconds)))
        except (EOFError, ConnectionError):
            return 0


def _received(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _loaded(wanted: Wanted) -> tuple[Known | OwnCodeError, _Function]:
    """What is known of a function, and the function."""
    path = wanted.path
    try:
        if wanted.inputs is not None:
            function, known = load_derived(path, wanted.function, wanted.inputs)
            return known, _Function(path, lambda given: _plain(derived_by(function, path, given)))
        rules = load_function(path, wanted.function)
        return Known(line_of(rules), frozenset(), code_sha256(path)), _Function(
            path, lambda row: _ruled(rules, path, row)
        )
    except OwnCodeError as error:
        return error, _Function(path, lambda _: None)


def _answers(
    functions: Mapping[str, _Function], questions: Sequence[Question], seconds: float
) -> list[Any] | OwnCodeTooSlowError:
    """What each call gives; where all of them together take too long, where that was."""
    found: list[Any] = []
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        for name, given in questions:
            found.append(functions[name].called(given))
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _LateError as late:
        if len(found) < len(questions):
            name, _ = questions[len(found)]
            where = failure_of(late, functions[name].path)
            return OwnCodeTooSlowError(where.file, where.line, f"it took longer than {seconds * 1000:.0f} ms")
    return found


def _ruled(rules: Callable[[Mapping[str, Any]], Any], path: Path, row: Mapping[str, Any]) -> Any:
    """What rules answer, names of several labels as a list."""
    try:
        answered = rules(row)
        if isinstance(answered, Iterable) and not isinstance(answered, str) and getattr(answered, "shape", None) != ():
            return [_plain(one) for one in islice(answered, MOST_NAMES)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever others' code raises is told as theirs
        return failure_of(error, path)
    return _plain(answered)


def _plain(value: Any) -> Any:
    """The same in types that the gateway has, too: what own code makes may be of any library, or of its own."""
    if type(value) in _PLAIN or isinstance(value, OwnCodeError):
        return value
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    try:
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, datetime):
            moment = datetime.combine(date(value.year, value.month, value.day), value.time(), value.tzinfo)
            return moment if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, date):
            return date(value.year, value.month, value.day)
        if isinstance(value, bool | int):
            return value if isinstance(value, bool) else int(value)
        if isinstance(value, Decimal):
            return Decimal(value)
        if isinstance(value, Real):
            return float(value)
    except (ArithmeticError, TypeError, ValueError):
        pass  # pandas' NaT is a datetime without a year
    return Foreign(type(value).__name__, repr(value)[:LONGEST_SHOWN])


def _late(number: int, frame: FrameType | None) -> None:
    raise _LateError


if __name__ == "__main__":
    sys.exit(main())
