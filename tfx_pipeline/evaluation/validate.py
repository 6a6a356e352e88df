"""Evaluates any pushed model on any labelled rows with the quality gate's own checks."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.model_input import model_columns
from tfx_pipeline.evaluation.answers import Answers
from tfx_pipeline.evaluation.gate import GateReport, check_gate
from tfx_pipeline.runs.quiet import quiet_libraries
from tfx_pipeline.runs.run_record import RunRecord


def validate_model(model_dir: Path, contract: Contract, frame: pd.DataFrame, name: str = "rows") -> GateReport:
    """The gate's report on one set of rows, called `name`: features and label.

    Checks that need both train and eval rows are left out.

    Raises:
        NotFoundError: the folder does not exist.
        WrongUseError: the frame has no rows, lacks a column, or a label is not one of its task.
        LakeloopError: the model cannot be loaded.
    """
    return validate_opened(open_model(model_dir), contract, frame, name)


def validate_opened(model: Any, contract: Contract, frame: pd.DataFrame, name: str = "rows") -> GateReport:
    """The same of a model that was opened, for those who have many sets of rows.

    Raises:
        WrongUseError: the frame has no rows, lacks a column, or a label is not one of its task.
    """
    answers = answers_by(model, contract, frame)
    return check_gate(contract.gate, {name: answers}, None, contract.label.class_names, contract.period_column)


def answers_of(
    model_dir: Path,
    contract: Contract,
    frame: pd.DataFrame,
    weights: np.ndarray | None = None,
    held_out: bool = False,
) -> Answers:
    """A model's answers on labelled rows, each counting by its weight; raises as `validate_model` does.

    `held_out`: the rows, which then have their key, are such as intervals, or a threshold, may be learnt from.
    """
    return answers_by(open_model(model_dir), contract, frame, weights, held_out)


def open_model(model_dir: Path) -> Any:
    """The model in a folder, for those who ask it more than once.

    Raises:
        NotFoundError: the folder does not exist.
        LakeloopError: the model cannot be loaded.
    """
    if not model_dir.is_dir():
        raise NotFoundError(f"there is no model in {model_dir}")
    quiet_libraries()
    from tfx_pipeline.evaluation.prediction import load_saved_model

    return load_saved_model(model_dir)


def answers_by(
    model: Any,
    contract: Contract,
    frame: pd.DataFrame,
    weights: np.ndarray | None = None,
    held_out: bool = False,
) -> Answers:
    """The same of a model that was opened.

    Raises:
        WrongUseError: the frame has no rows, lacks a column, or a label is not one of its task.
    """
    columns, labels = _columns(contract, frame)
    from tfx_pipeline.evaluation.prediction import Question, ask_columns

    outputs = ask_columns(model, columns)
    by = {name: columns[name] for name in contract.gate.sliced_by}
    if contract.gate.by_period:
        by[contract.period_column] = frame[contract.period_column].to_numpy(str)
    question = Question.of(contract)
    used = question.learnt_from(frame[contract.key.column].astype(str)) if held_out else None
    return question.answers(labels, outputs, weights, by, used)


def serving_folder(run: RunRecord) -> Path:
    """The SavedModel that a run trained, pushed or not.

    Raises:
        NotFoundError: the run did not get that far.
    """
    if not run.model_uri:
        raise NotFoundError(f"run {run.run_id} trained no model: {run.error or 'it did not get that far'}")
    quiet_libraries()
    from tfx.utils import path_utils

    return Path(path_utils.serving_model_path(run.model_uri))


def _columns(contract: Contract, frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    wanted = [*contract.features, contract.label.name]
    missing = [column for column in wanted if column not in frame]
    if missing:
        raise WrongUseError(f"the rows lack {', '.join(missing)}; needed: {', '.join(wanted)}")
    if frame.empty:
        raise WrongUseError("there are no rows to validate on")
    optional = {name for name, feature in contract.features.items() if feature.optional}
    empty = [column for column in wanted if column not in optional and frame[column].isna().any()]
    if empty:
        raise WrongUseError(f"the rows have empty values in {', '.join(empty)}, which the contract does not allow")
    return model_columns(contract.features, frame), _labels(contract, frame)


def _labels(contract: Contract, frame: pd.DataFrame) -> np.ndarray:
    """Class ids (n,) int, or numbers (n,) float."""
    name, classes = contract.label.name, len(contract.label.classes)
    if not classes:
        return frame[name].to_numpy(np.float64)
    labels = frame[name].to_numpy(np.int64)
    highest, what = (2**classes - 1, "the number of a set") if contract.label.several else (classes - 1, "a class id")
    if labels.min() < 0 or labels.max() > highest:
        raise WrongUseError(f"`{name}` must be {what} from 0 to {highest}")
    return labels
