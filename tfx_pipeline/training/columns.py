"""What Transform and Trainer know about the data: the contract's features and label, passed as `custom_config`.

Only what shapes their output is passed. TFX's cache key contains it, so editing a contract's drift thresholds or
fallback does not train again, and editing the code of these modules does.
"""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from lakeloop.contract import Balance, Contract, Cross, Feature, Label, Name, Section
from lakeloop.contract.section import unless
from lakeloop.contract.time_features import AGE

KEY = "columns"
CODE_KEY = "code"


class Columns(Section):
    """The key, the model's input columns, in order, their crosses, its label, and how its classes are evened out.

    `timezone`: the one whose clock tells the parts of times. `event_time`: the feature that ages are counted to.
    `decides`: the metric that hyper-parameters are searched by.
    """

    key: Name
    features: dict[Name, Feature]
    crosses: tuple[Cross, ...] = unless(())
    timezone: str = unless("UTC")
    event_time: Name | None = unless(None)
    label: Label
    balance: Balance = "none"
    decides: Name = unless("accuracy")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.label.classes)

    def inputs_without(self, dropped: Collection[str]) -> list[str]:
        """What a model sees where these features are left out: the others, and the crosses of none of them."""
        features = [name for name in self.features if name not in dropped]
        return [*features, *(cross.name for cross in self.crosses if not set(cross.columns) & set(dropped))]


def custom_config(contract: Contract) -> dict[str, str]:
    """The JSON-able config that `columns_from` reads back, with a hash of the code that uses it."""
    features = contract.features
    times = any(feature.type == "timestamp" for feature in features.values())
    ages = any(AGE in (feature.parts or ()) for feature in features.values())
    columns = Columns(
        key=contract.key.column,
        features=features,
        crosses=contract.crosses,
        timezone=contract.event_time.timezone if times else "UTC",
        event_time=contract.event_time.column if ages else None,
        label=contract.label,
        balance=contract.training.balance,
        decides=contract.gate.decides,
    )
    return {KEY: columns.model_dump_json(), CODE_KEY: _code_sha256()}


def columns_from(config: Mapping[str, str]) -> Columns:
    """The columns of a `custom_config`."""
    return Columns.model_validate_json(config[KEY])


def transformed_name(feature: str) -> str:
    """The name of a feature, or a cross, after Transform."""
    return f"{feature}_x"


def _code_sha256() -> str:
    """Hash of this folder's code, all that a trained model depends on besides contract and data."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()
