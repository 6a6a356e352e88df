"""Lets ML Metadata keep backslashes on PostgreSQL, which it cannot by itself.

It takes the quotes off what libpq's PQescapeLiteral gives and puts its own around. For a text with a backslash that
is ` E'…'`, and the statement breaks; TFX's properties are JSON within JSON, so every run has backslashes. They travel
to the database as another character and back.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.message import Message
from ml_metadata.metadata_store import MetadataStore

BACKSLASH, STAND_IN = "\\", "\ue05c"
"""The stand-in is of Unicode's private use area: no text that means something has it."""


@cache
def carry_backslashes() -> None:
    """Teach the stores of this process that are on PostgreSQL; others stay as they are."""
    call: Callable[..., None] = MetadataStore._pywrap_cc_call

    def carrying(store: Any, method: Any, request: Message, response: Message) -> None:
        if not store._config.HasField("postgresql"):
            return call(store, method, request, response)
        sent = type(request)()
        sent.CopyFrom(request)
        replace_in(sent, BACKSLASH, STAND_IN)
        call(store, method, sent, response)
        return replace_in(response, STAND_IN, BACKSLASH)

    MetadataStore._pywrap_cc_call = carrying


def replace_in(message: Message, old: str, new: str) -> None:
    """Replace a character in every string of a message, those of its maps and messages included."""
    if old.encode() not in message.SerializeToString():
        return
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for part in value.values():
                if isinstance(part, Message):
                    replace_in(part, old, new)
        elif field.type == field.TYPE_MESSAGE:
            for part in _listed(value):
                replace_in(part, old, new)
        elif field.type == field.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, field.name, value.replace(old, new))
            else:
                value[:] = [text.replace(old, new) for text in value]


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, Message) else list(value)
