"""One verdict of the quality gate, as it is made and as run records, model cards and decisions keep it."""

from lakeloop.frozen_model import FrozenModel


class GateCheck(FrozenModel):
    """One requirement: its measured value, the bound in words as it was then, and whether it held."""

    name: str
    value: float
    bound: str
    passed: bool
