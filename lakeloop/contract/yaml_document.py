"""A contract's YAML as plain values, with the line of every key and the very text of every value."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lakeloop.exceptions import ContractError

Location = tuple[int | str, ...]
OCTAL_OR_BASE_60 = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+)")
"""What YAML 1.1 takes for a whole number though nobody would: 010 is 8, 1:30 is 90."""

BOOL, TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast."""


@dataclass
class YamlDocument:
    """`lines` and `texts` are by key path; `texts` has what stands there without quotes."""

    values: dict[str, Any]
    lines: dict[Location, int] = field(default_factory=lambda: {(): 1})
    texts: dict[Location, str] = field(default_factory=dict)

    def line_of(self, loc: Location) -> int:
        """The line of the key itself or, where it is missing, of what should hold it."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]

    def value_at(self, loc: Location) -> Any:
        """What YAML reads at a key path; keys are found by their text, as `null` that is none."""
        value: Any = self.values
        for part in loc:
            if isinstance(value, dict):
                value = next((inner for key, inner in value.items() if _is_key(key, part)), None)
            elif isinstance(value, list):
                value = value[int(part)]
            else:
                return None
        return value


def _is_key(key: Any, text: int | str) -> bool:
    return key == text or str(key) == text or (not isinstance(key, str) and yaml.safe_load(str(text)) == key)


def read_document(path: Path) -> YamlDocument:
    """The document at `path`.

    Raises:
        ContractError: the file is missing, is no YAML, no mapping, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractError(path, ["the file does not exist"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(path, [f"cannot be read as UTF-8 text ({error})"]) from None
    document, doubles = YamlDocument({}), list[str]()
    try:
        loader = LOADER(text)
        root = loader.get_single_node()
        if root is not None:  # before values are made of it, which writes merged mappings (`<<`) into the nodes
            _index(root, (), document, doubles)
        values = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(path, [f"line {line}: not valid YAML: {error.problem or error}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ContractError(path, [f"line 1: not valid YAML: {error}"]) from None
    if not isinstance(values, dict):
        raise ContractError(path, ["line 1: a contract is a mapping of keys to values; this file is not"])
    if doubles:
        raise ContractError(path, doubles)
    document.values = values
    return document


def spelled(loc: Location) -> str:
    """A key path as the user would write it."""
    return ".".join(map(str, loc)) or "contract"


def _index(node: yaml.Node, at: Location, document: YamlDocument, doubles: list[str]) -> None:
    lines = document.lines
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag == BOOL:  # `on:` is a key, and no truth value
                key.tag = TEXT
            inner = (*at, key.value)
            line = key.start_mark.line + 1
            if inner in lines:
                doubles.append(f"line {line}, {spelled(inner)}: stands twice (first in line {lines[inner]}); keep one")
            _index(value, inner, document, doubles)
            lines[inner] = line
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _index(value, (*at, position), document, doubles)
    elif isinstance(node, yaml.ScalarNode) and not node.style:
        document.texts[at] = node.value
