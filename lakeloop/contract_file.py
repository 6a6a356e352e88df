"""Reads a contract's YAML and names every mistake in it at once, each with its line."""

import difflib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakeloop.contract import MODEL_KINDS, Contract
from lakeloop.contract.cross_checks import cross_checks
from lakeloop.contract.decision_threshold import nearest
from lakeloop.contract.elsewhere import FETCH_FUNCTION
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.model import NO_KIND
from lakeloop.contract.place import SHAPES_FILE
from lakeloop.contract.production import RULES
from lakeloop.contract.section import BROKERS, NAME, PYTHON_FILE, TOPIC, UNQUOTED, sequences_as_tuples, some
from lakeloop.contract.yaml_document import OCTAL_OR_BASE_60, Location, YamlDocument, read_document, spelled
from lakeloop.exceptions import ContractError
from lakeloop.own_code import function_problem

MEANT = {
    NAME: "a name is of lower-case letters, digits and `_`, and begins with a letter, such as `braking_distance`",
    RULES: "write FILE.py:FUNCTION, a file beside the contract and a function in it, such as `rules.py:answer`",
    TOPIC: "write a topic's name, of letters, digits, dots, _ and -",
    BROKERS: "write HOST:PORT, more of them behind commas",
    PYTHON_FILE: "write the name of a Python file beside the contract, such as `generator.py`",
    SHAPES_FILE: "write the name of a GeoJSON file, such as `districts.geojson`",
}
"""What the patterns of a contract's texts stand for."""


def load_contract(path: Path) -> Contract:
    """The contract at `path`, checked as a whole.

    Raises:
        ContractError: naming every mistake with line, key, what was found and what is allowed.
    """
    document = read_document(path)
    problems: list[tuple[Location, str]] = [*cross_checks(document.values), *_misread_numbers(document)]
    contract = None
    try:
        contract = Contract.model_validate(sequences_as_tuples(document.values))
    except ValidationError as error:
        problems += _sentences(error.errors(), document)
    if contract is not None and contract.fallback is not None:
        problems += _rules_file_problems(path, contract.fallback.rules)
    if contract is not None and contract.generator and not (path.parent / contract.generator).is_file():
        problems.append((("generator",), f"{path.parent / contract.generator} does not exist"))
    if contract is not None:
        problems += _translation_problems(contract)
        problems += _fetch_file_problems(path, contract)
        problems += _features_file_problems(path, contract)
    if problems or contract is None:
        located = sorted({(document.line_of(loc), spelled(loc), text) for loc, text in problems})
        raise ContractError(path, [f"line {line}, {key}: {text}" for line, key, text in located])
    return contract


def _sentences(errors: list[ErrorDetails], document: YamlDocument) -> Iterator[tuple[Location, str]]:
    """A sentence a mistake; those of one list that are all alike, as where a hundred texts lack quotes, are one."""
    unquoted: dict[Location, list[Location]] = {}
    for error in errors:
        loc = _place(error)
        if positions := error.get("ctx", {}).get("positions"):  # of a column's `values`
            unquoted[*loc, "values"] = [(*loc, "values", position) for position in positions]
        elif places := error.get("ctx", {}).get("places"):  # of a label's classes
            unquoted |= {(*loc, *place): [(*loc, *place)] for place in places}
        elif error["type"] in (UNQUOTED, "string_type") and loc in document.texts and isinstance(loc[-1], int):
            unquoted.setdefault(loc[:-1], []).append(loc)
        else:
            yield loc, _sentence(error, document)
    for loc, places in unquoted.items():
        yield loc, _unquoted(places, document)


