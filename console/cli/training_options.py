"""The options that say how a model is trained: read, and checked before anything slow starts."""

from pathlib import Path

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from tfx_pipeline.runs.parameters import run_parameters


def parse_changes(texts: list[str]) -> dict[str, str]:
    """['units=50'] -> {'units': '50'}.

    Raises:
        WrongUseError: a text without `=`.
    """
    for text in texts:
        if "=" not in text:
            raise WrongUseError(f"--set {text}: write NAME=VALUE, e.g. --set units=50")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}


def check_training_options(contract: Contract, changes: dict[str, str], drop: tuple[str, ...]) -> None:
    """Refuse wrong options before anything slow starts."""
    run_parameters(contract, Path(), changes, drop)
