"""What Transform, Tuner and Trainer know about the data: the contract's features and label, passed as `custom_config`.

Only what shapes their output is passed. TFX's cache key contains it, so editing a contract's drift thresholds,
descriptions or fallback does not train again, and editing the code of these modules does.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from lakeloop.contract import (
    Balance,
    Contract,
    Cross,
    DecisionThreshold,
    DriftTest,
    Feature,
    Name,
    Section,
    time_features,
)
from lakeloop.contract.label import LEVEL, Loss
from lakeloop.contract.metrics import Task
from lakeloop.contract.section import unless
from lakeloop.frozen_model import FrozenModel

KEY = "columns"
CODE_KEY = "code"
UNSEEN: Mapping[str, object] = {
    "description": "-", "unit": "", "source": None, "format": None, "example": None, "group": None,
    "drift": DriftTest(test="jensenshannon", threshold=1.0),
}  # fmt: skip
"""What stands for that in a feature which is for readers, files, requests and monitoring alone."""


class Columns(Section):
    """The key, the model's input columns, in order, their crosses, its label and classes, and how these are evened out.

    `timezone`: the one whose clock tells the parts of times. `event_time`: the feature that ages are counted to. A
    label without classes is a number from `lowest` to `highest`; an interval holds it in a share `interval` of rows.
    `loss`: what a model of a number is fitted by. `several`: the names are those of labels; a row may have any of them.
    `decision`: how the threshold of the class id `positive` is chosen, where it is.
    """

    key: Name
    features: dict[Name, Feature]
    crosses: tuple[Cross, ...] = unless(())
    timezone: str = unless("UTC")
    event_time: Name | None = unless(None)
    label: Name
    class_names: tuple[str, ...]
    balance: Balance = "none"
    interval: float = unless(LEVEL)
    lowest: float | None = unless(None)
    highest: float | None = unless(None)
    loss: Loss = unless("squared_error")
    decision: DecisionThreshold | None = unless(None)
    positive: int = unless(0)
    several: bool = unless(False)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def task(self) -> Task:
        """What a model does."""
        if self.several:
            return "multilabel"
        return "classification" if self.class_names else "regression"

    def inputs_without(self, dropped: Collection[str], own: Sequence["OwnInput"] = ()) -> list[str]:
        """What a model sees where these features are left out: the others, and crosses and own inputs of none of them.

        An own input of a feature's name stands in that feature's place.
        """
        gone, by_name = set(dropped), {one.name: one for one in own}
        made_of = {name: set(by_name[name].made_of) if name in by_name else {name} for name in self.features}
        features = [name for name in self.features if name not in gone and not made_of[name] & gone]
        crosses = [cross.name for cross in self.crosses if not set(cross.columns) & gone]
        further = [one.name for one in own if one.name not in self.features and not set(one.made_of) & gone]
        return [*features, *crosses, *further]


class OwnInput(FrozenModel):
    """A model input of the use case's own preprocessing: so wide, and made of these features."""

    name: str
    width: int
    made_of: tuple[str, ...]


@dataclass(frozen=True)
class ModelInputs:
    """What a model is trained on, in order: the inputs `used`, as Transform names them, so wide each.

    `own`: which of them the use case's own preprocessing made.
    """

    used: tuple[str, ...]
    names: tuple[str, ...]
    widths: tuple[int, ...]
    own: frozenset[str] = frozenset()

    @property
    def width(self) -> int:
        """Columns in all."""
        return sum(self.widths)


def model_inputs_of(
    columns: Columns, dropped: Collection[str], spec: Mapping[str, Any], own: Sequence[OwnInput] = ()
) -> ModelInputs:
    """The inputs of a model without the `dropped` features; `spec`: how transformed examples are parsed."""
    used = columns.inputs_without(dropped, own)
    names = tuple(map(transformed_name, used))
    widths = tuple(prod(spec[name].shape) for name in names)
    return ModelInputs(tuple(used), names, widths, frozenset(one.name for one in own))


def custom_config(contract: Contract) -> dict[str, str]:
    """The JSON-able config that `columns_from` reads back, with a hash of the code that uses it."""
    features = contract.features
    times = any(feature.type == "timestamp" for feature in features.values())
    label = contract.label
    limits = None if label.classes else label.limits
    ages = any(time_features.AGE in (feature.parts or ()) for feature in features.values())
    columns = Columns(
        key=contract.key.column,
        features={name: feature.model_copy(update=UNSEEN) for name, feature in features.items()},
        crosses=contract.crosses,
        timezone=contract.event_time.timezone if times else "UTC",
        event_time=contract.event_time.column if ages else None,
        label=label.name,
        class_names=label.class_names,
        balance=contract.training.balance,
        interval=label.interval,
        lowest=None if limits is None else limits[0],
        highest=None if limits is None else limits[1],
        loss=label.loss,
        decision=label.decision,
        several=label.several,
        positive=0 if label.decision is None else label.positive,
    )
    return {KEY: columns.model_dump_json(), CODE_KEY: _code_sha256()}


def columns_from(config: Mapping[str, str]) -> Columns:
    """The columns of a `custom_config`."""
    return Columns.model_validate_json(config[KEY])


def transformed_name(feature: str) -> str:
    """The name of a feature, or a cross, after Transform."""
    return f"{feature}_x"


def _code_sha256() -> str:
    """Hash of the code that a trained model depends on besides contract and data: this folder's, and that of parts."""
    code = [*sorted(Path(__file__).parent.glob("*.py")), Path(time_features.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()
