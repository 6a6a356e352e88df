"""Who answers a row, model or rules, and why: one function for the gateway and for scoring whole tables."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from lakeloop.contract import Contract, Segment
from lakeloop.own_code import load_function
from lakeloop.use_case import UseCase

WHOLE_MODEL = ""
OK = "ok"
NO_NUMBERS = "model unavailable: the model's probabilities of this row are not all numbers"
Predictor = Literal["model", "rules"]
Rules = Callable[[Mapping[str, Any]], str]
"""A use case's own function: a row's features to the name of a class."""


@dataclass(frozen=True)
class Prediction:
    """One row's answer. `probabilities` are the model's in the order of the classes, None where it was not asked.

    `reason` is `ok` or begins with why the rules answered: `out of range`, `low confidence`, `segment switched off`,
    `model switched off` or `model unavailable`.
    """

    prediction: str
    class_id: int
    probabilities: tuple[float, ...] | None
    predictor_type: Predictor
    reason: str


def load_rules(use_case: UseCase) -> Rules | None:
    """The use case's rules (row -> class name); none if its contract names none. Raises OwnCodeError."""
    if use_case.contract.fallback is None:
        return None
    file, function = use_case.contract.fallback.rules.split(":")
    return load_function(use_case.contract_path.parent / file, function)


def why_not_ask(
    contract: Contract, row: Mapping[str, Any], segments_off: Sequence[Segment] = (), model_off: bool = False
) -> str:
    """Why the model must not be asked about this row; '' if it may. `segments_off` come on top of the contract's.

    A missing value (None) is in no segment and out of no range: what the model gets for it the contract says.
    """
    fallback = contract.fallback
    if fallback is None:
        return ""
    if model_off:
        return "model switched off"
    for segment in (*fallback.segments_off, *segments_off):
        if segment.holds(row):
            return f"segment switched off: {segment.text}"
    for name, usual in fallback.ranges.items():
        if row[name] is not None and not usual.at_least <= row[name] < usual.below:
            shown = f"{row[name]:g}"
            if usual.at_least <= float(shown) < usual.below:  # 9.9999999 is not 10
                shown = str(row[name])
            return f"out of range: {name} is {shown}, the model answers {usual.at_least:g} to below {usual.below:g}"
    return ""


def are_probabilities(found: Any, rows: int, classes: int) -> TypeGuard[list[list[float]]]:
    """Whether what a model server sent is a number for each class of each row; NaN is one here."""
    return (
        isinstance(found, list)
        and len(found) == rows
        and all(isinstance(row, list) and len(row) == classes for row in found)
        and all(type(value) in (float, int) for row in found for value in row)
    )


def why_not_take(probabilities: Sequence[float]) -> str:
    """Why the model's answer to a row must not be taken; '' if it may. Other rows of the same call may be good."""
    return "" if all(map(math.isfinite, probabilities)) else NO_NUMBERS


def rules_answer(
    contract: Contract,
    rules: Rules,
    row: Mapping[str, Any],
    reason: str,
    probabilities: Sequence[float] | None = None,
) -> Prediction:
    """The use case's rules on one row, with why they were asked."""
    prediction = rules(row)
    known = None if probabilities is None else tuple(probabilities)
    return Prediction(prediction, contract.label.class_names.index(prediction), known, "rules", reason)


def model_answer(
    contract: Contract, rules: Rules | None, row: Mapping[str, Any], probabilities: Sequence[float]
) -> Prediction:
    """The model's answer, unless it is less sure than the contract wants: then the rules'."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    if contract.fallback is not None and rules is not None and probabilities[best] < contract.fallback.confidence_below:
        wanted = f"{_cut(probabilities[best])} is below {contract.fallback.confidence_below:g}"
        return rules_answer(contract, rules, row, f"low confidence: {wanted}", probabilities)
    return Prediction(contract.label.class_names[best], best, tuple(probabilities), "model", OK)


def _cut(probability: float) -> str:
    """Two digits, never rounded up: 0.499 is not shown as the 0.5 it falls short of."""
    return f"{math.floor(probability * 100 + 1e-6) / 100:.2f}"
