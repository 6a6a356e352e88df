"""One verdict of the quality gate, as model facts and decisions keep it."""

from pydantic import BaseModel, ConfigDict


class GateCheck(BaseModel):
    """One check of the quality gate as it was when the model was judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float
    bound: str
    passed: bool
