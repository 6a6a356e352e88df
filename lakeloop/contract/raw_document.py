"""What stands where in a raw contract, whatever else is wrong with it."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lakeloop.contract.event_time import EVENT_TIME
from lakeloop.contract.key import ROW_KEY
from lakeloop.contract.metrics import Task
from lakeloop.contract.several_labels import set_column
from lakeloop.contract.time_formats import PERIOD
from lakeloop.contract.yaml_document import Location

Found = Iterator[tuple[Location, str]]
"""Mistakes: where each is, and what it is."""


def key_is_made(raw: dict[str, Any]) -> bool:
    """Whether the key is made, of columns or of the row itself."""
    return bool(names_at(raw, "key", "columns") or text_at(raw, "key", "made"))


def key_column(raw: dict[str, Any]) -> str:
    """The column of the key, delivered or made; '' where nothing says it."""
    return text_at(raw, "key", "column") or (ROW_KEY if key_is_made(raw) else "")


def event_column(raw: dict[str, Any]) -> str:
    """The column of the event time, delivered or joined; '' where nothing says it."""
    return text_at(raw, "event_time", "column") or (EVENT_TIME if mapping_at(raw, "event_time", "columns") else "")


def event_columns(raw: dict[str, Any]) -> list[str]:
    """The columns of files that say the event time: its own, or those that it is joined from."""
    joined = [str(name) for name in mapping_at(raw, "event_time", "columns").values()]
    return joined or [name for name in [event_column(raw)] if name]


def has_times(raw: dict[str, Any]) -> bool:
    """Whether the event time is a time, and no period's own name."""
    return bool(mapping_at(raw, "event_time", "columns")) or text_at(raw, "event_time", "format") not in ("", PERIOD)


def truth_column(raw: dict[str, Any]) -> str:
    """The column of the truth, delivered or computed; '' where nothing says it."""
    return set_column(text_at(raw, "label", "name")) if several_labels(raw) else text_at(raw, "label", "column")


def several_labels(raw: dict[str, Any]) -> list[str]:
    """The columns of several labels; [] where there is one."""
    return names_at(raw, "label", "columns")


def class_names_in(raw: dict[str, Any]) -> list[str]:
    """The names of the classes, or of several labels; [] where a number is predicted."""
    classes = items_at(raw, "label", "classes")
    return several_labels(raw) or [str(one["name"]) for one in classes if isinstance(one, dict) and "name" in one]


def task_of(raw: dict[str, Any]) -> Task:
    """What a model does by the label."""
    if several_labels(raw):
        return "multilabel"
    return "classification" if "classes" in mapping_at(raw, "label") else "regression"


def derived_names(raw: dict[str, Any]) -> list[str]:
    """The features that are made of others."""
    return [name for name in names_at(raw, "features") if value_at(raw, "features", name, "derived_from") is not None]


def names_at(raw: dict[str, Any], *path: str) -> list[str]:
    """Keys of a mapping or items of a list deep in the raw document; [] where it is not as expected."""
    value = value_at(raw, *path)
    return [str(v) for v in value] if isinstance(value, dict | list) else []


def items_at(raw: dict[str, Any], *path: str) -> list[Any]:
    """A list deep in the document; [] where there is none."""
    value = value_at(raw, *path)
    return value if isinstance(value, list) else []


def mapping_at(raw: dict[str, Any], *path: str) -> dict[str, Any]:
    """A mapping deep in the document; {} where there is none."""
    value = value_at(raw, *path)
    return value if isinstance(value, dict) else {}


def text_at(raw: dict[str, Any], *path: str) -> str:
    """A text deep in the document; '' where there is none."""
    value = value_at(raw, *path)
    return value if isinstance(value, str) else ""


def value_at(raw: dict[str, Any], *path: str) -> Any:
    """Whatever stands deep in the document; None where nothing does."""
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def words_of(made: str) -> list[str]:
    """What may be columns in an expression, one that cannot be read, too."""
    return re.findall(r"[a-z][a-z0-9_]*", made)


def meant(name: str, known: Sequence[str], otherwise: str) -> str:
    """The name that was meant, or else all that are known after `otherwise`, e.g. `it has`."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"{otherwise} {', '.join(known)}"
