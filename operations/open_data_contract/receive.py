"""An ODCS file becomes a use case's contract: its own again, or the draft of one."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from lakeloop.atomic_file import write_text
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError, WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import contract_path
from operations.new_use_case.create import check_name
from operations.open_data_contract.chosen_table import Wishes
from operations.open_data_contract.drafting import draft_of
from operations.open_data_contract.importing import contract_of, is_ours

__all__ = ["Received", "Wishes", "receive"]
VERSIONS = "v3."


@dataclass(frozen=True)
class Received:
    """The contract that was written; `doubts` are what was assumed, `problems` what is still missing beside it."""

    path: Path
    doubts: Sequence[str] = ()
    problems: Sequence[str] = ()


def receive(settings: Settings, file: Path, wishes: Wishes, force: bool) -> Received:
    """Write the contract that an ODCS file stands for into its use case's folder.

    Raises:
        WrongUseError: it is no ODCS file of version 3, no draft can be made of it, or there is such a use case.
    """
    document = read_standard(file)
    ours = is_ours(document)
    name = wishes.name or (document.id or "" if ours else "")
    if not name:
        raise WrongUseError(f"{file}: say what the use case is to be called: --name NAME")
    check_name(settings, name, force)
    if ours:
        if wishes != Wishes(wishes.name, ""):
            raise WrongUseError(
                f"{file} is a contract of Lakeloop's own, which says everything; leave all but --name out"
            )
        text, doubts = contract_of(document.model_copy(update={"id": name})), list[str]()
    else:
        if not wishes.label:
            raise WrongUseError(f"{file}: say what is to be predicted: --label COLUMN, or an expression of columns")
        text, doubts = draft_of(document, replace(wishes, name=name))
        _check(text)
    path = contract_path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    try:
        load_contract(path)
    except ContractError as error:
        return Received(path, doubts, error.problems)
    return Received(path, doubts)


def read_standard(file: Path) -> OpenDataContractStandard:
    """The document in an ODCS file.

    Raises:
        WrongUseError: it cannot be read, or is none of version 3; everything that is wrong is named.
    """
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(f"{file} cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise WrongUseError(f"{file} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(read, dict) or read.get("kind") != "DataContract" or "apiVersion" not in read:
        raise WrongUseError(
            f"{file} is no data contract of the Open Data Contract Standard, which begins with `apiVersion: v3.…` and "
            "`kind: DataContract`"
        )
    if not str(read["apiVersion"]).startswith(VERSIONS):
        raise WrongUseError(f"{file} is of version {read['apiVersion']} of the standard; version 3 is read")
    try:
        return OpenDataContractStandard.model_validate(read)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise WrongUseError("\n  ".join([f"{file} does not keep the standard:", *found])) from None


def _check(text: str) -> None:
    """Raises ContractError where a draft is no good contract, before anything of it is written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contract.yaml"
        path.write_text(text, encoding="utf-8")
        load_contract(path)
