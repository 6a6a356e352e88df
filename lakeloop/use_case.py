"""One use case: its contract and the home it lives in, passed on as one."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.own_code import load_module
from lakeloop.settings import Settings, check_home

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

    @property
    def own_folder(self) -> Path:
        """The folder of its contract, with all that only this use case needs."""
        return self.contract_path.absolute().parent

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
        """A Python file beside the contract; raises OwnCodeError where it cannot be imported."""
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
