"""Reads a contract's YAML and names every mistake in it at once, each with its line."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakeloop.contract import Contract
from lakeloop.contract.production import CONDITION
from lakeloop.errors import ContractError

Location = tuple[int | str, ...]


def load_contract(path: Path) -> Contract:
    """The contract at `path`, checked as a whole.

    Raises:
        ContractError: naming every mistake with line, key, what was found and what is allowed.
    """
    lines, raw = _read(path)
    problems: list[tuple[Location, str]] = list(_cross_checks(raw))
    contract = None
    try:
        contract = Contract.model_validate(_sequences_as_tuples(raw))
    except ValidationError as error:
        problems += [(tuple(e["loc"]), _sentence(e)) for e in error.errors()]
    if contract is not None and contract.fallback is not None:
        problems += _rules_file_problems(path, contract.fallback.rules)
    if contract is not None and contract.generator and not (path.parent / contract.generator).is_file():
        problems.append((("generator",), f"{path.parent / contract.generator} does not exist"))
    if contract is not None:
        problems += _translation_problems(contract)
    if problems or contract is None:
        located = sorted({(_line_of(lines, loc), _spell(loc), text) for loc, text in problems})
        raise ContractError(path, [f"line {line}, {key}: {text}" for line, key, text in located])
    return contract


def _read(path: Path) -> tuple[dict[Location, int], dict[str, Any]]:
    """The document and, for each key path in it, its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = sorted(p.parent.name for p in path.parent.parent.glob("*/contract.yaml"))
        there = f"; use cases there: {', '.join(known)}" if known else ""
        raise ContractError(path, [f"line 0: the file does not exist{there}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(path, [f"line 0: cannot be read as UTF-8 text ({error})"]) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ContractError(path, [f"line {line}: not valid YAML: {error.problem or error}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ContractError(path, [f"line 1: not valid YAML: {error}"]) from None
    if not isinstance(document, dict):
        raise ContractError(path, ["line 1: a contract is a mapping of keys to values; this file is not"])
    lines: dict[Location, int] = {(): 1}
    doubles: list[str] = []
    if root is not None:
        _index(root, (), lines, doubles)
    if doubles:
        raise ContractError(path, doubles)
    return lines, document


def _index(node: yaml.Node, at: Location, lines: dict[Location, int], doubles: list[str]) -> None:
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, key.value)
            line = key.start_mark.line + 1
            if inner in lines:
                doubles.append(f"line {line}, {_spell(inner)}: stands twice (first in line {lines[inner]}); keep one")
            _index(value, inner, lines, doubles)
            lines[inner] = line
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _index(value, (*at, position), lines, doubles)


def _line_of(lines: dict[Location, int], loc: Location) -> int:
    """The line of the key itself or, where it is missing, of what should hold it."""
    while loc not in lines:
        loc = loc[:-1]
    return lines[loc]


def _spell(loc: Location) -> str:
    return ".".join(map(str, loc)) or "contract"


def _sequences_as_tuples(value: Any) -> Any:
    """YAML has lists only; strict pydantic wants tuples where the model says tuple."""
    if isinstance(value, dict):
        return {k: _sequences_as_tuples(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(_sequences_as_tuples(v) for v in value)
    return value


def _sentence(error: ErrorDetails) -> str:
    """One pydantic error as a sentence: what was found, what is allowed, how to mend it."""
    kind, context, found = error["type"], error.get("ctx", {}), error["input"]
    if kind == "contract":
        return str(context["text"])
    if kind == "missing":
        return f"is missing; add `{error['loc'][-1]}: …`"
    if kind == "extra_forbidden":
        return _unknown_key(tuple(error["loc"]))
    if kind == "literal_error":
        return f"is {found!r}; allowed: {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"is {found!r}; it must match {context['pattern']}"
    return f"is {found!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _unknown_key(loc: Location) -> str:
    section: Any = Contract
    for part in loc[:-1]:
        section = _inner_section(section, part)
    allowed = list(section.model_fields) if section else []
    close = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else f"; allowed: {', '.join(allowed)}"
    return f"is not a key of a contract{hint}"


def _inner_section(section: Any, part: int | str) -> Any:
    """The model class one step down; dict keys and list positions stay at their value's class."""
    if not section or not isinstance(part, str) or part not in section.model_fields:
        return section
    found = [section.model_fields[part].annotation]
    while found:
        candidate = found.pop()
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
        found += get_args(candidate)
    return None


def _names(raw: dict[str, Any], *path: str) -> list[str]:
    """Keys of a mapping or items of a list deep in the raw document; [] where it is not as expected."""
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return [str(v) for v in value] if isinstance(value, dict | list) else []


def _text(raw: dict[str, Any], *path: str) -> str:
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _cross_checks(raw: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Mistakes that span sections. They read the raw document, so they are found beside all others."""
    key, event = _text(raw, "key", "column"), _text(raw, "event_time", "column")
    features, sources = _names(raw, "features"), _names(raw, "sources")
    label, truth, truth_source = (_text(raw, "label", k) for k in ("name", "column", "source"))
    known = {*features, key, event, truth}
    columns = {source: _names(raw, "sources", source, "columns") for source in sources}
    for source, names in columns.items():
        at: Location = ("sources", source, "columns")
        if key and key not in names:
            yield at, f"the key `{key}` is missing; every source must deliver it"
        for position, name in enumerate(names):
            if name not in known:
                yield (
                    (*at, position),
                    f"`{name}` is neither key, event time, feature nor ground truth; describe it",
                )
    holders = [source for source, names in columns.items() if event in names]
    if sources and event and len(holders) != 1:
        yield (
            ("event_time", "column"),
            f"`{event}` must be a column of exactly one source; it is in {holders or 'none'}",
        )
    for feature in features:
        if len(holders) == 1 and feature not in columns[holders[0]]:
            yield (
                ("features", feature),
                f"is not a column of source `{holders[0]}`, which has the event time; add it",
            )
    if truth_source and truth_source not in sources:
        yield ("label", "source"), f"is '{truth_source}'; allowed: {', '.join(sources)}"
    elif truth and truth_source and truth not in columns[truth_source]:
        yield ("label", "column"), f"`{truth}` is not a column of source `{truth_source}`; add it there"
    if label and label in {*features, key, event, truth, f"{truth}_name"}:
        yield ("label", "name"), f"'{label}' is the name of another column; choose another"
    if truth and truth in features:
        yield ("label", "column"), f"`{truth}` is also a feature: the model would be told the answer"
    for name in _names(raw, "fallback", "ranges"):
        if name not in features:
            yield ("fallback", "ranges", name), f"is not a feature; features: {', '.join(features)}"
    for position, text in enumerate(_names(raw, "fallback", "segments")):
        for name in (m[1] for m in map(CONDITION.match, str(text).split(" and ")) if m and m[1] not in features):
            yield ("fallback", "segments", position), f"`{name}` is not a feature; features: {', '.join(features)}"
    for position, name in enumerate(_names(raw, "slices")):
        if name not in features:
            yield ("slices", position), f"'{name}' is not a feature; features: {', '.join(features)}"


def _translation_problems(contract: Contract) -> Iterator[tuple[Location, str]]:
    """Translations of what the contract does not say (any more)."""
    for language, translated in contract.translations.items():
        for text in translated:
            if text not in contract.words:
                close = difflib.get_close_matches(text, contract.words, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "it must be the contract's own wording"
                yield ("translations", language, text), f"no text of the client page; {hint}"


def _rules_file_problems(path: Path, rules: str) -> list[tuple[Location, str]]:
    file, function = rules.split(":")
    rules_path = path.parent / file
    if not rules_path.is_file():
        return [(("fallback", "rules"), f"{rules_path} does not exist")]
    if f"def {function}(" not in rules_path.read_text(encoding="utf-8"):
        return [(("fallback", "rules"), f"{rules_path} has no function `{function}`")]
    return []
