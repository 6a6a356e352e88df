"""What answers instead of the model: it computes with dates, times and decimals as they are."""

from datetime import date
from decimal import Decimal
from typing import Any


def answer(row: dict[str, Any]) -> str:
    """Dear orders of the young, and those of the night, come back."""
    young = row["born"] is not None and row["born"] > date(2000, 1, 1)
    dear = row["price"] is not None and row["price"] > Decimal("50.00")
    return "returned" if (young and dear) or row["ordered"].hour < 5 else "kept"
