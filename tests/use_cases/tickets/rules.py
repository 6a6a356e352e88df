"""What is said where the model must not be asked."""

from collections.abc import Mapping
from typing import Any


def usual(row: Mapping[str, Any]) -> list[str]:
    """Money is billing, failed log-ins are login."""
    found = {"billing": row["amounts"] > 1, "login": row["failures"] > 2}
    return [topic for topic, about in found.items() if about]
