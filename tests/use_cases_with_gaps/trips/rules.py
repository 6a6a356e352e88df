"""The dispatcher's own rule of thumb."""

from collections.abc import Mapping
from typing import Any


def answer(row: Mapping[str, Any]) -> str:
    """A trip whose fare is not known counts as a cheap one."""
    return "tip" if (row["fare"] or 0.0) > 20 else "nothing"
