"""What a window of requests was found to be: one record for whoever looks, in the store, on pages and in events."""

from typing import Literal

from pydantic import Field

from lakeloop.contract.production import ReferenceKind
from lakeloop.frozen_model import FrozenModel

MISSING_SHARE = "missing share"
"""What is measured beside an optional feature's values: the Jensen-Shannon distance of the shares that are missing."""
DriftState = Literal["stable", "drift", "too few rows", "no reference"]
WindowKind = Literal["month", "tumbling"]
"""How windows are cut: a period of event time, stored as `month` whatever its kind, or so many requests."""


class Window(FrozenModel, populate_by_name=True, serialize_by_alias=True):
    """The requests that were looked at, in event time (`first`, `last`: ISO 8601 in UTC, '' of an empty window)."""

    kind: Literal["rolling", "tumbling", "month"]
    first: str = ""
    last: str = ""
    rows: int = Field(ge=0)
    period: str = Field(
        "", alias="month", description="name of the period it is, or lies in; '' of what the live monitor looked at"
    )


class ColumnDrift(FrozenModel):
    """One column against the reference. `score` is None where the test could not be computed; `note` says why."""

    column: str
    test: str
    score: float | None
    threshold: float
    drifted: bool
    note: str = ""

    @property
    def label(self) -> str:
        """What it is called among a window's scores."""
        return f"missing {self.column}" if self.test == MISSING_SHARE else self.column

    @property
    def times_threshold(self) -> float:
        """How far beyond its threshold: a p-value lies below it, a distance above."""
        score = max(self.score or 0.0, 1e-12)
        return max(score / self.threshold, self.threshold / score)

    @property
    def towards_drift(self) -> float | None:
        """How far on its way to drift, which begins at 1, whichever way its test is read; None where not measured."""
        if self.score is None:
            return None
        return self.times_threshold if self.drifted else 1 / self.times_threshold


class DriftReport(FrozenModel):
    """One window against all rows of the champion's own export, or against requests (`reference`).

    A feature has drifted where its values have or, of an optional one, the share of those that are missing. `share` is
    drifted features / features; prediction and confidence are never among them. `state` is "drift" for dataset drift; a
    window that cannot be measured is neither stable nor drift and raises no alarm.
    """

    use_case: str
    model_version: str
    window: Window
    state: DriftState
    reason: str = Field("", description="why the window could not be measured")
    features: tuple[ColumnDrift, ...] = ()
    missing: tuple[ColumnDrift, ...] = Field((), description="the missing share of each optional feature")
    prediction: ColumnDrift | None = None
    confidence: ColumnDrift | None = Field(None, description="of the class the model answers; none in older reports")
    reference: ReferenceKind = Field("train", description="what it was measured against")
    reference_periods: tuple[str, ...] = Field((), description="periods whose requests that was")
    reference_rows: int | None = Field(None, description="how many requests; None: training rows")
    reference_note: str = Field("", description="why it was the training rows, where the contract says otherwise")
    share_threshold: float | None = Field(None, description="share of drifted features from which it is drift")
    sampled_rows: int | None = Field(None, description="rows taken of a larger window; None: all")
    standard_error: float | None = Field(None, description="largest error of a score that sampling brings")
    judged_from: str = Field("", description="hash of requests, reference and tests, where windows are looked at again")

    @property
    def against(self) -> str:
        """What it was measured against, in words: `train`, or which requests."""
        if self.reference == "train":
            return f"train: {self.reference_note}" if self.reference_note else "train"
        which = (
            " to ".join(dict.fromkeys((self.reference_periods[0], self.reference_periods[-1])))
            if self.reference_periods
            else f"{self.reference_rows or 0:,} requests"
        )
        return f"{self.reference.replace('_', ' ')}: {which}"

    @property
    def columns(self) -> tuple[ColumnDrift, ...]:
        """The features, and of the model's answers what was measured: prediction and confidence."""
        return (*self.features, *self._answers)

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted features."""
        missing = {column.column for column in self.missing if column.drifted}
        return tuple(column.column for column in self.features if column.drifted or column.column in missing)

    @property
    def signals(self) -> tuple[ColumnDrift, ...]:
        """All that was measured: features, the missing shares of optional ones, prediction and confidence."""
        return (*self.features, *self.missing, *self._answers)

    @property
    def _answers(self) -> tuple[ColumnDrift, ...]:
        return tuple(column for column in (self.prediction, self.confidence) if column is not None)

    @property
    def furthest(self) -> tuple[ColumnDrift, ...]:
        """The drifted features, the furthest beyond its threshold first; each by its values or its missing share."""
        drifted = [column for column in (*self.features, *self.missing) if column.drifted]
        ordered = sorted(drifted, key=lambda column: column.times_threshold, reverse=True)
        return tuple({column.column: column for column in reversed(ordered)}[name] for name in
                     dict.fromkeys(column.column for column in ordered))  # fmt: skip

    @property
    def share(self) -> float:
        """Drifted features / features; 0 of a window that was not measured."""
        return len(self.drifted) / len(self.features) if self.features else 0.0

    @property
    def dataset_drift(self) -> bool:
        """Whether enough features drifted for the model's training data to count as out of date."""
        return self.state == "drift"
