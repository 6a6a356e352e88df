"""The use cases that tests know, and copies of the first one with another word in its contract."""

import shutil
from pathlib import Path

from lakeloop.settings import PROJECT

USE_CASES = {
    "insurance": PROJECT / "data",
    **dict.fromkeys(("churn", "noise", "rides"), PROJECT / "tests" / "use_cases"),
    **dict.fromkeys(("trips", "parcels", "orders"), PROJECT / "tests" / "use_cases_with_gaps"),
}
"""The folder that each is in."""
PATIENT = {"budget_ms: 250": "budget_ms: 20000"}
"""A busy machine must not turn a model's answers into the rules'."""


def copy_insurance(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """A folder of use cases with `insurance` in it, its contract's texts replaced; gives the folder."""
    copy = shutil.copytree(USE_CASES["insurance"] / "insurance", folder / "insurance")
    contract = copy / "contract.yaml"
    text = contract.read_text()
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    contract.write_text(text)
    return folder
