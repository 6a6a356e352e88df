"""One verdict of the quality gate, as it is made and as run records, model cards and decisions keep it."""

from pydantic import Field

from lakeloop.frozen_model import FrozenModel


class GateCheck(FrozenModel):
    """One requirement: its measured value, the bound in words as it was then, and whether it held."""

    name: str
    value: float
    bound: str
    passed: bool
    interval: tuple[float, float] | None = Field(None, description="95 % interval of the value, where it has one")
    rows: int | None = Field(None, description="rows it was measured on, where it is known")
    note: str = Field("", description="what else is to be known, a sentence")
