"""How a model is used: when rules answer instead of it, how its answers come back, and how it is watched."""

import operator
import re
from collections.abc import Mapping
from datetime import date
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lakeloop.contract.columns import TIMES
from lakeloop.contract.features import DriftTest
from lakeloop.contract.section import Name, Scalar, Section, Share, Text, mistake, unless
from lakeloop.contract.time_features import seconds_of
from lakeloop.contract.time_formats import TIMESTAMP, read_moment

COMPARISONS = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt
}  # fmt: skip
ReferenceKind = Literal["train", "last_good", "sliding"]
SLIDING_WINDOWS = 3
RULES = r"^[\w-]+\.py:\w+$"
CONDITION = re.compile(r"^\s*([a-z][a-z0-9_]*)\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*$")


class UsualRange(Section):
    """Inputs the model may answer: at_least <= value < below; outside, the rules answer."""

    at_least: float
    below: float


class Segment(Section):
    """Rows that meet all conditions, written `age < 25` or `age < 25 and training == 0`; texts are quoted or bare."""

    text: Text

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for part in self.text.split(" and "):
            if CONDITION.match(part) is None:
                raise mistake(
                    f"{part.strip()!r} is not a condition; write FEATURE < VALUE with one of {', '.join(COMPARISONS)}, "
                    "several joined by `and`"
                )
        return self

    @property
    def written(self) -> tuple[tuple[str, str, str], ...]:
        """(feature, comparison, value) of each condition, the value as it is written."""
        found = [CONDITION.match(part) for part in self.text.split(" and ")]
        return tuple((m[1], m[2], m[3]) for m in found if m is not None)

    @cached_property
    def conditions(self) -> tuple[tuple[str, str, Scalar], ...]:
        """(feature, comparison, value) of each condition."""
        return tuple((name, comparison, _value(text)) for name, comparison, text in self.written)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of features lies in the segment. A missing value (None) meets no condition, not even `!=`."""
        return all(
            row[name] is not None and _compared(row[name], comparison, value)
            for name, comparison, value in self.conditions
        )


def _value(text: str) -> Scalar:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")


def _compared(given: Any, comparison: str, value: Scalar) -> bool:
    meant: Any = _seconds(str(value)) if isinstance(given, date) else value
    return bool(COMPARISONS[comparison](seconds_of(given) if isinstance(given, date) else given, meant))


@cache
def _seconds(text: str) -> int | None:
    """A date or time of a condition, in UTC where it says no zone."""
    moment = read_moment(text, TIMESTAMP, "UTC")
    return None if moment is None else seconds_of(moment)


def condition_problem(name: str, kind: str, comparison: str, value: str) -> str:
    """What is wrong with comparing a feature of a type with a value; '' if nothing."""
    read = _value(value)
    if kind == "bool":
        right = read in (0, 1) and comparison in ("==", "!=")
        return "" if right else f"`{name}` is true or false; write `{name} == 1` or `{name} == 0`"
    if kind in TIMES:
        good = isinstance(read, str) and _seconds(read) is not None
        return "" if good else f"`{name}` is a {kind}; compare it with one in ISO 8601, such as 2024-01-31"
    if isinstance(read, str) != (kind == "string"):
        wanted = f"a text; write '{value}' in quotes" if kind == "string" else f"a number, and {read!r} is not"
        return f"`{name}` is {wanted}"
    if kind == "string" and comparison not in ("==", "!="):
        return f"`{name}` is a text; compare it with == or !="
    return ""


class Fallback(Section):
    """When and how rules answer instead of the model. `rules` is FILE.py:FUNCTION beside the contract.

    `segments` are switched off from the start; more can be switched off while the gateway runs.
    """

    rules: Annotated[str, StringConstraints(pattern=RULES)]
    confidence_below: Share = 0.0
    ranges: dict[Name, UsualRange] = {}
    segments: tuple[Text, ...] = ()

    @cached_property
    def segments_off(self) -> tuple[Segment, ...]:
        """The segments, parsed."""
        return tuple(Segment(text=text) for text in self.segments)

    @model_validator(mode="after")
    def _segments_are_readable(self) -> Self:
        for text in self.segments:
            Segment(text=text)
        return self


class Requests(Section):
    """The answered requests, which come back as a stream; `budget_ms` is what model or own code may take for one."""

    description: Text
    budget_ms: Annotated[int, Field(ge=1, le=60_000)] = 250


class Monitoring(Section):
    """How production is watched.

    `window`: requests measured together. `minimum_window`: fewer are not measured; by default half of `window`.
    `dataset_drift_share`: share of the features that must have drifted for the data as a whole to have.
    `prediction_drift`: test and threshold for what the model answers, classes or numbers.
    `confidence_drift`: the same for how sure it is of them, the probability of the class it answers.
    `reference`: what windows are measured against: `train`, all rows of the model's export; `last_good`, the newest
    period whose realised performance stood within the gate's bound and that showed no drift; `sliding`, the
    `sliding_windows` windows, or periods, just before.
    `episode_closes_after`: windows without dataset drift that end an episode.
    `fallback_rate_above`: share of a window answered by the rules above which somebody is told.
    `rejected_share_above`: share of the rows that a source delivered last which broke the contract, above which
    somebody is told. A hundredth: what real tables lose by their gaps is more, what a slip of one row loses is less.
    `overdue_share_above`: share of the newest rows whose row of a joined source is due that wait for it still, above
    which somebody is told.
    `silence_minutes`: without a request for so long, or a measured window while requests come, somebody is told.
    """

    window: Annotated[int, Field(ge=10)] = 1500
    minimum_window: Annotated[int, Field(ge=10)] | None = None
    dataset_drift_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    prediction_drift: DriftTest = DriftTest(test="jensenshannon", threshold=0.1)
    confidence_drift: DriftTest = unless(DriftTest(test="wasserstein", threshold=0.1))
    reference: ReferenceKind = unless("train")
    sliding_windows: Annotated[int, Field(ge=1, le=100)] = unless(SLIDING_WINDOWS)
    episode_closes_after: Annotated[int, Field(ge=1)] = 3
    fallback_rate_above: Share = 0.2
    rejected_share_above: Share = 0.01
    overdue_share_above: Share = 0.01
    silence_minutes: Annotated[float, Field(gt=0)] = 60

    @property
    def fewest(self) -> int:
        """Rows a window must have to be measured."""
        return self.minimum_window or max(10, self.window // 2)

    @model_validator(mode="after")
    def _windows_slide_where_they_are_counted(self) -> Self:
        if self.sliding_windows != SLIDING_WINDOWS and self.reference != "sliding":
            raise mistake(f"`sliding_windows` is {self.sliding_windows}, and `reference` is {self.reference}: say "
                          "`reference: sliding`, or leave it out")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.minimum_window is not None and self.minimum_window > self.window:
            raise mistake(f"`minimum_window` is {self.minimum_window}; at most `window`, {self.window}, is allowed")
        return self
