"""What a label of numbers cannot be used for yet."""

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError

KNOWN = "the lake, training, the gate, the model server, the gateway, scores and drift"
"""What knows numbers."""


def needs_classes(contract: Contract, what: str) -> None:
    """Raises WrongUseError where the label is a number, of which `what` does not know anything yet."""
    if contract.label.task == "regression":
        raise WrongUseError(
            f"{what} is for labels of classes alone so far, and `{contract.label.name}` of use case "
            f"{contract.use_case} is a number (regression). What knows numbers: {KNOWN}"
        )
