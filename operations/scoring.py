"""Answers to many rows by a pushed model in this process, with the gateway's own fallback."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract, Segment
from lakeloop.contract.metrics import Task
from lakeloop.exceptions import WrongUseError
from lakeloop.fallback import (
    DECIDED_OUTPUTS,
    NUMBER_OUTPUTS,
    WHOLE_MODEL,
    AnyPrediction,
    Rules,
    load_rules,
    model_answer,
    rules_answer,
    why_not_ask,
    why_not_take,
)
from lakeloop.label_sets import set_confidences, set_ids
from lakeloop.model_input import model_columns, request_rows
from lakeloop.switches import parse_segment
from lakeloop.use_case import UseCase

ANSWER: dict[Task, dict[str, str]] = {
    "classification": {"prediction": "string", "class_id": "int", "probabilities": "array<double>"},
    "regression": {"prediction": "double", "lower": "double", "upper": "double"},
}
ANSWER["multilabel"] = ANSWER["classification"]
"""What an answer of a task says, besides who gave it and why."""


@dataclass(frozen=True)
class Scorer:
    """All a worker needs to answer rows; it is sent to the executors, which load the model from `folder` once."""

    use_case: UseCase
    folder: Path
    segments_off: tuple[Segment, ...] = ()
    model_off: bool = False

    def answers(self, batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
        """Frames of key and features -> frames of key and answer, for Spark's `mapInPandas`."""
        rules = load_rules(self.use_case)
        for frame in batches:
            given = self.answer(frame, rules)
            key = self.use_case.contract.key.column
            columns = {key: frame[key].to_numpy()}
            wanted = (*ANSWER[self.use_case.contract.label.task], "predictor_type", "reason")
            yield pd.DataFrame(
                columns
                | {name: [getattr(a, name) for a in given] for name in wanted}
                | {"model_version": [self.folder.name if a.model_gave else None for a in given]}
            )

    def answer(self, frame: pd.DataFrame, rules: Rules | None) -> list[AnyPrediction]:
        """The answer of each row; only rows the model may be asked about reach it."""
        contract = self.use_case.contract
        rows = request_rows(contract.features, frame)
        reasons = [why_not_ask(contract, row, self.segments_off, self.model_off) for row in rows]
        by_model = np.array([not reason for reason in reasons], dtype=bool)
        known = iter(given_of(contract, self.folder, frame[by_model]) if by_model.any() else ())
        answers: list[AnyPrediction] = []
        for row, reason in zip(rows, reasons, strict=True):
            given = [] if reason else [float(p) for p in next(known)]
            if reason := reason or why_not_take(given, contract.label.task):
                answers.append(rules_answer(contract, _needed(rules), row, reason))
            else:
                answers.append(model_answer(contract, rules, row, given))
        return answers


def given_of(contract: Contract, folder: Path, frame: pd.DataFrame) -> np.ndarray:
    """What the model in a folder gives of each row of a frame with the features' columns (n, k)."""
    from tfx_pipeline.evaluation.prediction import ask_columns

    outputs = ask_columns(loaded_model(str(folder)), model_columns(contract.features, frame))
    if contract.label.several:
        return np.asarray(outputs["probabilities"])
    if not contract.label.classes:
        return np.column_stack([outputs[name] for name in NUMBER_OUTPUTS])
    decided = DECIDED_OUTPUTS if DECIDED_OUTPUTS[-1] in outputs else ()
    return np.column_stack([outputs["probabilities"], *(outputs[name] for name in decided)])


def classes_of(contract: Contract, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of what a model gives (n, k): the class id it answers each row with, and that class' probability, (n,).

    Of several labels the number of their set, and the probability of exactly these.
    """
    if contract.label.several:
        ids = set_ids(given)
        return ids, set_confidences(ids, given)
    classes = len(contract.label.classes)
    ids = given[:, classes].astype(int) if given.shape[1] > classes else given.argmax(axis=1)
    return ids, given[np.arange(len(ids)), ids]


@cache
def loaded_model(folder: str) -> Any:
    """The model in a folder, loaded once a process."""
    from tfx_pipeline.runs.quiet import quiet_libraries

    quiet_libraries()
    from tfx_pipeline.evaluation.prediction import load_saved_model

    return load_saved_model(folder)


def scorer_of(use_case: UseCase, folder: Path, switched_off: Sequence[str]) -> Scorer:
    """With these switched off at run time: texts of segments, '' for the whole model."""
    contract = use_case.contract
    segments = tuple(parse_segment(contract, text) for text in switched_off if text != WHOLE_MODEL)
    plain = UseCase(settings=use_case.settings, contract=contract)  # a lake's session stays with the driver
    return Scorer(plain, folder, segments, WHOLE_MODEL in switched_off)


def _needed(rules: Rules | None) -> Rules:
    if rules is None:
        raise WrongUseError("the contract's fallback names no rules")
    return rules
