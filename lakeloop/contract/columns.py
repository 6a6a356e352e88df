"""Typed columns with the values that are possible at all, and the features among them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lakeloop.contract.section import Name, Scalar, Section, Text, mistake

FeatureType = Literal["float", "int", "string"]
NUMERIC_TESTS = ("wasserstein", "ks")


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
        if (self.valid is None) == (self.values is None):
            raise mistake("state either `valid: [lowest, highest]` or `values: [...]`, and not both")
        if self.valid is not None and self.type == "string":
            raise mistake("a string column cannot have `valid`; list its `values` instead")
        if self.valid is not None and self.valid[0] >= self.valid[1]:
            raise mistake(f"`valid` is {list(self.valid)}; the first number must be below the second")
        if self.values is not None:
            wanted: tuple[type, ...] = {"string": (str,), "int": (int,), "float": (int, float)}[self.type]
            wrong = [v for v in self.values if not isinstance(v, wanted) or isinstance(v, bool)]
            if wrong or not self.values:
                raise mistake(f"`values` must be a list of {self.type} values; got {list(self.values)}")
            if len(set(self.values)) != len(self.values):
                raise mistake(f"`values` names a value twice: {list(self.values)}")
        return self

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `0 to 150` or `one of 0, 1`."""
        if self.valid is not None:
            low, high = self.valid
            return f"{low:g} to {high:g}"
        return "one of " + ", ".join(map(str, self.values or ()))


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
        return self
