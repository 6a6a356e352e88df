"""What Transform and Trainer know about the data: the contract's features and label, passed as `custom_config`.

Only what shapes their output is passed. TFX's cache key contains it, so editing a contract's drift thresholds or
fallback does not train again, and editing the code of these modules does.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lakeloop.contract import Balance, Contract, Feature, Label, Name, Section

KEY = "columns"
CODE_KEY = "code"


class Columns(Section):
    """The key, the model's input columns, in order, its label, and how its classes are evened out."""

    key: Name
    features: dict[Name, Feature]
    label: Label
    balance: Balance = "none"

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.label.classes)


def custom_config(contract: Contract) -> dict[str, str]:
    """The JSON-able config that `columns_from` reads back, with a hash of the code that uses it."""
    columns = Columns(
        key=contract.key.column,
        features=contract.features,
        label=contract.label,
        balance=contract.training.balance,
    )
    return {KEY: columns.model_dump_json(), CODE_KEY: _code_sha256()}


def columns_from(config: Mapping[str, str]) -> Columns:
    """The columns of a `custom_config`."""
    return Columns.model_validate_json(config[KEY])


def transformed_name(feature: str) -> str:
    """The name of a feature after Transform."""
    return f"{feature}_x"


def _code_sha256() -> str:
    """Hash of this folder's code, all that a trained model depends on besides contract and data."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()
