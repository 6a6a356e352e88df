"""A use case's own checks: `checks(model)` in its `checks.py`, made in the quality gate beside the contract's."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Feature
from lakeloop.exceptions import OwnCodeError
from lakeloop.gate_check import GateCheck
from lakeloop.own_code import line_of, own_errors
from lakeloop.own_files import OwnFile
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, Answers, NumberAnswers

KEYS = ("name", "value", "passed", "text")
MEANT = 'yield {"name": "…", "value": 1.5, "passed": True, "text": "what was wanted"} for each check'
LONGEST_NAME = 80


@dataclass(frozen=True)
class CheckedRows:
    """Rows with a model's answers to them.

    `labels` (n,): the place of each row's class in `class_names`; `answers` (n,): that of the class it answered;
    `probabilities` (n, classes); `weights` (n,), or None where all rows count the same; `features`: a frame of n rows
    with the contract's features, NaN or None where a value is missing. Where a number is predicted, labels and answers
    are numbers, there are no probabilities (n, 0), and `lower` and `upper` (n,) are the ends of the intervals. Of
    several labels, labels and answers are numbers of sets, bit i for the label of place i.

    `learnt_from` (n,) bool: the rows that the model's threshold or intervals were learnt from, so that they say little
    of these; None where there is no such row.
    """

    labels: np.ndarray
    answers: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray | None
    features: pd.DataFrame
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    learnt_from: np.ndarray | None = None


@dataclass(frozen=True)
class CheckedModel:
    """What `checks` gets: the rows trained on, those held out, and of these the champion's answers, if there is one.

    `checked`: the contract's own checks of this model, as they came out.
    """

    class_names: tuple[str, ...]
    train: CheckedRows
    eval: CheckedRows
    champion: CheckedRows | None
    checked: tuple[GateCheck, ...]


def checked_model(
    rows: Mapping[str, Answers],
    champion: Answers | None,
    class_names: tuple[str, ...],
    features: Mapping[str, Feature],
    checked: tuple[GateCheck, ...],
) -> CheckedModel:
    """The answers on `train` and `eval`, whose columns are the features' values, as `checks` gets them."""
    train, held_out = (_checked_rows(rows[name], features) for name in (TRAIN, EVAL))
    of_champion = None if champion is None else _checked_rows(champion, features)
    return CheckedModel(class_names, train, held_out, of_champion, checked)


def own_checks(file: OwnFile, model: CheckedModel) -> tuple[GateCheck, ...]:
    """The checks that the use case's function makes of a model.

    Raises:
        OwnCodeError: it fails, or gives something else than checks; the text names the file and the line.
    """
    function = file.function()
    with own_errors(file.path):
        given = function(model)
        found = list(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else given
    try:
        return tuple(_read(found, {check.name for check in model.checked}))
    except ValueError as error:
        raise OwnCodeError(file.path, line_of(function), f"`{function.__name__}` {error}; {MEANT}") from None


def _read(found: object, taken: set[str]) -> Iterator[GateCheck]:
    if not isinstance(found, list):
        raise ValueError(f"gave {_kind(found)}")
    if not found:
        raise ValueError("gave no check")
    for number, one in enumerate(found, start=1):
        if not isinstance(one, Mapping):
            raise ValueError(f"gave {_kind(one)} as its check {number}")
        if wrong := sorted({*KEYS} ^ {*map(str, one)}):
            raise ValueError(f"gave a check {number} that has {', '.join(map(str, one))}, not {', '.join(KEYS)} "
                             f"(`{wrong[0]}`)")  # fmt: skip
        check = _check(number, one)
        if check.name in taken:
            raise ValueError(f"gave two checks of one name, or one of the contract's: {check.name!r}")
        taken.add(check.name)
        yield check


def _check(number: int, one: Mapping[str, Any]) -> GateCheck:
    name, value, passed, text = (one[key] for key in KEYS)
    for key, given in (("name", name), ("text", text)):
        if not isinstance(given, str) or not given.strip():
            raise ValueError(f"gave a check {number} whose `{key}` is {_kind(given)}, not a text")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"gave a check {number} whose name has {len(name)} letters; at most {LONGEST_NAME} are shown")
    if not isinstance(passed, bool | np.bool_):
        raise ValueError(f"gave {name!r}, whose `passed` is {_kind(passed)}, not True or False")
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"gave {name!r}, whose `value` is {_kind(value)}, not a number")
    return GateCheck(name=name, value=float(value), bound=text, passed=bool(passed))


def _kind(value: object) -> str:
    return "None" if value is None else f"{value!r:.60} ({type(value).__name__})"


def _checked_rows(answers: Answers, features: Mapping[str, Feature]) -> CheckedRows:
    frame = pd.DataFrame({name: _values(feature, answers.columns[name]) for name, feature in features.items()})
    if isinstance(answers, NumberAnswers):
        none = np.empty((len(frame), 0))
        ends = (answers.lower, answers.upper)
        return CheckedRows(answers.labels, answers.predictions, none, answers.weights, frame, *ends, answers.calibrated)
    return CheckedRows(
        answers.labels, answers.answered, answers.probabilities, answers.weights, frame, learnt_from=answers.calibrated
    )


def _values(feature: Feature, values: np.ndarray) -> pd.Series:
    """Values as examples have them -> texts as texts, a missing one NaN or None."""
    if feature.carried_as != "string":
        column = pd.Series(values)
        return column.where(column != feature.stand_in) if feature.optional else column
    texts = pd.Series(values).str.decode("utf-8")
    return texts.where(texts != feature.stand_in, None) if feature.optional else texts
