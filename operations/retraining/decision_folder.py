"""What of a retrain is too much for its record: the rows compared on, in `tfx/<use case>/decisions/<decision>/`."""

from pathlib import Path

import numpy as np
import pandas as pd

from lakeloop.atomic_file import replacing
from lakeloop.use_case import UseCase
from operations.retraining.folders import decisions_folder
from operations.retraining.record import Plan
from operations.retraining.selection import EvaluationRows

ROWS = "rows.parquet"
WEIGHT = "_weight"


def save_rows(use_case: UseCase, decision_id: str, rows: EvaluationRows) -> None:
    """Keep the rows that are compared on, with their weights."""
    frame = rows.frame if rows.weights is None else rows.frame.assign(**{WEIGHT: rows.weights})
    with replacing(_path(use_case, decision_id)) as part:
        frame.to_parquet(part, index=False)


def load_rows(use_case: UseCase, plan: Plan) -> EvaluationRows | None:
    """The rows that are compared on; None where there are none."""
    path = _path(use_case, plan.decision_id)
    if not path.exists():
        return None
    frame = pd.read_parquet(path)
    if WEIGHT not in frame:
        return EvaluationRows(frame, plan.judged_on)
    weights: np.ndarray = frame.pop(WEIGHT).to_numpy(float)
    return EvaluationRows(frame, plan.judged_on, weights)


def _path(use_case: UseCase, decision_id: str) -> Path:
    return decisions_folder(use_case) / decision_id / ROWS
