"""Makes a use case of a draft: contract and history in a folder of its own, whole or not at all."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.contract.model import NETWORK
from lakeloop.contract.reserved_names import of_use_case
from lakeloop.contract.section import NAME
from lakeloop.contract.training import Split
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, contract_path
from operations.baselines import frame_baselines
from operations.history import history_periods, history_rows
from operations.new_use_case.contract_text import contract_text
from operations.new_use_case.draft import Draft
from operations.new_use_case.gate_draft import (
    LARGE_MAJORITY,
    OPEN_GATE,
    OPEN_NUMBER_GATE,
    GateDraft,
    gate_of,
    number_gate,
    ranking_gate,
)
from operations.new_use_case.split_history import HistoryFiles, write_history
from operations.quick_trees import number_tree_answers, tree_answers

HISTORY = "history"
MOST_COMPARED = 50_000
"""Rows that baselines are computed on."""
FEWEST_HELD_OUT = 50
"""Held-out rows of which an accuracy says anything."""
SALTS = tuple(map(str, range(1, 100)))
ROWS_A_FEATURE = 20
"""Fewer, and a model can learn the train rows by heart, which says nothing against it on others."""


@dataclass(frozen=True)
class NewUseCase:
    """What was made. `baselines`: accuracies, or errors of numbers, on the held-out ones of `compared` rows, as are the
    figures in `gate`."""

    use_case: UseCase
    draft: Draft
    history: HistoryFiles
    gate: GateDraft
    baselines: dict[str, float]
    compared: int


def check_name(settings: Settings, name: str, force: bool) -> None:
    """Raises WrongUseError where no use case can be made under this name."""
    if not re.match(NAME, name) or len(name) > 100:
        raise WrongUseError(
            f"{name!r} cannot name a use case; lower-case letters, digits and `_` can, beginning with a letter"
        )
    if why := of_use_case(name):
        raise WrongUseError(f"a use case cannot be called {name}, which {why}; choose another name")
    path = contract_path(settings, name)
    if path.parent.exists() and not force:
        raise WrongUseError(
            f"there is a use case {name} already, in {path.parent}; choose another name, or --force to replace its "
            "contract and history by new ones"
        )


def create(
    settings: Settings, name: str, title: str, draft: Draft, on_step: Callable[[str], None] = lambda step: None,
    kind: str = NETWORK,
) -> NewUseCase:  # fmt: skip
    """Write contract and history, in place of those there are. Until all is written and checked, nothing is seen of it.

    `kind` is that of the model.

    Raises:
        ContractError: the draft makes no good contract.
        WrongUseError: no row of the history would be left.
    """
    folder = contract_path(settings, name).parent
    part = folder.with_name(f".{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        home = part / name  # a use case's folder is called as it is
        home.mkdir(parents=True)
        on_step("writing the history, a file a period")
        history = write_history(draft, home / HISTORY)
        if not history.rows:
            raise WrongUseError("no row has a time that can be read, so there is no history")
        path = home / CONTRACT_FILE

        def write(gate: GateDraft, salt: str) -> Contract:
            path.write_text(contract_text(draft, name, title, history, gate, salt, kind), encoding="utf-8")
            return load_contract(path)

        drafted = UseCase(
            settings.model_copy(update={"use_cases": part}),
            write(OPEN_NUMBER_GATE if draft.label.number else OPEN_GATE, SALTS[0]),
        )
        on_step("comparing what needs no model with quick trees")
        parts = _compared(drafted)
        salt = _salt([list(rows[drafted.contract.key.column]) for rows in parts])
        rows = pd.concat(parts, ignore_index=True)
        held_out = rows[drafted.contract.key.column].map(Split(salt=salt).is_eval).astype(bool)
        gate, found = _gate(drafted, draft.label.majority, rows[~held_out], rows[held_out])
        contract = write(gate, salt)
        _put(home, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return NewUseCase(UseCase(settings, contract), draft, history, gate, found, len(rows))


def _gate(
    use_case: UseCase, majority: float, train: pd.DataFrame, held_out: pd.DataFrame
) -> tuple[GateDraft, dict[str, float]]:
    """What the gate is to ask for, and the accuracies or errors it was drafted by; none of too few rows."""
    contract, enough = use_case.contract, len(held_out) >= FEWEST_HELD_OUT
    if not contract.label.classes:
        numbers = number_tree_answers(contract, train, held_out) if enough else None
        found = frame_baselines(use_case, train, held_out, numbers) if enough else {}
        return number_gate(found), found
    trees = tree_answers(contract, train, held_out) if enough else None
    found = frame_baselines(use_case, train, held_out, trees) if enough else {}
    if majority >= LARGE_MAJORITY:
        return ranking_gate(contract.label.class_names, train[contract.label.name].to_numpy(), trees), found
    texts = [name for name, feature in contract.features.items() if feature.role == "text"]
    by_heart = len(train) + len(held_out) < ROWS_A_FEATURE * len(contract.features)
    return gate_of(found, texts, by_heart), found


def _compared(use_case: UseCase) -> list[pd.DataFrame]:
    """Labelled rows of the history, a frame a period, of as many from its beginning as make enough."""
    parts, rows = list[pd.DataFrame](), 0
    for number in history_periods(use_case):
        part = with_label(use_case.contract, history_rows(use_case, number))
        parts.append(part.head(MOST_COMPARED - rows))
        rows += len(parts[-1])
        if rows >= MOST_COMPARED:
            break
    return parts


def _salt(keys: Sequence[Sequence[str]]) -> str:
    """One that holds out some rows, and not too many, of the first half of the periods and of the others."""
    half = (len(keys) + 1) // 2
    sides = [[key for part in side for key in part] for side in (keys[:half], keys[half:])]
    for salt in SALTS:
        counts = [sum(map(Split(salt=salt).is_eval, side)) for side in sides]
        if all(0 < count <= len(side) / 2 for count, side in zip(counts, sides, strict=True) if len(side) > 1):
            return salt
    return SALTS[0]


def _put(made: Path, folder: Path) -> None:
    """The made files into the use case's folder: what else is there stays, what they replace is gone."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        return
    old = folder / HISTORY
    if old.exists():
        old.rename(made.parent / "replaced")
    (made / HISTORY).rename(old)
    (made / CONTRACT_FILE).replace(folder / CONTRACT_FILE)
