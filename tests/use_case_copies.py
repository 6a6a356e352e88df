"""The use cases that tests know, and copies of them with another word in their contract."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.settings import PROJECT

USE_CASES = {
    "insurance": PROJECT / "data",
    **dict.fromkeys(("churn", "noise", "rentals", "rides", "shops", "stays", "tickets"), PROJECT / "tests/use_cases"),
    "harvests": PROJECT / "tests" / "use_cases_with_places",
    **dict.fromkeys(("trips", "parcels", "orders"), PROJECT / "tests" / "use_cases_with_gaps"),
}
"""The folder that each is in."""
PATIENT = {"budget_ms: 250": "budget_ms: 20000"}
"""A busy machine must not turn a model's answers into the rules'."""


def copy_insurance(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """A folder of use cases with `insurance` in it, its contract's texts replaced; gives the folder."""
    copy_use_case("insurance", folder, changes)
    return folder


def copy_use_case(name: str, folder: Path, changes: Mapping[str, str] | None = None) -> Path:
    """A copy of a use case in a folder of use cases, its contract's texts replaced; gives the copy."""
    copy = shutil.copytree(USE_CASES[name] / name, folder / name)
    contract = copy / "contract.yaml"
    contract.write_text(with_changes(contract.read_text(), changes or {}))
    return copy


def changed_contract(folder: Path, use_case: str, changes: Mapping[str, str]) -> Contract:
    """A use case's contract with texts replaced, put into a folder with an empty generator beside it."""
    text = (USE_CASES[use_case] / use_case / "contract.yaml").read_text(encoding="utf-8")
    (folder / "generator.py").write_text("")
    (folder / "contract.yaml").write_text(with_changes(text, changes), encoding="utf-8")
    return load_contract(folder / "contract.yaml")


def with_changes(text: str, changes: Mapping[str, str]) -> str:
    """A text with some of its passages replaced, each of which stands in it once."""
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
