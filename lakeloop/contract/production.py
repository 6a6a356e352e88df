"""How a model is used: when rules answer instead of it, and how it is watched."""

from typing import Annotated

from pydantic import Field, StringConstraints

from lakeloop.contract.section import Name, Section, Share


class UsualRange(Section):
    """Inputs the model may answer: at_least <= value < below; outside, the rules answer."""

    at_least: float
    below: float


class Fallback(Section):
    """When and how rules answer instead of the model. `rules` is FILE.py:FUNCTION beside the contract."""

    rules: Annotated[str, StringConstraints(pattern=r"^[\w-]+\.py:\w+$")]
    confidence_below: Share = 0.0
    ranges: dict[Name, UsualRange] = {}


class Monitoring(Section):
    """How production is watched."""

    window: Annotated[int, Field(ge=10)] = 1500
    dataset_drift_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    episode_closes_after: Annotated[int, Field(ge=1)] = 3
