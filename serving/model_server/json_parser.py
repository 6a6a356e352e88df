"""JSON text to Python values, with the dialect and the error texts of TensorFlow Serving's REST API.

The dialect is RapidJSON 1.1.0's with the flags used there: `NaN`, `Infinity`, `Inf` are numbers, nesting
is unlimited, what follows the first complete value is ignored, bytes of strings need not be UTF-8, and of
members with one name the first counts. orjson reads nearly every real request, with stand-ins for the numbers
it does not know; what it refuses goes through the exact, slower reader in `json_reader`.
"""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from serving.model_server.json_reader import BOM, Reader
from serving.model_server.status import invalid

_NOT_FINITE = re.compile(rb"NaN|Inf(?:inity)?")
_BEFORE = b"[,: \n\r\t-"
_AFTERS = frozenset((b",", b"]", b"}", b" ", b"\n", b"\r", b"\t"))
_NAN, _INFINITY = b"8.13272650416397e-301", b"8.13272650416397e-302"
_STANDS_FOR = {
    float(_NAN): math.nan, -float(_NAN): math.nan, float(_INFINITY): math.inf, -float(_INFINITY): -math.inf,
}  # fmt: skip
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def parse(body: bytes, deadline: float | None = None) -> Any:
    """The value the body holds, the same for bodies of any size.

    Raises RequestError with TensorFlow Serving's `JSON Parse error: …`, or at the deadline (of time.monotonic).
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    text = body[len(BOM) :] if body.startswith(BOM) else body
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = _with_stand_ins(text)
    if document is not None and _names_each_member_once(text, document):
        return document
    return Reader(body, deadline).document()


def _names_each_member_once(text: bytes, document: Any) -> bool:
    """Whether no object of a document, which orjson read from the text, names a member twice.

    Each member has one colon: as many colons as members are the proof, and all that most requests need.
    """
    colons = text.count(b":")
    if not isinstance(document, dict):
        return colons == 0 or _STRING.sub(b"", text).count(b":") == _count_members(document)
    members = len(document)
    for value in document.values():
        if type(value) is list and set(map(type, value)) == {dict}:
            members += sum(map(len, value))
    return colons == members or _STRING.sub(b"", text).count(b":") == _count_members(document)


def _count_members(document: Any) -> int:
    count, containers = 0, [document]
    while containers:
        container = containers.pop()
        if type(container) is dict:
            count += len(container)
            container = list(container.values())
        if type(container) is list and not {dict, list}.isdisjoint(map(type, container)):
            containers.extend(item for item in container if type(item) in (dict, list))
    return count


def _with_stand_ins(text: bytes) -> Any:
    """The document, read with other numbers for those that are not finite; None if it is not that alone."""
    count = 0

    def stand_in(match: re.Match[bytes]) -> bytes:
        nonlocal count
        start, end = match.span()
        if text[max(start - 1, 0)] not in _BEFORE or text[end : end + 1] not in _AFTERS:
            return match[0]  # part of a string
        count += 1
        return _NAN if match[0] == b"NaN" else _INFINITY

    replaced = _NOT_FINITE.sub(stand_in, text)
    if not count:
        return None
    try:
        document = orjson.loads(replaced)
    except orjson.JSONDecodeError:
        return None
    # a string that looks like them was changed, or they were there before: then the numbers do not agree
    return document if _put_back(document) == count else None


def _put_back(document: Any) -> int:
    """Puts the numbers that are not finite in the place of what stands for them; how many there were."""
    count, containers = 0, [document]
    while containers:
        container = containers.pop()
        items: Any = container.items() if type(container) is dict else enumerate(container)
        for key, value in items:
            kind = type(value)
            if kind is float:
                if value in _STANDS_FOR:
                    container[key] = _STANDS_FOR[value]
                    count += 1
            elif kind is list or kind is dict:
                containers.append(value)
    return count
