"""One row of gold/drift: what a window of requests was found to be, for one column or as a whole."""

from dataclasses import dataclass
from typing import Literal

WindowKind = Literal["month", "tumbling"]
"""How windows are cut: a month of event time, or so many requests within one."""

FEATURE, PREDICTION, DATASET = "feature", "prediction", "dataset"


@dataclass(frozen=True)
class DriftRow:
    """The fields are the table's columns, in order. The dataset's row has the share as its score."""

    model_version: str
    kind: str
    month: str
    first: str
    last: str
    rows: int
    column_kind: Literal["feature", "prediction", "dataset"]
    column: str
    test: str
    score: float | None
    threshold: float | None
    drifted: bool
    note: str
    state: str
    reason: str
    drifted_columns: int
    columns: int
    sampled_rows: int | None
    standard_error: float | None
    judged_from: str
