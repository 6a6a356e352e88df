"""What an ordinary value of a feature is, by its contract: for examples, the client page, and to try code with."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import TIMES
from lakeloop.contract.time_features import value_of

ORDINARY_TIME = 1_704_103_200
"""2024-01-01T10:00:00Z, where the contract gives no example."""
LearntValues = Mapping[str, Sequence[str]]
"""What a model learnt of features whose values no contract lists: by feature, the commonest first, as texts."""


def ordinary(contract: Contract, name: str, learnt: LearntValues | None = None) -> float | int | str | bool:
    """The contract's example, else the first listed or commonest learnt value, or a quarter up the range the model
    answers: most quantities crowd at its lower end.

    Where the contract states no range it is 1, and where nobody says what was learnt a text that is in no vocabulary.
    """
    feature = contract.features[name]
    if feature.example is not None:
        return float(feature.example) if feature.carried_as == "float" else feature.example
    if feature.type in TIMES:
        return value_of(feature.type, ORDINARY_TIME).isoformat()
    if feature.type == "bool":
        return False
    if feature.values is not None:
        return feature.values[0]
    if values := (learnt or {}).get(name):
        return int(values[0]) if feature.type == "int" else values[0]
    if feature.type == "string":
        return "text"
    usual = contract.fallback.ranges.get(name) if contract.fallback else None
    if feature.valid is None and usual is None:
        return 1 if feature.type == "int" else 1.0
    low, high = feature.limits or (0.0, 0.0)
    if usual is not None:
        low, high = max(low, usual.at_least), min(high, usual.below)
    value = low + (high - low) / 4
    value = round(value) if low <= round(value) <= high else value
    return int(value) if feature.type == "int" else float(value)


def ordinary_value(contract: Contract, name: str) -> Any:
    """The same as a row has it: `Decimal`, `date` or `datetime` where the contract's type is such."""
    feature, value = contract.features[name], ordinary(contract, name)
    if feature.type in TIMES:
        return feature.time(str(value), zone=contract.event_time.timezone)
    return Decimal(str(value)) if feature.type == "decimal" else value


def has_ordinary(feature: Feature) -> bool:
    """Whether the contract says or implies an ordinary value; of a text without `example` and `values` nobody knows."""
    return feature.type != "string" or feature.example is not None or feature.values is not None
