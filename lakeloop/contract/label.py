"""What is predicted: classes derived from the ground truth, the ground truth itself, a number, or several labels."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lakeloop.contract.decision_threshold import Costs, DecisionThreshold, nearest
from lakeloop.contract.label_classes import LabelClass, first_class
from lakeloop.contract.metrics import Task
from lakeloop.contract.section import (
    UNQUOTED,
    Name,
    Section,
    Text,
    Value,
    mistake,
    sequences_as_tuples,
    some,
    unless,
)
from lakeloop.contract.several_labels import NO_LABEL, label_of_a_set
from lakeloop.contract.truth import Truth

NUMBERS = ("int", "float")
"""The types that a truth which is predicted itself can have."""
LEVEL = 0.8
Loss = Literal["squared_error", "poisson"]
"""What a model of numbers is fitted by, by scikit-learn's names."""


class Label(Section):
    """What is predicted: class ids count from 0 in the order of `classes`, derived from `column` of `source`.

    `decision`: from which probability of one of two classes on it is answered; without it the most probable class is.
    `ordered`: classes stand in an order, so that an answer can be near the label or far from it.

    Without `classes` it is the number in `column` itself (regression); a model then answers an interval, too, that
    holds the truth of a share `interval` of the rows. `loss`: what such a model is fitted by; `poisson` is for counts
    and other amounts that are never below 0, whose errors grow with them.

    `made`: an expression over columns of `source` that the truth is computed by; then no file has `column`.

    `ahead`: the truth of a row is what the same thing has so many periods later, in that period's row of the source.

    `naive`: the feature that says what the row has now, of the truth's type or the name of a class. To take it for the
    answer, a persistence forecast, is what a model has to beat.

    `columns` are several labels instead (multi-label), each a column of `source` that is yes or no, of which a row may
    have any. The truth, `<name>_set`, is then which of them say yes: a whole number whose bit i stands for label i.
    """

    name: Name
    description: Text
    source: Name
    columns: tuple[Name, ...] = Field((), exclude_if=lambda names: names == ())
    column: Name
    made: Text | None = None
    truth: Truth
    classes: tuple[LabelClass, ...] = Field((), min_length=2, exclude_if=lambda classes: classes == ())
    ordered: bool = unless(False)
    loss: Loss = unless("squared_error")
    interval: Annotated[float, Field(gt=0, lt=1)] = unless(LEVEL)
    decision: DecisionThreshold | None = unless(None)
    ahead: Annotated[int, Field(ge=1)] | None = unless(None)
    naive: Name | None = unless(None)

    @model_validator(mode="before")
    @classmethod
    def _several_labels_make_a_set(cls, given: Any) -> Any:
        """Of several columns the classes are their names, and the truth is the number of a set."""
        several = isinstance(given, dict) and isinstance(given.get("columns"), list | tuple) and given["columns"]
        return label_of_a_set(sequences_as_tuples(given)) if several else given

    @model_validator(mode="before")
    @classmethod
    def _two_names_are_false_and_true(cls, given: Any) -> Any:
        """Of a bool truth, two classes without any `when` are that of false and that of true, in this order."""
        if not isinstance(given, dict):
            return given
        given = sequences_as_tuples(given)
        truth, classes = given.get("truth"), given.get("classes")
        if not isinstance(truth, dict) or truth.get("type") != "bool" or not isinstance(classes, tuple):
            return given
        if len(classes) != 2 or not all(isinstance(c, dict) and set(c) == {"name"} for c in classes):
            return given
        return {**given, "classes": tuple({**c, "when": {"equals": bool(i)}} for i, c in enumerate(classes))}

    @model_validator(mode="after")
    def _is_a_number_without_classes(self) -> Self:
        if self.classes and "interval" in self.model_fields_set:
            raise mistake("`interval` is the share of rows whose number lies in what a model answers, and this label "
                          "has classes; leave `interval` out, or `classes`")  # fmt: skip
        if self.classes and self.loss != "squared_error":
            raise mistake("`loss` is of a label that is a number, and this one has classes; leave it out")
        if not self.classes and self.truth.type not in NUMBERS:
            raise mistake(f"without `classes` the number itself is predicted, and the truth is of type "
                          f"{self.truth.type}; name its `classes`, or take a truth of type "
                          f"{' or '.join(NUMBERS)}")  # fmt: skip
        if self.loss == "poisson" and self.limits[0] < 0:
            raise mistake("`loss: poisson` is for what is never below 0; say that of the truth by `valid: [0, …]`, or "
                          "leave `loss` out")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _is_ordered_where_one_class_is_nearer(self) -> Self:
        if self.ordered and len(self.classes) < 3:
            has = f"has {len(self.classes)} classes" if self.classes else "is a number, which is ordered anyway"
            raise mistake(f"`ordered` tells near answers from far ones, which takes three classes, and this label "
                          f"{has}; leave it out")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _decides_between_two_classes(self) -> Self:
        if self.decision is None:
            return self
        if len(self.classes) != 2:
            has = f"has {len(self.classes)} classes" if self.classes else "is a number"
            raise mistake(f"`decision` is a threshold between two classes, and this label {has}; leave it out")
        of, names = self.decision.of, self.class_names
        if of is not None and of not in names:
            raise mistake(f"`decision.of` is '{of}', which is not a class of the label; {nearest(of, names)}"
                          f"classes: {', '.join(names)}")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _equals_what_the_truth_can_be(self) -> Self:
        equals = [None if c.when is None else c.when.equals for c in self.classes]
        if self.truth.type != "bool":
            unquoted = [("classes", i, "when", "equals") for i, value in enumerate(equals) if isinstance(value, bool)]
            if unquoted:
                raise PydanticCustomError(UNQUOTED, "a text or a number is needed", {"places": unquoted})
        elif any(c.when is not None and not isinstance(c.when.equals, bool) for c in self.classes):
            raise mistake("a bool ground truth is true or false: write `when: {equals: true}`")
        return self

    @model_validator(mode="after")
    def _classes_cover_everything(self) -> Self:
        if not self.classes or self.several:
            return self
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise mistake(f"`classes` names a class twice: {', '.join(names)}")
        open_ends = [c.name for c in self.classes if c.when is None]
        if self.truth_values is None and len(open_ends) != 1:
            raise mistake("exactly one class must have no `when`: it takes what no other class does")
        if self.truth_values is not None:
            for value in self.truth_values:
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
        if self.truth_values is not None:
            return class_id in {self.class_id(value) for value in self.truth_values}
        if when is None or self.truth.valid is None:
            return True
        low, high = self.truth.valid
        if when.equals is not None:
            return not isinstance(when.equals, str) and low <= when.equals <= high
        return when.above < high if when.above is not None else (when.below or 0.0) > low

    @property
    def truth_values(self) -> tuple[Value, ...] | None:
        """Every value that the truth can have; None for a range of numbers."""
        return (False, True) if self.truth.type == "bool" else self.truth.values

    @property
    def truth_is_number(self) -> bool:
        """Whether the truth has an average and a distribution of its own beside the classes."""
        return self.truth.type not in ("string", "bool") and not self.several

    @property
    def several(self) -> bool:
        """Whether a row may have several labels."""
        return bool(self.columns)

    @property
    def computed(self) -> bool:
        """Whether the truth is computed from delivered columns, and no file has it as it is."""
        return self.made is not None or self.several

    @property
    def truth_column(self) -> str:
        """The column of a row's truth where it stands beside its features, as in gold: `column`, or of a later period
        `<column>_ahead`, since the row may have its own.
        """
        return ahead_column(self.column) if self.ahead else self.column

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest number that a truth without classes can be."""
        possible: Any = self.truth.limits or self.truth.values
        return float(min(possible)), float(max(possible))

    @property
    def task(self) -> Task:
        """What a model of it does."""
        if self.several:
            return "multilabel"
        return "classification" if self.classes else "regression"

    @property
    def carried_as(self) -> Literal["int", "float"]:
        """How it travels in exports and examples: a class id, that of a set of labels, or the number."""
        return "int" if self.classes else "float"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names, or those of several labels; the position is the id. None where a number is predicted."""
        return tuple(c.name for c in self.classes)

    @property
    def positive(self) -> int:
        """The class id that a threshold is of; the last one's, where the contract does not say it."""
        of = None if self.decision is None else self.decision.of
        return len(self.classes) - 1 if of is None else self.class_names.index(of)

    @property
    def costs(self) -> Costs | None:
        """What an answer costs by the label's class id, then the answer's; None where the contract does not say it."""
        return None if self.decision is None else self.decision.costs(self.positive)

    @property
    def gold_columns(self) -> tuple[str, ...]:
        """Gold's columns of it: id and name of a class or of a set of labels, or the number."""
        return (self.name, self.name_column) if self.classes else (self.name,)

    @property
    def name_column(self) -> str:
        """The gold column holding the class name beside the class id."""
        return f"{self.name}_name"

    def class_id(self, truth: Value) -> int:
        """The class id of one ground truth value; the first class whose `when` holds wins. Of several labels that of
        their set.
        """
        if self.several:
            return int(truth)
        return first_class(self.classes, truth)

    def name_of(self, class_id: int) -> str:
        """The name of a class, or of a set of labels: `billing, outage`, or `none`."""
        if not self.several:
            return self.class_names[class_id]
        return ", ".join(self.labels_of(class_id)) or NO_LABEL

    def labels_of(self, set_id: int) -> tuple[str, ...]:
        """The labels of a set, in the contract's order."""
        return tuple(name for i, name in enumerate(self.columns) if set_id >> i & 1)


def ahead_column(column: str) -> str:
    """The column of the truth of a row that is a later row's `column`."""
    return f"{column}_ahead"
