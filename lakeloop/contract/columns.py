"""Typed columns with the values that are possible at all."""

from math import ceil, floor, nan
from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lakeloop.contract.section import UNQUOTED, Scalar, Section, Text, mistake, some
from lakeloop.contract.time_features import FIRST, LAST, seconds_of

ColumnType = Literal["float", "int", "decimal", "bool", "string", "date", "timestamp"]
CarriedType = Literal["float", "int", "string"]
TIMES = ("date", "timestamp")
"""Types that travel as whole seconds since 1970."""
CARRIED: dict[str, CarriedType] = {"bool": "int", "decimal": "float", "date": "int", "timestamp": "int"}
"""How types travel that are not themselves what exports, examples and signatures have."""
LARGEST_INT = 2**53
"""The whole numbers that a JSON client, a float and a 64-bit integer all hold exactly end here."""
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
"""The largest 32-bit float: what a tf.Example, hence the model, holds of a float feature."""
DECIMAL_DIGITS, DECIMAL_PLACES = 38, 10
"""The digits of a decimal in the lake, and how many of them stand behind the point."""
LARGEST_DECIMAL = 9.999e27
SMALLEST_INT64 = -(2**63)
STAND_INS: dict[CarriedType, float | int | str] = {"float": nan, "int": SMALLEST_INT64, "string": ""}
"""What stands for a missing value where there must be one: in a parsed tf.Example and in a model's signature."""
LIMITS: dict[str, tuple[float, float]] = {
    "float": (-LARGEST_FLOAT32, LARGEST_FLOAT32), "int": (-LARGEST_INT, LARGEST_INT),
    "decimal": (-LARGEST_DECIMAL, LARGEST_DECIMAL), **dict.fromkeys(TIMES, (seconds_of(FIRST), seconds_of(LAST))),
}  # fmt: skip
"""Where the contract states no limits of a number: what a model, a JSON client and the lake all hold."""
ANYTHING = {
    "float": "any number", "int": "any whole number", "decimal": "any number", "bool": "true or false",
    "string": "any text", "date": "any date", "timestamp": "any time",
}  # fmt: skip


class Column(Section):
    """A typed column with the values that are possible at all; what is outside is rejected."""

    type: ColumnType
    description: Text
    unit: str = ""
    valid: tuple[float, float] | None = None
    values: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _allowed_values_are_stated(self) -> Self:
        if self.type == "bool" and (self.valid is not None or self.values is not None):
            raise mistake("a bool column is true or false; leave `valid` and `values` out")
        if self.type in ("decimal", *TIMES) and not self.may_be_anything:
            raise mistake(f"a {self.type} is for features; a truth is float, int, bool or string, and a float takes "
                          "every decimal")  # fmt: skip
        if self.type in TIMES and (self.valid is not None or self.values is not None):
            raise mistake(f"a {self.type} has no `valid` and no `values`: any one from {FIRST.year} to {LAST.year} is "
                          "possible; leave them out")  # fmt: skip
        if self.valid is not None and self.values is not None:
            raise mistake("state either `valid: [lowest, highest]` or `values: [...]`, and not both")
        if self.valid is None and self.values is None and self.type != "bool" and not self.may_be_anything:
            raise mistake("state either `valid: [lowest, highest]` or `values: [...]`")
        if self.valid is not None:
            _check_range(self.type, self.valid)
        if self.values is not None:
            _check_values(self.type, self.values)
        return self

    @property
    def may_be_anything(self) -> bool:
        """Whether a contract may leave both `valid` and `values` out."""
        return False

    @property
    def optional(self) -> bool:
        """Whether a row without a value is good: null in tables, an empty field in files, null or absent in JSON."""
        return False

    @property
    def carried_as(self) -> CarriedType:
        """The type of its values in exports, examples and the model's signature: a bool is 0 or 1 there."""
        return CARRIED.get(self.type) or self.type  # type: ignore[return-value]

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest number possible: `valid`, else what its type holds; None where `values` say it."""
        if self.valid is not None or self.values is not None:
            return self.valid
        return LIMITS.get(self.type)

    @property
    def choices(self) -> tuple[Scalar, ...] | None:
        """The values the contract lists, as `carried_as`; 0 and 1 of a bool; None where it lists none."""
        return (0, 1) if self.type == "bool" else self.values

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `0 to 150` or `one of 0, 1`."""
        if self.type == "bool":
            return "true or false"
        if self.valid is not None:
            low, high = self.valid
            return f"{low:g} to {high:g}"
        return "one of " + ", ".join(map(str, self.values)) if self.values is not None else ANYTHING[self.type]


def not_allowed(column: Column) -> str:
    """What an impossible value of the column is, e.g. `outside 0 to 150 years`, `not one of basic, plus`."""
    if column.values is not None:
        return f"not one of {some(column.values)}"
    if column.valid is not None:
        return f"outside {column.allowed} {column.unit}".strip()
    if column.type in TIMES:
        return f"outside the years {FIRST.year} to {LAST.year}"
    largest = column.limits[1] if column.limits else 0
    return f"beyond ±{largest:.5g}, the largest {column.type} there is here"


def _check_range(kind: ColumnType, valid: tuple[float, float]) -> None:
    low, high = valid
    if kind == "string":
        raise mistake("a string column cannot have `valid`; list its `values` instead")
    if low >= high:
        raise mistake(f"`valid` is {list(valid)}; the first number must be below the second")
    if kind == "int" and max(abs(low), abs(high)) > LARGEST_INT:
        raise mistake(f"`valid` is {list(valid)}; whole numbers are exact up to ±{LARGEST_INT:,}, so stay inside that")
    if kind == "int" and ceil(low) > floor(high):
        raise mistake(f"`valid` is {list(valid)}: no whole number lies there; widen it, or take `type: float`")


def _check_values(kind: ColumnType, values: tuple[Scalar, ...]) -> None:
    wanted: tuple[type, ...] = {"string": (str,), "int": (int,)}.get(kind, (int, float))
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
