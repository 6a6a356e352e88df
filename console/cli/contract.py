"""`lakeloop contract`: check a contract, show it as a data catalogue."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.markup import escape

from console.cli.options import open_use_case
from console.cli.render import BAD, DIM, GOOD, console
from console.cli.use_case_option import UseCaseOption
from lakeloop.catalogue import catalogue_markdown
from lakeloop.clock import period_spans
from lakeloop.contract import Contract
from lakeloop.contract.evolution import Change, changes_between
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from lakeloop.git import file_at
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case as load_use_case
from operations.history import history_periods

STYLES = {"safe": GOOD, "retrain": DIM, "breaks": BAD}
SHOWN = 80


def check_command(
    file: Annotated[Path | None, typer.Argument(help="A contract.yaml; default: the use case's own.")] = None,
    against: Annotated[
        str,
        typer.Option(help="A file or a commit with an earlier contract, e.g. HEAD: tells what the changes do."),
    ] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Name every mistake in a contract at once, each with its line (exit 2), or say that it is good.

    With --against: what becomes of tables, models, requests and exports, before it happens.
    """
    history = ""
    if file is None:
        opened = load_use_case(load_settings(use_case=use_case))
        path, contract = opened.contract_path, opened.contract
        if contract.history is not None:
            history = f" Its history has {contract.period}s {period_spans(history_periods(opened))}."
    else:
        path, contract = file, load_contract(file)
    console.print(
        f"{path}: good. {len(contract.sources)} sources, {len(contract.features)} features, "
        f"{len(contract.label.classes)} classes of `{contract.label.name}`.{history}",
        highlight=False,
    )
    for note in contract.notes():
        console.print(f"  to know: {note}", soft_wrap=True, markup=False)
    if against:
        _print_changes(changes_between(_earlier(path, against), contract), against)


def _earlier(path: Path, against: str) -> Contract:
    """The contract in a file, or the one at `path` as a commit has it; files that it names are those of today."""
    earlier = Path(against)
    text = earlier.read_text(encoding="utf-8") if earlier.is_file() else file_at(path, against)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for beside in path.absolute().parent.iterdir():
            (Path(folder) / beside.name).symlink_to(beside)
        copy.unlink()
        copy.write_text(text, encoding="utf-8")
        try:
            return load_contract(copy)
        except ContractError as error:
            raise ContractError(against, error.problems) from None


def _print_changes(changes: list[Change], against: str) -> None:
    if not changes:
        console.print(f"nothing that has an effect is different from {against}", soft_wrap=True, markup=False)
        return
    for change in changes:
        console.print(
            f"  [{STYLES[change.weight]}]{change.weight:8}[/]{escape(change.where)}: "
            f"{escape(_shown(change.before))} -> {escape(_shown(change.after))}",
            soft_wrap=True,
        )
        console.print(f"          {change.effect}", soft_wrap=True, markup=False, highlight=False)
    counts = Counter(change.weight for change in changes)
    console.print(", ".join(f"{count} {weight}" for weight, count in counts.items()), highlight=False)


def _shown(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def show_command(
    use_case: UseCaseOption = "", plain: Annotated[bool, typer.Option(help="Print the Markdown itself.")] = False
) -> None:
    """Render the data catalogue: what every column means, its unit, and what is allowed."""
    case = open_use_case(use_case)
    text = catalogue_markdown(case.contract)
    console.print(text if plain else Markdown(text), markup=False, highlight=False, soft_wrap=plain)
