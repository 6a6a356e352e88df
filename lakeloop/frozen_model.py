"""The base of every record: what is in it is checked when it is made, and never changes afterwards."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A record of named, checked values. A key it does not know is a mistake: `extra="ignore"` passes over such."""

    model_config = ConfigDict(frozen=True, extra="forbid")
