"""The rules people used before there was a model: the baseline and the gateway's fallback."""

from collections.abc import Mapping


def risk_group(row: Mapping[str, float]) -> str:
    """The class name the rules give to one row with the contract's six features."""
    if row["training"]:
        return "low"
    if row["age"] < 30:
        return "high" if row["power"] > 130 else "medium"
    if row["age"] > 50:
        return "high"
    if row["emergency_braking"]:
        return "low"
    if row["miles"] > 90:
        return "high"
    return "medium" if row["miles"] > 58 else "low"
