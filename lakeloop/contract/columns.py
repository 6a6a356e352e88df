"""Typed columns with the values that are possible at all, and the features among them."""

from collections.abc import Iterator
from math import ceil, floor
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lakeloop.contract.section import UNQUOTED, Name, Scalar, Section, Text, mistake, some

FeatureType = Literal["float", "int", "bool", "string"]
NUMERIC_TESTS = ("wasserstein", "ks")
LARGEST_INT = 2**53
"""The whole numbers that a JSON client, a float and a 64-bit integer all hold exactly end here."""
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
"""The largest 32-bit float: what a tf.Example, hence the model, holds of a float feature."""


class DriftTest(Section):
    """How a feature's drift is measured; a score at or above `threshold` (p-value tests: below) is drift."""

    test: Literal["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ks"]
    threshold: Annotated[float, Field(gt=0)]


class Column(Section):
    """A typed column with the values that are possible at all; what is outside is rejected."""

    type: FeatureType
    description: Text
    unit: str = ""
    valid: tuple[float, float] | None = None
    values: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _allowed_values_are_stated(self) -> Self:
        if self.type == "bool" and (self.valid is not None or self.values is not None):
            raise mistake("a bool column is true or false; leave `valid` and `values` out")
        if self.type != "bool" and (self.valid is None) == (self.values is None):
            raise mistake("state either `valid: [lowest, highest]` or `values: [...]`, and not both")
        if self.valid is not None:
            _check_range(self.type, self.valid)
        if self.values is not None:
            _check_values(self.type, self.values)
        return self

    @property
    def optional(self) -> bool:
        """Whether a row without a value is good: null in tables, an empty field in files."""
        return False

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `0 to 150` or `one of 0, 1`."""
        if self.type == "bool":
            return "true or false"
        if self.valid is not None:
            low, high = self.valid
            return f"{low:g} to {high:g}"
        return "one of " + ", ".join(map(str, self.values or ()))


def _check_range(kind: FeatureType, valid: tuple[float, float]) -> None:
    low, high = valid
    if kind == "string":
        raise mistake("a string column cannot have `valid`; list its `values` instead")
    if low >= high:
        raise mistake(f"`valid` is {list(valid)}; the first number must be below the second")
    if kind == "int" and max(abs(low), abs(high)) > LARGEST_INT:
        raise mistake(f"`valid` is {list(valid)}; whole numbers are exact up to ±{LARGEST_INT:,}, so stay inside that")
    if kind == "int" and ceil(low) > floor(high):
        raise mistake(f"`valid` is {list(valid)}: no whole number lies there; widen it, or take `type: float`")


def _check_values(kind: FeatureType, values: tuple[Scalar, ...]) -> None:
    wanted: tuple[type, ...] = {"string": (str,), "int": (int,), "float": (int, float)}[kind]
    wrong = [position for position, value in enumerate(values) if not isinstance(value, wanted)]
    if wrong and kind == "string":
        raise PydanticCustomError(UNQUOTED, "a string column's `values` are texts", {"positions": wrong})
    if wrong or not values:
        found = some(repr(values[position]) for position in wrong) or "none"
        raise mistake(f"`values` must be a list of {kind} values; got {found}")
    doubles = dict.fromkeys(value for position, value in enumerate(values) if value in values[:position])
    if doubles:
        raise mistake(f"`values` names a value twice: {some(map(repr, doubles))}; keep one of each")
    if "" in values:
        raise mistake("`values` has the empty text among it, which in a CSV file is a missing value; leave it out")
    if nul := [value for value in values if isinstance(value, str) and "\0" in value]:
        raise mistake(f"`values` has {some(map(repr, nul))}: no text file holds NUL characters; leave it out")
    if kind == "int" and (far := [value for value in values if abs(int(value)) > LARGEST_INT]):
        raise mistake(
            f"`values` has {some(far)}; whole numbers are exact up to ±{LARGEST_INT:,}; as texts they all are"
        )


class Feature(Column):
    """A model input. `role`: numeric and binary are scaled, categorical is one-hot encoded."""

    role: Literal["numeric", "binary", "categorical"]
    group: Name | None = None
    drift: DriftTest

    @model_validator(mode="after")
    def _role_fits_type(self) -> Self:
        if self.role == "numeric" and (self.type == "string" or self.valid is None):
            raise mistake("a numeric feature needs type float or int and `valid: [lowest, highest]`")
        if self.role == "binary" and (self.type != "int" or self.values is None or sorted(self.values) != [0, 1]):
            raise mistake("a binary feature needs `type: int` and `values: [0, 1]`")
        if self.role == "categorical" and (self.type == "float" or self.values is None):
            raise mistake("a categorical feature needs type string or int and its `values: [...]`")
        if self.role != "numeric" and self.drift.test in NUMERIC_TESTS:
            raise mistake(f"drift test {self.drift.test} is for numeric features only; take jensenshannon or psi")
        if self.type == "float" and self.largest > LARGEST_FLOAT32:
            raise mistake(
                f"`valid` reaches to {self.largest:g}; a model's float is one of 32 bits and ends at "
                f"{LARGEST_FLOAT32:.4g}: narrow it, or deliver the number in a larger unit"
            )
        return self

    @property
    def largest(self) -> float:
        """How far from 0 a value of the range can be; 0 without a range."""
        return max(map(abs, self.valid)) if self.valid is not None else 0.0


def notes_on(features: dict[str, Feature]) -> Iterator[str]:
    """What is good but should be known: sentences on features whose values a model cannot tell apart."""
    for name, feature in features.items():
        if feature.type == "float" and feature.largest > 2**24:
            yield (
                f"features.{name}: its `valid` reaches to {feature.largest:,.0f}, and a model's 32-bit float keeps "
                "about seven digits: 123456789 becomes 123456792. `type: int` keeps a whole number as it is in the "
                "lake, in the examples and in statistics"
            )
