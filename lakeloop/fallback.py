"""Who answers a row, model or rules, and why: one function for the gateway and for scoring whole tables."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from lakeloop.contract import Contract, Segment
from lakeloop.contract.metrics import Task
from lakeloop.label_sets import ANSWERED_FROM
from lakeloop.own_code import failure_of, load_function
from lakeloop.use_case import UseCase

WHOLE_MODEL = ""
OK = "ok"
NO_NUMBERS = "model unavailable: the model's probabilities of this row are not all numbers"
NO_NUMBER = "model unavailable: the model's answer to this row is no number"
Predictor = Literal["model", "rules"]
Rules = Callable[[Mapping[str, Any]], Any]
"""A use case's own function: a row's features to the name of a class, to a number where one is predicted, or to the
names of several labels.
"""
Given = Sequence[float]
"""What a model gives of a row: the probability of each class, or a number, the ends of its interval and its level.

Behind the probabilities of a model with a threshold stand the class id that it answers and the threshold.
"""
NUMBER_OUTPUTS = ("prediction", "lower", "upper")
DECIDED_OUTPUTS = ("class_id", "threshold")
LEVEL = "level"
LEVEL_DIGITS = 6
"""A level travels as float32: 0.8 comes back as 0.800000012."""


@dataclass(frozen=True)
class Prediction:
    """One row's answer; of several labels their names, joined, and the number of their set.

    `probabilities` are the model's in the order of the classes, None where it was not asked. `threshold` is the
    model's, None where it has none or was not asked.

    `reason` is `ok` or begins with why the rules answered: `out of range`, `low confidence`, `segment switched off`,
    `model switched off` or `model unavailable`.
    """

    prediction: str
    class_id: int
    probabilities: tuple[float, ...] | None
    predictor_type: Predictor
    reason: str
    threshold: float | None = None

    @property
    def model_gave(self) -> bool:
        """Whether the model was asked and gave something."""
        return self.probabilities is not None


@dataclass(frozen=True)
class NumberPrediction:
    """One row's answer where a number is predicted; the ends of its interval are None where rules answered.

    `level` is the share of rows whose truth such an interval holds by the model that gave it. `reason` as of a
    `Prediction`.
    """

    prediction: float
    lower: float | None
    upper: float | None
    predictor_type: Predictor
    reason: str
    level: float | None = None

    @property
    def model_gave(self) -> bool:
        """Whether the model was asked and gave something."""
        return self.lower is not None


AnyPrediction = Prediction | NumberPrediction


def load_rules(use_case: UseCase) -> Rules | None:
    """The use case's rules; none if its contract names none. Where they fail, or answer nothing that the label can be,
    they raise an OwnCodeError.

    Raises:
        OwnCodeError: their file cannot be imported, or has no such function.
    """
    contract = use_case.contract
    if contract.fallback is None:
        return None
    file, name = contract.fallback.rules.split(":")
    path = use_case.own_folder / file
    function = load_function(path, name)

    def rules(row: Mapping[str, Any]) -> Any:
        try:
            answer = function(row)
            rules_answer(contract, lambda _: answer, row, OK)  # whoever asks is told here that it is none
        except (Exception, SystemExit) as error:
            raise failure_of(error, path) from error
        return answer

    return rules


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


def given_by(contract: Contract, outputs: Any, rows: int) -> list[list[float]] | None:
    """What a model server's `outputs` give of each of so many rows; None where they are not what is `wanted`."""
    if not isinstance(outputs, dict):
        return None
    if contract.label.task != "regression":
        found = outputs.get("probabilities")
        if not _are_rows_of(found, rows, len(contract.label.classes)):
            return None
        if contract.label.several:
            return found
        if (decided := [outputs.get(name) for name in DECIDED_OUTPUTS])[-1] is None:
            return found
        if not _are_rows_of(decided, len(DECIDED_OUTPUTS), rows):
            return None
        return [[*known, *by] for known, *by in zip(found, *decided, strict=True)]
    columns = [outputs.get(name) for name in NUMBER_OUTPUTS]
    columns.append(outputs.get(LEVEL, [contract.label.interval] * rows))  # of a model of before, or of own code
    if not _are_rows_of(columns, len(columns), rows):
        return None
    return [list(row) for row in zip(*columns, strict=True)]


def wanted_of(contract: Contract) -> str:
    """What a model's outputs must be, in words."""
    if contract.label.task != "regression":
        of = "labels" if contract.label.several else "classes"
        return f"`probabilities` of {len(contract.label.classes)} {of} for each row"
    return "`prediction`, `lower` and `upper` for each row"


