"""How a model is trained and checked: split, hyper-parameters, quality gate."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lakeloop.contract.section import Section, Share, Text, mistake

Balance = Literal["none", "weights", "smote"]


class Split(Section):
    """A row is an eval row when the first 8 hex digits of sha256('salt:key') are divisible by `every`."""

    salt: Text
    every: Annotated[int, Field(ge=2)] = 5

    def is_eval(self, key: str) -> bool:
        """Whether the row with this key is held out."""
        return int(hashlib.sha256(f"{self.salt}:{key}".encode()).hexdigest()[:8], 16) % self.every == 0


class ModelSettings(Section):
    """The trainer's hyper-parameters: what `--set NAME=VALUE` may change."""

    layers: Annotated[int, Field(ge=1, le=20)] = 3
    units: Annotated[int, Field(ge=1, le=10_000)] = 100
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 50
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    seed: Annotated[int, Field(ge=0)] = 1


class Training(Section):
    """How rows are weighed in training.

    `balance` evens out rare classes: by class weights, or by SMOTE, which adds rows between neighbours of a class.
    """

    balance: Balance = "none"


class Between(Section):
    """Open bounds: the value must lie strictly between them."""

    above: Share
    below: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.above >= self.below:
            raise mistake(f"`above` ({self.above:g}) must be smaller than `below` ({self.below:g})")
        return self


class MaxProbability(Section):
    """Bounds on the highest class probability over all evaluated rows."""

    min_above: Share
    mean_above: Share
    max_above: Share


class Gate(Section):
    """The quality gate's requirements. A check that is not named here is not made.

    `class_share_tolerance` 0.2 means: each predicted class' share within ±20 % of 1/classes.
    """

    accuracy: Between
    train_eval_gap_below: Share | None = None
    class_share_tolerance: Share | None = None
    max_probability: MaxProbability | None = None
    champion_margin: Share | None = None

    @property
    def bounds(self) -> dict[str, float]:
        """Every bound it has by its name in the contract, nested ones with a dot: `accuracy.above`."""
        flat: dict[str, float] = {}
        for name, value in self.model_dump(exclude_none=True).items():
            flat |= (
                {f"{name}.{key}": bound for key, bound in value.items()} if isinstance(value, dict) else {name: value}
            )
        return flat
