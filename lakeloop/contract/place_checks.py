"""Mistakes in `place` that span sections; they read the raw document."""

from typing import Any

from lakeloop.contract.expression import columns_in, read_expression
from lakeloop.contract.raw_document import (
    Found,
    class_names_in,
    derived_names,
    event_column,
    event_columns,
    key_column,
    mapping_at,
    meant,
    names_at,
    several_labels,
    text_at,
    truth_column,
)
from lakeloop.exceptions import ExpressionError

LOCATED = ("column", "longitude", "latitude")
NUMBERS = ("float", "int", "decimal")
SHARE = "_share"


def place_columns(raw: dict[str, Any]) -> set[str]:
    """The columns that `place` names; one of the base that is nothing else is described by that."""
    return {name for word in (*LOCATED, "by") if (name := text_at(raw, "place", word))}


def numbers_of_places(raw: dict[str, Any]) -> list[str]:
    """What a formula can be made of: means of features and truth that are numbers, and the share of each class."""
    features = [name for name in names_at(raw, "features") if text_at(raw, "features", name, "role") == "numeric"]
    truth = [truth_column(raw)] if text_at(raw, "label", "truth", "type") in NUMBERS and not several_labels(raw) else []
    return [*features, *truth, *(f"{name}{SHARE}" for name in class_names_in(raw))]


def place_checks(raw: dict[str, Any], base: str) -> Found:
    """Each mistake and where it is; `base` is the source that has the event time, '' where that is not clear."""
    if not mapping_at(raw, "place"):
        return
    labels = {truth_column(raw), text_at(raw, "label", "name"), *several_labels(raw)}
    times = {event_column(raw), *event_columns(raw)}
    there = {*names_at(raw, "sources", base, "columns"), *names_at(raw, "features"), *derived_names(raw)}
    for word in (*LOCATED, "by"):
        name = text_at(raw, "place", word)
        if not name:
            continue
        if name in labels:
            yield ("place", word), f"`{name}` is the truth, which is not known when the row is; take another column"
        elif name in times:
            yield ("place", word), f"`{name}` is the event time, which the map has a slider for; take another column"
        elif name == key_column(raw):
            yield ("place", word), f"`{name}` is the key: each row would be a place of its own; take another column"
        elif base and name not in there:
            yield ("place", word), f"`{name}` is no column of source `{base}`; {meant(name, sorted(there), 'it has')}"
        else:
            yield from _kind(raw, word, name)
    if text_at(raw, "place", "by") in [text_at(raw, "place", word) for word in LOCATED] and text_at(raw, "place", "by"):
        yield ("place", "by"), "splits the rows of a place by where they are; take another column, or leave it out"
    yield from _values(raw)
    yield from _formula(raw)


def _values(raw: dict[str, Any]) -> Found:
    """Values of `by` that its feature does not list."""
    by, total = text_at(raw, "place", "by"), text_at(raw, "place", "total")
    listed = names_at(raw, "features", by, "values")
    said = [("total", total), *(("by_names", one) for one in names_at(raw, "place", "by_names"))]
    for word, value in said if text_at(raw, "features", by, "role") == "categorical" else ():
        if listed and value and value not in listed:
            yield ("place", word), f"`{value}` is no value of `{by}`; {meant(value, listed, 'it has')}"


def _kind(raw: dict[str, Any], word: str, name: str) -> Found:
    """A column whose values cannot be what is said of it."""
    role, kind = (text_at(raw, "features", name, what) for what in ("role", "type"))
    if not role:  # no feature: any text
        return
    if word in ("longitude", "latitude"):
        if role != "numeric":
            yield ("place", word), f"`{name}` is {role}, and a {word} is a number of degrees"
    elif role not in ("categorical", "binary") and not (word == "column" and kind == "int"):
        what = "a place is a category" if word == "column" else "rows are split by a category"
        yield ("place", word), f"`{name}` is {role}, and {what}"


def _formula(raw: dict[str, Any]) -> Found:
    formula, known = text_at(raw, "place", "index", "formula"), numbers_of_places(raw)
    try:
        named = list(columns_in(read_expression(formula, {}))) if formula else []
    except ExpressionError:  # the section tells it
        return
    for name in dict.fromkeys(one.column for one in named):
        if name not in known:
            yield (
                ("place", "index", "formula"),
                f"`{name}` is no number that a place has; {meant(name, known, 'it has')}",
            )
