"""A use case's own Python beside its contract: the data generator and the rules."""

import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Rules = Callable[[Mapping[str, Any]], str]


@cache
def load_module(path: Path) -> ModuleType:
    """A use case's own Python file as a module; loaded once."""
    spec = importlib.util.spec_from_file_location(f"use_case_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise WrongUseError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_rules(contract: Contract, settings: Settings) -> Rules | None:
    """The use case's rules (row -> class name); none if its contract names none."""
    if contract.fallback is None:
        return None
    file, function = contract.fallback.rules.split(":")
    return getattr(load_module(settings.contract_path.parent / file), function)


def sample_month(
    contract: Contract, settings: Settings, month: int, rows: int | None = None, seed: int | None = None
) -> "pd.DataFrame":
    """A month drawn by the use case's generator: key (a text, as everywhere), event time, features and truth.

    Raises:
        WrongUseError: the use case has no generator, or it cannot draw this month (its ValueError says why).
    """
    if contract.generator is None:
        raise WrongUseError(
            f"use case {contract.use_case} has no `generator` in its contract; deliver real files instead"
        )
    generator = load_module(settings.contract_path.parent / contract.generator)
    try:
        drawn = generator.sample(month, rows, seed)
    except ValueError as error:
        raise WrongUseError(f"the generator of {contract.use_case} cannot draw month {month}: {error}") from error
    key = contract.key.column
    return drawn.assign(**{key: drawn[key].astype(str)})


def with_label(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with class id and class name derived from its truth column."""
    ids = frame[contract.label.column].map(contract.label.class_id)
    names = ids.map(dict(enumerate(contract.label.class_names)))
    return frame.assign(**{contract.label.name: ids, contract.label.name_column: names})
