"""Classes, and the conditions on the ground truth that they are derived by."""

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from lakeloop.contract.section import Name, Section, Value, mistake


class When(Section):
    """A condition on the ground truth column; exactly one of the three."""

    above: float | None = None
    below: float | None = None
    equals: Value | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(v is not None for v in (self.above, self.below, self.equals)) != 1:
            raise mistake("write exactly one of `above: NUMBER`, `below: NUMBER`, `equals: VALUE`")
        return self

    def holds(self, value: Value) -> bool:
        """Whether `value` meets the condition; both bounds are exclusive."""
        if self.equals is not None:
            return value == self.equals
        return float(value) > self.above if self.above is not None else float(value) < self.below  # type: ignore[operator]


class LabelClass(Section):
    """One class; the one without `when` takes what no other does."""

    name: Name
    when: When | None = None


def first_class(classes: Sequence[LabelClass], truth: Value) -> int:
    """The id of the first class whose `when` holds for a value, else of the one without; -1 where there is none."""
    otherwise = next((i for i, c in enumerate(classes) if c.when is None), -1)
    return next((i for i, c in enumerate(classes) if c.when and c.when.holds(truth)), otherwise)
