"""Writes a contract as YAML for people: values on one line, comments and lists within the width of a page."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from lakeloop.contract.yaml_document import LOADER

WIDTH = 118


@cache
def is_yaml_text(text: str) -> bool:
    """Whether YAML takes a text without quotes for that very text: of `no`, `1e3` or `2024-01-01` it makes others."""
    return bool(yaml.load(text, Loader=LOADER) == text)


def scalar(value: Any) -> str:
    """A value as YAML, on one line and so that YAML reads the same."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if isinstance(value, float) and "." not in repr(value):  # YAML takes 5e+29 for a text
        return repr(value).replace("e", ".0e")
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value and value == value.strip() and not set(value) & set(",[]{}#&*!|>'\"%@`\n:")
    return (
        value
        if plain and is_yaml_text(value) and not value.startswith(("-", "?"))
        else json.dumps(value, ensure_ascii=False)
    )


def comment_lines(text: str, indent: str) -> Iterator[str]:
    """A text as comment lines."""
    words, line = text.split(), f"{indent}#"
    for word in words:
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = f"{indent}#  "
        line += f" {word}"
    yield line


def wrapped(before: str, items: list[str], after: str) -> Iterator[str]:
    """Items one behind the other, on as many lines as they take."""
    line, indent = before, " " * len(before)
    for place, item in enumerate(items):
        piece = item + (", " if place < len(items) - 1 else after)
        if len(line) + len(piece) > WIDTH and line.strip():
            yield line.rstrip()
            line = indent
        line += piece
    yield line
