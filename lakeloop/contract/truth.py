"""The ground truth as it is delivered: a column, whole or in parts that several rows of a key make together."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lakeloop.contract.columns import Column
from lakeloop.contract.section import Name, mistake

Combine = Literal["last", "sum", "mean", "min", "max", "count", "any"]
COMBINED_AS = {"sum": ("int", "float"), "mean": ("float",), "min": ("int", "float"), "max": ("int", "float"),
               "count": ("int",), "any": ("bool",)}  # fmt: skip
"""The types that what the parts make together can have."""


class Truth(Column):
    """The ground truth. `combine`: what the parts that are known so far make together, where it comes in parts, which
    the column `part` tells apart; `last`: it comes whole, and a later delivered one replaces it.
    """

    combine: Combine = Field("last", exclude_if=lambda combine: combine == "last")
    part: Name | None = Field(None, exclude_if=lambda part: part is None)

    @model_validator(mode="after")
    def _parts_can_be_combined(self) -> Self:
        if self.combine == "last":
            if self.part is not None:
                raise mistake(f"`part` tells parts apart that are combined; say how: {', '.join(COMBINED_AS)}")
            return self
        if self.part is None:
            raise mistake(f"`combine: {self.combine}` needs `part`, the column that tells the parts of a key apart")
        if self.type not in (allowed := COMBINED_AS[self.combine]):
            raise mistake(f"`combine: {self.combine}` gives {' or '.join(allowed)}, and `type` is {self.type}")
        return self

    @property
    def in_parts(self) -> bool:
        """Whether several rows of a key make its truth."""
        return self.combine != "last"


class TruthPart(Column):
    """A column that only the truth is computed from; it may be missing, and so may the truth then."""

    @property
    def optional(self) -> bool:
        """A row without it is good, and has no truth."""
        return True