def _sentence(error: ErrorDetails, document: YamlDocument) -> str:
    """One pydantic error as a sentence: what was found, what is allowed, how to mend it."""
    kind, context, found, loc = error["type"], error.get("ctx", {}), error["input"], _place(error)
    if kind == "contract":
        return str(context["text"])
    if kind == NO_KIND:
        given = str(found.get("kind")) if isinstance(found, dict) else ""
        return f"there is no such `kind` of model; {nearest(given, MODEL_KINDS)}there are: {', '.join(MODEL_KINDS)}"
    if kind == "missing":
        return f"is missing; add `{loc[-1]}: …`"
    if kind == "extra_forbidden":
        return _unknown_key(error["loc"])
    if kind == "literal_error":
        return f"is {found!r}; allowed: {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"is {found!r}; {MEANT.get(context['pattern'], 'it is not written as it should be')}"
    if kind in (UNQUOTED, "string_type") and loc in document.texts:
        return _unquoted([loc], document)
    if kind == "finite_number":
        return f"is {found!r}; a number with an end is needed: the lowest or highest that can occur"
    if kind in ("model_type", "dict_type"):
        keys = ", ".join(getattr(_section_at(error["loc"]), "model_fields", ()))
        return f"is {found!r}; what stands here has keys of its own{f': {keys}' if keys else ''}"
    if kind == "too_short":
        return f"is {found or 'empty'}; {context['min_length']} or more are needed"
    return f"is {found!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _place(error: ErrorDetails) -> Location:
    """Where the mistake is; pydantic also names the kind of model there, which is no key."""
    loc = tuple(error["loc"])
    return (*loc[:1], *loc[2:]) if loc[:1] == ("model",) and loc[1:2] in {(kind,) for kind in MODEL_KINDS} else loc


def _unquoted(places: list[Location], document: YamlDocument) -> str:
    """Texts that stand without quotes, so that YAML reads something else."""
    texts = [document.texts.get(place, "") for place in places]
    kinds = dict.fromkeys(_kind(document.value_at(place)) for place in places)
    quotes = some((json.dumps(text, ensure_ascii=False) for text in texts), 3)
    return f"is {some(texts)} without quotes, which YAML reads as {' and '.join(kinds)}; write {quotes}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if value is None:
        return "nothing"
    return "a number" if isinstance(value, int | float) else "a date" if isinstance(value, date) else "no text"


def _misread_numbers(document: YamlDocument) -> Iterator[tuple[Location, str]]:
    """Whole numbers that YAML reads in base 8 or 60."""
    for loc, text in document.texts.items():
        value = document.value_at(loc)
        if type(value) is int and OCTAL_OR_BASE_60.fullmatch(text) and str(value) != text.lstrip("+0"):
            yield (
                loc,
                f'is {text} without quotes, which YAML reads as {value}; write {value}, or "{text}" if it is a text',
            )


def _section_at(loc: Location) -> Any:
    """The model class of what stands there."""
    section: Any = Contract
    for part in loc:
        section = _inner_section(section, part)
    return section


def _unknown_key(loc: Location) -> str:
    section = _section_at(loc[:-1])
    others = [kind for kind, settings in MODEL_KINDS.items() if loc[-1] in settings.model_fields]
    if section in MODEL_KINDS.values() and others:
        return f"is a key of `kind: {others[0]}`; say so, or leave it out"
    allowed = list(section.model_fields) if section else []
    close = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else f"; allowed: {', '.join(allowed)}"
    return f"is not a key of a contract{hint}"


def _inner_section(section: Any, part: int | str) -> Any:
    """The model class one step down; dict keys and list positions stay at their value's class."""
    if section in MODEL_KINDS.values():
        return MODEL_KINDS.get(str(part), section)
    if not section or not isinstance(part, str) or part not in section.model_fields:
        return section
    found = [section.model_fields[part].annotation]
    while found:
        candidate = found.pop()
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
        found += get_args(candidate)
    return None


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
    problem = function_problem(path.parent / file, function)
    return [(("fallback", "rules"), problem)] if problem else []


def _features_file_problems(path: Path, contract: Contract) -> Iterator[tuple[Location, str]]:
    for name in contract.derived_features:
        if problem := function_problem(path.parent / FEATURES_FILE, name):
            yield ("features", name, "derived_from"), problem


def _fetch_file_problems(path: Path, contract: Contract) -> Iterator[tuple[Location, str]]:
    for name, source in contract.sources.items():
        if source.fetch is None:
            continue
        if problem := function_problem(path.parent / source.fetch.command, FETCH_FUNCTION):
            yield ("sources", name, "fetch", "command"), problem
