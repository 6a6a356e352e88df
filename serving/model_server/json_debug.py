"""How a JSON value is quoted inside an error text: indented, arrays on one line, cut at 256 characters.

Source: tensorflow/serving tensorflow_serving/util/json_tensor.cc, JsonValueToDebugString.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

LIMIT = 256


class _FullError(Exception):
    """The limit is reached: nothing more is written."""


def type_name(value: Any) -> str:
    """TensorFlow Serving's word for the type of a JSON value."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, dict):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def quote(value: Any) -> str:
    """The value as text; a token that starts within the limit is written whole, then nothing more."""
    out: list[str] = []
    size = 0

    def put(prefix: str, text: str | None) -> None:
        nonlocal size
        if size >= LIMIT:
            raise _FullError
        whole = prefix + (text or "")
        out.append(whole)
        size += len(whole.encode("utf-8", "surrogateescape"))
        if text is None:
            raise _FullError

    def write(item: Any, prefix: str, level: int) -> None:
        if isinstance(item, dict):
            put(prefix, "{")
            inner = "    " * (level + 1)
            for index, (key, member) in enumerate(item.items()):
                put(",\n" + inner if index else "\n" + inner, json.dumps(key, ensure_ascii=False))
                write(member, ": ", level + 1)
            put("\n" + "    " * level if item else "", "}")
        elif isinstance(item, list):
            put(prefix, "[")
            for index, member in enumerate(item):
                write(member, ", " if index else "", level + 1)
            put("", "]")
        else:
            put(prefix, _scalar(item))

    with suppress(_FullError):
        write(value, "", 0)
    return "".join(out)


def _scalar(value: Any) -> str | None:
    """The token of a scalar; None for NaN and infinities, which the quoting writer cannot express."""
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return None
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    power = int(exponent)
    if 0 <= power < 21:
        return f"{value:.1f}"
    return f"{mantissa.removesuffix('.0')}e{power}"
