"""What is predicted: classes derived from the ground truth."""

from typing import Self

from pydantic import Field, model_validator

from lakeloop.contract.columns import Column
from lakeloop.contract.section import Name, Scalar, Section, Text, mistake, some


class When(Section):
    """A condition on the ground truth column; exactly one of the three."""

    above: float | None = None
    below: float | None = None
    equals: Scalar | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(v is not None for v in (self.above, self.below, self.equals)) != 1:
            raise mistake("write exactly one of `above: NUMBER`, `below: NUMBER`, `equals: VALUE`")
        return self

    def holds(self, value: Scalar) -> bool:
        """Whether `value` meets the condition; both bounds are exclusive."""
        if self.equals is not None:
            return value == self.equals
        return float(value) > self.above if self.above is not None else float(value) < self.below  # type: ignore[operator]


class LabelClass(Section):
    """One class; the one without `when` takes what no other does."""

    name: Name
    when: When | None = None


class Label(Section):
    """What is predicted: class ids count from 0 in the order of `classes`, derived from `column` of `source`."""

    name: Name
    description: Text
    source: Name
    column: Name
    truth: Column
    classes: tuple[LabelClass, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _classes_cover_everything(self) -> Self:
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise mistake(f"`classes` names a class twice: {', '.join(names)}")
        open_ends = [c.name for c in self.classes if c.when is None]
        if self.truth.values is None and len(open_ends) != 1:
            raise mistake("exactly one class must have no `when`: it takes what no other class does")
        if self.truth.values is not None:
            for value in self.truth.values:
                if self.truth.type == "string" and any(c.when and c.when.equals is None for c in self.classes):
                    raise mistake("a string ground truth needs `when: {equals: VALUE}`")
                if len(open_ends) == 0 and not any(c.when and c.when.holds(value) for c in self.classes):
                    raise mistake(f"no class takes the value {value!r}; give it a class or leave one `when` out")
        if len(open_ends) > 1:
            raise mistake(f"only one class may have no `when`; {', '.join(open_ends)} have none")
        if empty := [c.name for i, c in enumerate(self.classes) if not self._can_be(i)]:
            raise mistake(
                f"no allowed ground truth ({self.column}: {self.truth.allowed}) gives the class {some(empty)}; mend "
                "its `when`, or leave the class out"
            )
        return self

    def _can_be(self, class_id: int) -> bool:
        """Whether any allowed ground truth has this class; for a range only its `when` is looked at."""
        when = self.classes[class_id].when
        if self.truth.values is not None:
            return class_id in {self.class_id(value) for value in self.truth.values}
        if when is None or self.truth.valid is None:
            return True
        low, high = self.truth.valid
        if when.equals is not None:
            return not isinstance(when.equals, str) and low <= when.equals <= high
        return when.above < high if when.above is not None else (when.below or 0.0) > low

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names; the position is the class id."""
        return tuple(c.name for c in self.classes)

    @property
    def name_column(self) -> str:
        """The gold column holding the class name beside the class id."""
        return f"{self.name}_name"

    def class_id(self, truth: Scalar) -> int:
        """The class id of one ground truth value; the first class whose `when` holds wins."""
        otherwise = next((i for i, c in enumerate(self.classes) if c.when is None), -1)
        return next((i for i, c in enumerate(self.classes) if c.when and c.when.holds(truth)), otherwise)
