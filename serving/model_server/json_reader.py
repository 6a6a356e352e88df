"""The exact reader of TensorFlow Serving's JSON dialect: what is wrong and where, or the value all the same.

Slow where something is special, a value at a time; what is plain it hands to orjson in pieces.
Source: RapidJSON 1.1.0 include/rapidjson/reader.h and error/en.h.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any

import orjson

from serving.exceptions import RequestError
from serving.model_server.status import invalid, too_late

BOM = b"\xef\xbb\xbf"

MOST_LEVELS = 1_000_000
"""Of nesting; each takes a hundred times the memory of its bracket."""

_SPACE = re.compile(rb"[ \n\r\t]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(rb"\.[0-9]*")
_EXPONENT = re.compile(rb"[eE][+-]?[0-9]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_PLAIN_STRING = rb'"[^"\\]*+"'
_PLAIN_ELEMENT = rb'[^"\[\]{},]++|%b|\[[^"\[\]{}]*+\]|\{(?:[^"\[\]{}]++|%b)*+\}' % (_PLAIN_STRING, _PLAIN_STRING)
_PLAIN_ELEMENTS = re.compile(rb"(?:(?:%b)[ \n\r\t]*+,[ \n\r\t]*+){8,512}+" % _PLAIN_ELEMENT)
"""Numbers, strings, and lists and objects of such; whatever it finds is read by orjson, which is strict."""
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}")
_ESCAPES = {0x22: '"', 0x2F: "/", 0x5C: "\\", 0x62: "\b", 0x66: "\f", 0x6E: "\n", 0x72: "\r", 0x74: "\t"}

EMPTY = "The document is empty."
BAD_VALUE = "Invalid value."
NO_NAME = "Missing a name for object member."
NO_COLON = "Missing a colon after a name of object member."
NO_COMMA_OR_CURLY = "Missing a comma or } after an object member."
NO_COMMA_OR_SQUARE = "Missing a comma or ] after an array element."
BAD_HEX = "Incorrect hex digit after \\u escape in string."
BAD_SURROGATE = "The surrogate pair in string is invalid."
BAD_ESCAPE = "Invalid escape character in string."
NO_QUOTE = "Missing a closing quotation mark in string."
TOO_BIG = "Number too big to be stored in double."
NO_FRACTION = "Miss fraction part in number."
NO_EXPONENT = "Miss exponent in number."


def _whole(text: str) -> int | float:
    """Whole numbers that fit no 64-bit integer are floating point numbers, as in RapidJSON."""
    number = int(text) if len(text) <= 20 else float(text)
    return number if isinstance(number, float) or -(2**63) <= number < 2**64 else float(number)


def _error(text: str, offset: int) -> RequestError:
    return invalid(f"JSON Parse error: {text} at offset: {offset}")


class Reader:
    """One pass over one body; a stack instead of recursion, so that depth costs memory only."""

    def __init__(self, body: bytes, deadline: float | None = None) -> None:
        self.body = body
        self.at = len(BOM) if body.startswith(BOM) else 0
        self._deadline = math.inf if deadline is None else deadline
        self._one_by_one_until = 0

    def _peek(self) -> int:
        return self.body[self.at] if self.at < len(self.body) else 0

    def _skip_space(self) -> None:
        match = _SPACE.match(self.body, self.at)
        self.at = match.end() if match else self.at

    def document(self) -> Any:
        """The first complete value. Raises RequestError for what is wrong, where it is; at the deadline."""
        self._skip_space()
        if self._peek() in b"\x00]},:":
            raise _error(EMPTY, self.at)
        stack: list[tuple[Any, str]] = []  # open containers, with the key they will be stored under
        key = ""
        steps = 0
        while True:
            steps += 1
            if steps % 4096 == 0 and time.monotonic() > self._deadline:
                raise too_late()
            if len(stack) > MOST_LEVELS:
                raise _error(f"Nested more than {MOST_LEVELS} levels deep.", self.at)
            if stack and type(stack[-1][0]) is list and self._read_many(stack[-1][0]):
                if self._peek() in b"\x00]},:":
                    raise _error(BAD_VALUE, self.at)
                continue
            char = self._peek()
            value: Any
            if char == 0x5B:  # [
                self.at += 1
                self._skip_space()
                if self._peek() != 0x5D:
                    stack.append(([], key))
                    if self._peek() in b"\x00},:":
                        raise _error(BAD_VALUE, self.at)
                    continue
                self.at += 1
                value = []
            elif char == 0x7B:  # {
                self.at += 1
                self._skip_space()
                if self._peek() != 0x7D:
                    stack.append(({}, key))
                    key = self._key()
                    continue
                self.at += 1
                value = {}
            else:
                value = self._scalar(char)
            while True:  # the value is complete: store it, and close what it closes
                if not stack:
                    return value
                container, outer_key = stack[-1]
                self._skip_space()
                char = self._peek()
                is_object = type(container) is dict
                if is_object:
                    container.setdefault(key, value)
                else:
                    container.append(value)
                if char == 0x2C:  # ,
                    self.at += 1
                    self._skip_space()
                    if is_object:
                        key = self._key()
                    elif self._peek() in b"\x00]},:":
                        raise _error(BAD_VALUE, self.at)
                    break
                if char != (0x7D if is_object else 0x5D):
                    raise _error(NO_COMMA_OR_CURLY if is_object else NO_COMMA_OR_SQUARE, self.at)
                self.at += 1
                stack.pop()
                value, key = container, outer_key

    def _read_many(self, values: list[Any]) -> bool:
        """Reads plain elements that follow each other in an array at once, each with the comma after it."""
        if self.at < self._one_by_one_until:
            return False
        match = _PLAIN_ELEMENTS.match(self.body, self.at)
        if match is None:
            return False
        text = match.group().rstrip()
        try:
            read = orjson.loads(b"[%b]" % text[:-1])
        except orjson.JSONDecodeError:
            read = None
        if read is None or text.count(b":") != sum(len(item) for item in read if type(item) is dict):
            self._one_by_one_until = match.end()
            return False
        values.extend(read)
        self.at = match.end()
        return True

    def _key(self) -> str:
        if self._peek() != 0x22:
            raise _error(NO_NAME, self.at)
        key = self._string()
        self._skip_space()
        if self._peek() != 0x3A:
            raise _error(NO_COLON, self.at)
        self.at += 1
        self._skip_space()
        if self._peek() in b"\x00]},:":
            raise _error(BAD_VALUE, self.at)
        return key

    def _scalar(self, char: int) -> Any:
        if char == 0x22:
            return self._string()
        for first, word, value in ((0x74, b"true", True), (0x66, b"false", False), (0x6E, b"null", None)):
            if char == first:
                self._word(word)
                return value
        return self._number()

    def _word(self, word: bytes) -> None:
        for expected in word:
            if self._peek() != expected:
                raise _error(BAD_VALUE, self.at)
            self.at += 1

    def _number(self) -> int | float:
        start = self.at
        match = _NUMBER.match(self.body, start)
        if match is None:
            return self._not_finite()
        self.at = match.end()
        is_float = False
        for pattern, missing in ((_FRACTION, NO_FRACTION), (_EXPONENT, NO_EXPONENT)):
            part = pattern.match(self.body, self.at)
            if part is not None:
                is_float = True
                self.at = part.end()
                if not part.group()[-1:].isdigit():
                    raise _error(missing, self.at)
        text = self.body[start : self.at]
        number = float(text) if is_float else _whole(text.decode("ascii"))
        if math.isinf(number):
            raise _error(TOO_BIG, start)
        return number

    def _not_finite(self) -> float:
        negative = self._peek() == 0x2D
        if negative:
            self.at += 1
        for word, value in ((b"NaN", math.nan), (b"Infinity", math.inf), (b"Inf", math.inf)):
            if self.body.startswith(word, self.at):
                self.at += len(word)
                return -value if negative else value
        raise _error(BAD_VALUE, self.at)

    def _string(self) -> str:
        self.at += 1
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.body, self.at)
            if match is not None and match.end() > self.at:
                parts.append(match.group().decode("utf-8", "surrogateescape"))
                self.at = match.end()
            char = self._peek()
            if char == 0x22:
                self.at += 1
                return "".join(parts)
            if char != 0x5C:
                raise _error(NO_QUOTE if char == 0 else BAD_ESCAPE, self.at)
            parts.append(self._escape())

    def _escape(self) -> str:
        start = self.at
        self.at += 2
        char = self.body[start + 1] if start + 1 < len(self.body) else 0
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char != 0x75:  # u
            raise _error(BAD_ESCAPE, start)
        unit = self._hex4(start)
        if 0xD800 <= unit <= 0xDBFF:
            if not self.body.startswith(b"\\u", self.at):
                raise _error(BAD_SURROGATE, start)
            self.at += 2
            low = self._hex4(start)
            if not 0xDC00 <= low <= 0xDFFF:
                raise _error(BAD_SURROGATE, start)
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
        elif 0xDC00 <= unit <= 0xDFFF:  # three bytes, as RapidJSON writes a lone low surrogate
            return chr(unit).encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        return chr(unit)

    def _hex4(self, start: int) -> int:
        match = _HEX4.match(self.body, self.at)
        if match is None:
            raise _error(BAD_HEX, start)
        self.at = match.end()
        return int(match.group(), 16)