def _are_rows_of(found: Any, rows: int, width: int) -> TypeGuard[list[list[float]]]:
    """Whether it is so many lists of so many numbers; NaN is one here."""
    return (
        isinstance(found, list)
        and len(found) == rows
        and all(isinstance(row, list) and len(row) == width for row in found)
        and all(type(value) in (float, int) for row in found for value in row)
    )


def why_not_take(given: Given, task: Task = "classification") -> str:
    """Why the model's answer to a row must not be taken; '' if it may. Other rows of the same call may be good."""
    if all(map(math.isfinite, given)):
        return ""
    return NO_NUMBER if task == "regression" else NO_NUMBERS


def why_unsure(contract: Contract, given: Given) -> str:
    """Why the rules answer in place of a model that gave this; '' where it is as sure as the contract wants."""
    if contract.fallback is None or contract.label.task == "regression":
        return ""
    known, _ = _known(given, len(contract.label.class_names))
    sure = math.prod(max(one, 1 - one) for one in known) if contract.label.several else max(known)
    below = contract.fallback.confidence_below
    return f"low confidence: {_cut(sure)} is below {below:g}" if sure < below else ""


def rules_answer(
    contract: Contract,
    rules: Rules,
    row: Mapping[str, Any],
    reason: str,
    given: Given | None = None,
) -> AnyPrediction:
    """The use case's rules on one row, with why they were asked.

    Raises:
        ValueError: they answer no class of the contract, no number, or no list of its labels.
    """
    prediction = rules(row)
    if contract.label.task == "regression":
        return NumberPrediction(_number(prediction), None, None, "rules", reason)
    names = contract.label.class_names
    known, threshold = (None, None) if given is None else _known(given, len(names))
    answered = class_id_of(contract, prediction)
    return Prediction(contract.label.name_of(answered), answered, known, "rules", reason, threshold)


def class_id_of(contract: Contract, answered: Any) -> int:
    """The id of the class, or of the set of labels, that rules answered.

    Raises:
        ValueError: it is no class of the contract, or no list of its labels.
    """
    names = contract.label.class_names
    if contract.label.several:
        return _set_of(names, answered)
    if answered not in names:
        raise ValueError(f"they answered {answered!r}, which is no class of {', '.join(names)}")
    return names.index(answered)


def _set_of(names: Sequence[str], answered: Any) -> int:
    """The number of the set that rules answered, a list of names of labels."""
    if isinstance(answered, str) or not isinstance(answered, Iterable):
        raise ValueError(f"they answered {answered!r}, which is no list of labels")
    labels = set(answered)
    if unknown := sorted(map(str, labels - set(names))):
        raise ValueError(f"they answered {unknown[0]!r}, which is none of the labels {', '.join(names)}")
    return sum(1 << i for i, name in enumerate(names) if name in labels)


def _known(given: Given, classes: int) -> tuple[tuple[float, ...], float | None]:
    """The probabilities and the threshold, where there is one."""
    return tuple(given[:classes]), given[classes + 1] if len(given) > classes else None


def answered_id(given: Given, classes: int) -> int:
    """The class id that a model answers: by its threshold, where it has one, else the most probable one."""
    if len(given) > classes:
        return int(given[classes])
    return max(range(classes), key=given.__getitem__)


def _number(answered: Any) -> float:
    try:
        number = float(answered) if not isinstance(answered, bool | str) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"they answered {answered!r}, which is no number")
    return number


def model_answer(contract: Contract, rules: Rules | None, row: Mapping[str, Any], given: Given) -> AnyPrediction:
    """The model's answer, unless it is less sure than the contract wants: then the rules'."""
    if contract.label.task == "regression":
        number, lower, upper, *level = given
        return NumberPrediction(number, lower, upper, "model", OK, round(level[0], LEVEL_DIGITS) if level else None)
    if rules is not None and (why := why_unsure(contract, given)):
        return rules_answer(contract, rules, row, why, given)
    names = contract.label.class_names
    known, threshold = _known(given, len(names))
    if contract.label.several:
        answered = sum(1 << i for i, one in enumerate(known) if one >= ANSWERED_FROM)
    else:
        answered = answered_id(given, len(names))
    return Prediction(contract.label.name_of(answered), answered, known, "model", OK, threshold)


def _cut(probability: float) -> str:
    """Two digits, never rounded up: 0.499 is not shown as the 0.5 it falls short of."""
    return f"{math.floor(probability * 100 + 1e-6) / 100:.2f}"
