"""`lakeloop contract`: check a contract, show it as a data catalogue, exchange it as an open data contract."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.markup import escape

from console.cli.options import listed, open_use_case
from console.cli.render import BAD, DIM, GOOD, console
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakeloop.atomic_file import write_text
from lakeloop.catalogue import catalogue_markdown
from lakeloop.clock import period_spans
from lakeloop.contract import Contract
from lakeloop.contract.evolution import Change, changes_between
from lakeloop.contract.model import NETWORK
from lakeloop.contract.notes import contract_notes
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError, WrongUseError
from lakeloop.git import file_at
from lakeloop.own_files import MODEL, RUN, own_code_notes, own_code_problems, own_files
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case as load_use_case
from operations.fetching.fetched_history import is_to_be_fetched
from operations.history import history_periods
from operations.places.checks import place_notes
from tfx_pipeline.runs.quiet import quiet_libraries

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

    The use case's own code is imported, and a network of its own is built, so that what is wrong in it is told, too.

    With --against: what becomes of tables, models, requests and exports, before it happens.
    """
    history, notes = "", list[str]()
    if file is None:
        opened = load_use_case(load_settings(use_case=use_case))
        path, contract = opened.contract_path, opened.contract
        if contract.has_history and not is_to_be_fetched(opened):
            history = f" Its history has {contract.period}s {period_spans(history_periods(opened))}."
        notes = place_notes(opened)
    else:
        path, contract = file, load_contract(file)
    own = _own_code(path, contract)
    console.print(
        f"{path}: good. {counted(len(contract.sources), 'source')}, "
        f"{counted(len(contract.features), 'feature')}, "
        f"{_predicted(contract)} "
        f"`{contract.label.name}`.{history}{own}",
        highlight=False,
    )
    for note in (*contract_notes(contract), *own_code_notes(path.absolute().parent, contract), *notes):
        console.print(f"  to know: {note}", soft_wrap=True, markup=False)
    if against:
        _print_changes(changes_between(_earlier(path, against), contract), against)


def _predicted(contract: Contract) -> str:
    """What of the label a model answers, in words."""
    if not contract.label.classes:
        return "the number"
    return f"{len(contract.label.classes)} {'labels' if contract.label.several else 'classes'} of"


def _own_code(path: Path, contract: Contract) -> str:
    """A sentence on the files of its own code; raises WrongUseError with every mistake where one cannot be used, its
    network's among them, which is built for that.
    """
    files = own_files(path.absolute().parent)
    if MODEL in files:
        quiet_libraries()
    problems = own_code_problems(path.absolute().parent, contract)
    if wrong := [problem for problem in problems.values() if problem]:
        raise WrongUseError("\n".join(wrong))
    if MODEL in files and contract.model.kind == NETWORK and not files[MODEL].has(RUN):
        from tfx_pipeline.training.own_trial import try_own_model  # noqa: PLC0415 - seconds: it imports TensorFlow

        try_own_model(contract, files)
    return f" Its own code can be used: {', '.join(problems)}." if problems else ""


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


def export_command(
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Write the contract in the Open Data Contract Standard (ODCS v3), for catalogues and other tools.

    What the standard has no words for goes along as custom properties, so `lakeloop contract import` gives the same
    contract back.
    """
    from operations.open_data_contract.exporting import as_standard  # noqa: PLC0415 - a quarter of a second

    text = as_standard(open_use_case(use_case).contract_path).to_yaml()
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    console.print(f"{out} is written", soft_wrap=True)


def import_command(
    file: Annotated[Path, typer.Argument(help="A data contract of the Open Data Contract Standard, v3.")],
    name: Annotated[str, typer.Option("--name", help="The use case's name; default: the one it was exported as.")] = "",
    label: Annotated[
        str, typer.Option("--label", help="What is to be predicted: a column, or of columns: 'refund > 0.2 * price'.")
    ] = "",
    classes: Annotated[str, typer.Option("--classes", help="The label's values, where none are listed: a,b.")] = "",
    table: Annotated[str, typer.Option("--table", help="Which of its tables, where the label is in several.")] = "",
    key: Annotated[str, typer.Option("--key", help="What names a row: a column, or several: district,year.")] = "",
    time: Annotated[str, typer.Option("--time", help="The column that says when a row happened.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the contract of a use case of this name.")] = False,
) -> None:
    """Make a use case's contract of one in the Open Data Contract Standard (ODCS v3).

    Of one that Lakeloop exported it is the same contract, with what was changed in it since. Of somebody else's it is a
    draft: what was assumed stands in it as a comment, with how to change it, and --label says what is predicted.
    """
    from operations.open_data_contract.receive import Wishes, receive  # noqa: PLC0415 - a quarter of a second

    wishes = Wishes(name, label, table, listed(key), time, listed(classes))
    made = receive(load_settings(), file, wishes, force)
    for doubt in made.doubts:
        console.print(f"to know: {doubt}", soft_wrap=True, markup=False)
    console.print(f"{made.path}", soft_wrap=True)
    for problem in made.problems:
        console.print(f"  to do: {problem}", soft_wrap=True, markup=False)
    if not made.problems:
        console.print(f"Next: lakeloop contract check -u {made.path.parent.name}")
