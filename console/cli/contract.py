"""`lakeloop contract`: check a contract, show it as a data catalogue."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from lakeloop.catalogue import catalogue_markdown
from lakeloop.clock import month_spans
from lakeloop.contract_file import load_contract
from lakeloop.history import history_months
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case as load_use_case


def check_command(
    file: Annotated[Path | None, typer.Argument(help="A contract.yaml; default: the use case's own.")] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Name every mistake in a contract at once, each with its line (exit 2), or say that it is good."""
    history = ""
    if file is None:
        opened = load_use_case(load_settings(use_case=use_case))
        path, contract = opened.contract_path, opened.contract
        if contract.history is not None:
            history = f" Its history has months {month_spans(history_months(opened))}."
    else:
        path, contract = file, load_contract(file)
    console.print(
        f"{path}: good. {len(contract.sources)} sources, {len(contract.features)} features, "
        f"{len(contract.label.classes)} classes of `{contract.label.name}`.{history}",
        highlight=False,
    )
    for note in contract.notes():
        console.print(f"  to know: {note}", soft_wrap=True, markup=False)


def show_command(
    use_case: UseCaseOption = "", plain: Annotated[bool, typer.Option(help="Print the Markdown itself.")] = False
) -> None:
    """Render the data catalogue: what every column means, its unit, and what is allowed."""
    case = open_use_case(use_case)
    text = catalogue_markdown(case.contract)
    console.print(text if plain else Markdown(text), markup=False, highlight=False, soft_wrap=plain)
