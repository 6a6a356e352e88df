"""One verdict of the quality gate, as model facts and decisions keep it."""

from lakeloop.frozen_model import FrozenModel


class GateCheck(FrozenModel):
    """One check of the quality gate as it was when the model was judged."""

    name: str
    value: float
    bound: str
    passed: bool
