"""What all parts of a contract share: frozen models that refuse unknown keys, and the plain types of their fields."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from lakeloop.frozen_model import FrozenModel

NAME = r"^[a-z][a-z0-9_]*$"
PYTHON_FILE = r"^[\w-]+\.py$"
TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
BROKERS = r"^([^/,\s]+:\d+(,[^/,\s]+:\d+)*)?$"
UNQUOTED = "unquoted"
"""Kind of mistake: YAML read something else where a text was meant."""


def _text_or_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PydanticCustomError(UNQUOTED, "a text or a number is needed")
    return value


def _value(value: Any) -> Any:
    return value if isinstance(value, bool) else _text_or_number(value)


Name = Annotated[str, StringConstraints(pattern=NAME, max_length=100)]
Text = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = Annotated[int | float | str, BeforeValidator(_text_or_number)]
Value = Annotated[bool | int | float | str, BeforeValidator(_value)]


def mistake(text: str) -> PydanticCustomError:
    """A contract mistake whose text is shown to the user as it is."""
    return PydanticCustomError("contract", "{text}", {"text": text})


def unless(default: Any) -> Any:
    """A field that stands in no record while it has its default: what records of older contracts hash stays as is."""
    return Field(default, exclude_if=lambda value: value == default)


def some(values: Any, most: int = 5) -> str:
    """The first few values in words: `1, 2, 3 and 59 more`."""
    listed = list(values)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(map(str, listed[:most])) + more


def sequences_as_tuples(value: Any) -> Any:
    """Lists as tuples, however deep: YAML, and JSON before a validator, have lists; strict models want tuples."""
    if isinstance(value, dict):
        return {k: sequences_as_tuples(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(sequences_as_tuples(v) for v in value)
    return value


class Section(FrozenModel, strict=True, allow_inf_nan=False):
    """Base of all parts of a contract: frozen; an unknown key is a mistake, and so is a number without end."""
