"""What is said where the model must not be asked."""

from collections.abc import Mapping
from typing import Any


def usual(row: Mapping[str, Any]) -> str:
    """What is booked long before is cancelled more often; rules see derived features like any other."""
    return "cancelled" if (row["days_ahead"] or 0) > 120 else "kept"
