"""One use case: its contract and the home it lives in, passed on as one; and its own Python beside the contract."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.made_truth import made_truth
from lakeloop.row_keys import row_keys
from lakeloop.settings import Settings, check_home

if TYPE_CHECKING:
    import pandas as pd

Rules = Callable[[Mapping[str, Any]], str]
CONTRACT_FILE = "contract.yaml"


@dataclass(frozen=True)
class UseCase:
    """One use case in one home. `settings` are the home's, the same for all its use cases; made at the edge, once.

    >>> use_case = open_use_case(load_settings())
    >>> use_case.name, use_case.folder("models"), use_case.table("gold/training")
    ('<use case>', PosixPath('/…/var/models/<use case>'), '/…/var/lake/gold/<use case>/training')
    """

    settings: Settings
    contract: Contract

    @property
    def name(self) -> str:
        """What its folder, its model and its rows in shared tables are called."""
        return self.contract.use_case

    @property
    def contract_path(self) -> Path:
        """Its contract; what else only this use case needs lies beside it."""
        return contract_path(self.settings, self.name)

    def folder(self, area: str) -> Path:
        """One area's folder for this use case, e.g. `folder("models")` -> `/…/var/models/<use case>`."""
        return Path(self.settings.area(area)) / self.name

    @property
    def work_folder(self) -> Path:
        """What is at work on the lake: locks, staged files, progress. A local folder, never in an object store."""
        lake = self.settings.area("lake")
        local = self.settings.home.absolute() / "lake" if "://" in lake else Path(lake)
        return local / "_work" / self.name

    def table(self, name: str) -> str:
        """Folder or URL of a table of the lake: `table("gold/training")` -> `/…/var/lake/gold/<use case>/training`."""
        layer, table = name.split("/")
        return f"{self.settings.area('lake').rstrip('/')}/{layer}/{self.name}/{table}"

    def module(self, file: str) -> ModuleType:
        """A Python file beside the contract, loaded once."""
        return load_module(self.contract_path.parent / file)


def contract_path(settings: Settings, name: str) -> Path:
    """Where the contract of a use case is, or would be."""
    return settings.use_cases / name / CONTRACT_FILE


def open_use_case(settings: Settings, name: str = "") -> UseCase:
    """A use case by name, by default the settings' own choice, with its contract checked as a whole.

    Raises:
        WrongUseError: no use case is named anywhere, there is none of that name, its folder has another name than its
            contract says, or the lake's folder has a name that Delta cannot write to.
        ContractError: its contract has mistakes.
    """
    name = name or settings.use_case
    if not name:
        raise WrongUseError("no use case: name one with --use-case or LAKELOOP_USE_CASE")
    check_home(settings)
    path = contract_path(settings, name)
    if not path.is_file():
        known = sorted(found.parent.name for found in settings.use_cases.glob(f"*/{CONTRACT_FILE}"))
        raise WrongUseError(
            f"there is no use case {name!r}, for there is no {path}; use cases there: {', '.join(known) or 'none'}"
        )
    contract = load_contract(path)
    _check_folder(path, contract)
    return UseCase(settings, contract)


def _check_folder(path: Path, contract: Contract) -> None:
    """A use case is known by its folder's name; raises WrongUseError where its contract says another one."""
    if contract.use_case != path.absolute().parent.name:
        raise WrongUseError(
            f"{path} says `use_case: {contract.use_case}`, and its folder is called {path.absolute().parent.name}; "
            "call both the same"
        )


@cache
def load_module(path: Path) -> ModuleType:
    """A use case's own Python file as a module; loaded once."""
    spec = importlib.util.spec_from_file_location(f"use_case_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise WrongUseError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_rules(use_case: UseCase) -> Rules | None:
    """The use case's rules (row -> class name); none if its contract names none."""
    if use_case.contract.fallback is None:
        return None
    file, function = use_case.contract.fallback.rules.split(":")
    return getattr(use_case.module(file), function)


def sample_period(use_case: UseCase, period: int, rows: int | None = None, seed: int | None = None) -> "pd.DataFrame":
    """A period drawn by the use case's generator: key (a text, as everywhere), event time, features and truth.

    Features are typed as an export has them. Where events have times, the names of their periods stand beside them.

    Raises:
        WrongUseError: the use case has no generator, or it cannot draw this period (its ValueError says why); or a time
            that it draws cannot be read.
    """
    from lakeloop.model_input import read_times

    return read_times(use_case.contract, drawn_period(use_case, period, rows, seed))


def drawn_period(use_case: UseCase, period: int, rows: int | None = None, seed: int | None = None) -> "pd.DataFrame":
    """The same with dates and times as files have them; raises as `sample_period` does."""
    contract = use_case.contract
    if contract.generator is None:
        raise WrongUseError(
            f"use case {use_case.name} has neither `generator` nor `history` in its contract; deliver real files "
            "instead"
        )
    try:
        drawn = use_case.module(contract.generator).sample(period, rows, seed)
    except ValueError as error:
        raise WrongUseError(
            f"the generator of {use_case.name} cannot draw {contract.period} {period}: {error}"
        ) from error
    from lakeloop.model_input import as_carried  # here, since few of those that read a contract draw rows

    key, drawn = contract.key, as_carried({n: f for n, f in contract.features.items() if f.role != "time"}, drawn)
    keys = drawn[key.column].astype(str) if key.delivered else _made_keys(contract, drawn, period)
    drawn = drawn.assign(**{key.column: keys})
    return with_period(contract, drawn) if contract.event_time.dated else drawn


def _made_keys(contract: Contract, drawn: "pd.DataFrame", period: int) -> list[str]:
    """The keys that bronze makes when the rows are delivered as the period's file of the features' source."""
    import pyarrow as pa

    source = contract.feature_source
    spec = contract.sources[source]
    rows = pa.Table.from_pandas(drawn[list(spec.columns)], preserve_index=False)
    texts = {name: rows[name].combine_chunks().cast(pa.string()) for name in rows.column_names}
    lines = pa.array(range(2, len(drawn) + 2))
    keys: list[str] = row_keys(
        contract, source, texts, pa.scalar(spec.file_name(contract.period_name(period))), lines
    ).to_pylist()
    return keys


def with_period(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows with the period of their event time, which is written as it is delivered, in a column of its own.

    Raises:
        WrongUseError: an event time cannot be read.
    """
    event_time, texts = contract.event_time, frame[contract.event_time.column].astype(str)
    moments = {text: event_time.moment(text) for text in texts.unique()}
    if wrong := [text for text, moment in moments.items() if moment is None]:
        raise WrongUseError(
            f"`{event_time.column}` is {wrong[0]!r}; by the contract's `event_time` it is {event_time.meaning}"
        )
    names = {text: event_time.of_kind.of(moment, event_time.timezone) for text, moment in moments.items() if moment}
    return frame.assign(**{contract.period_column: texts.map(names)})


def with_label(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows whose truth is known, with class id and class name derived from it; a truth that is computed is one."""
    if contract.label.made is not None:
        frame = frame.assign(**{contract.label.column: made_truth(contract, frame)})
    frame = frame[frame[contract.label.column].notna()]
    if contract.label.made is not None:
        frame = frame.astype({contract.label.column: "bool" if contract.label.truth.type == "bool" else "float64"})
    ids = frame[contract.label.column].map(contract.label.class_id)
    names = ids.map(dict(enumerate(contract.label.class_names)))
    return frame.assign(**{contract.label.name: ids, contract.label.name_column: names})
