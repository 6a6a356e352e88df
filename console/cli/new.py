"""`lakeloop new`: the first draft of a use case from its data."""

import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.table import Table

from console.cli.options import listed
from console.cli.render import console, table
from console.words import counted
from lakeloop.contract.model import MODEL_KINDS, NETWORK
from lakeloop.contract.periods import PERIODS, PeriodKind
from lakeloop.contract.section import some
from lakeloop.settings import load_settings
from operations.new_use_case.create import NewUseCase, check_name, create
from operations.new_use_case.draft import Draft, Wishes, look
from operations.new_use_case.names import own_name
from operations.new_use_case.split_history import HistoryFiles

MOST_NAMED = 20
"""Features whose names are told."""


def new_command(
    name: Annotated[str, typer.Argument(help="The use case's name, such as orders.")],
    label: Annotated[
        str,
        typer.Option("--label", help="What is to be predicted: a column, or of columns: 'refund > 0.2 * price'."),
    ],
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", help="A file or a folder: CSV, JSON, JSON lines, Parquet, plain or packed; may be repeated."
        ),
    ] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(
            "--join",
            help="A further table that describes the rows: weather=weather.csv; may be repeated.",
        ),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="More files.", show_default=False)] = None,
    key: Annotated[str, typer.Option("--key", help="What names a row: a column, or several: district,year.")] = "",
    time: Annotated[str, typer.Option("--time", help="The column that says when a row happened.")] = "",
    period: Annotated[str, typer.Option("--period", metavar="|".join(PERIODS), help="What time is counted in.")] = "",
    features: Annotated[str, typer.Option("--features", help="Only these columns as features: a,b,c.")] = "",
    keep: Annotated[
        str,
        typer.Option("--keep", help="Columns to take as they are: none tells the label, no value of them is a gap."),
    ] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="|".join(MODEL_KINDS), help="The kind of model.")] = NETWORK,
    title: Annotated[str, typer.Option("--title", help="What it is called where people read.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace the contract and history of a use case of this name.")
    ] = False,
) -> None:
    """Write the first draft of a use case from a sample of its data: a contract, and the history to replay.

    What is assumed stands in the contract as a comment, with how to change it. On a terminal it is asked.
    """
    settings = load_settings()
    check_name(settings, name, force)
    if kind not in MODEL_KINDS:
        raise typer.BadParameter(f"there is no kind of model {kind!r}; there are: {', '.join(MODEL_KINDS)}")
    files = [*(from_ or []), *(more or [])]
    if not files:
        raise typer.BadParameter("name a file or folder with --from")
    joined = _joined(join or [])
    wishes = Wishes(label, listed(key), time, _period(period), listed(features), listed(keep))
    with console.status("looking at the data …"):
        draft = look(files, wishes, joined)
    if sys.stdin.isatty() and console.is_terminal:
        asked = _ask(draft, wishes)
        draft = draft if asked == wishes else look(files, asked, joined)
    with console.status("") as status:
        made = create(settings, name, title or _title(name), draft, lambda step: status.update(f"{step} …"), kind)
    _print(made)


def _joined(given: list[str]) -> dict[str, list[Path]]:
    """Files of joined sources by their names: as said, or as the file or folder is called."""
    found: dict[str, list[Path]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = own_name(Path(text).name.partition(".")[0], "joined"), text
        found.setdefault(name, []).append(Path(path))
    return found


def _period(text: str) -> PeriodKind | None:
    if not text:
        return None
    found = next((period for period in PERIODS if period == text), None)
    if found is None:
        raise typer.BadParameter(f"there is no period {text!r}; periods: {', '.join(PERIODS)}")
    return found


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _ask(draft: Draft, wishes: Wishes) -> Wishes:
    """What a person says where there is doubt; an empty answer leaves what was assumed."""
    if len(draft.times) > 1 and not wishes.time and draft.time is not None:
        console.print(f"Several columns say when: {', '.join(draft.times)}")
        chosen = typer.prompt("Which one counts?", default=draft.time.delivered[0])
        wishes = replace(wishes, time=chosen)
    if not wishes.key:
        assumed = ",".join(draft.key.columns) or "a hash over the row"
        chosen = typer.prompt("What names a row (columns, joined by commas)?", default=assumed)
        wishes = wishes if chosen == assumed else replace(wishes, key=listed(chosen))
    for leak in draft.leaks:
        names = ", ".join(leak.columns)
        if not typer.confirm(f"{names} {leak.how}. Leave out?", default=True):
            wishes = replace(wishes, keep=(*wishes.keep, *leak.columns))
    if draft.time is not None and wishes.period is None:
        chosen = typer.prompt(f"Count time in ({', '.join(PERIODS)})?", default=draft.period)
        wishes = replace(wishes, period=_period(chosen)) if chosen != draft.period else wishes
    return wishes


def _print(made: NewUseCase) -> None:
    """What was found and assumed, and at last what a model has to beat."""
    draft, contract = made.draft, made.use_case.contract
    sample = draft.table.sample
    rows = [
        ("files", f"{counted(len(sample.files), 'file')} of {sample.format}, {sample.table.num_rows:,} rows looked at"
                  + ("" if sample.whole else " (start, middle and end)")),
        ("key", contract.key.description if not draft.key.columns else ", ".join(draft.key.columns)),
        ("time", _time(draft, made.history)),
        ("label", f"{draft.label.made or draft.label.column}: {draft.label.in_words}"),
        *((f"joined: {one.name}", f"by {one.in_words}; {one.met:.1%} of the rows meet one") for one in draft.joins),
        ("features", f"{len(contract.features)}: {some(contract.features, MOST_NAMED)}"),
    ]  # fmt: skip
    console.print(table(("what", "found"), rows))
    for leak in draft.leaks:
        names = ", ".join(f"`{name}`" for name in leak.columns)
        keep = quote(",".join(leak.columns))
        console.print(
            f"leak: {names} {leak.how}; no feature, or a model would be told the answer. Known before the outcome? "
            f"--keep {keep}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    for out in draft.left_out:
        console.print(f"left out: `{out.column}` {out.why}", soft_wrap=True, markup=False)
    for one in draft.joins:
        for out in one.left_out:
            console.print(f"left out: `{one.name}.{out.column}` {out.why}", soft_wrap=True, markup=False)
    for note in draft.notes:
        console.print(f"to know: {note}", soft_wrap=True, markup=False)
    if made.history.without_time:
        console.print(f"to know: {made.history.without_time:,} rows have no time and are in no file of the history")
    console.print(f"\n{made.use_case.contract_path}", soft_wrap=True)
    console.print(f"Next: make demo USE_CASE={contract.use_case}\n")
    console.print(_to_beat(made))


def _to_beat(made: NewUseCase) -> Table:
    """What a model has to beat: by accuracy, or by the metrics that are asked for instead."""
    where = f"on held-out ones of {made.compared:,} rows"
    beside = {name: f"{value:.3f}" for name, value in made.baselines.items()}
    if made.gate.by_accuracy:
        below = f", below {made.gate.below:.3f}" if made.gate.below else ""
        nothing = "nothing yet: there are too few rows to say what is good"
        asked = f"above {made.gate.above:.3f}{below}" if made.gate.above else nothing
        return table((f"accuracy {where}", ""), [*beside.items(), ("the gate asks for", asked)])
    figures = [(one.title, f"{one.naive:.3f}", f"{one.trees:.3f}", one.bound) for one in made.gate.checks]
    if made.draft.label.number:
        head = [] if figures else [(made.gate.decides, beside.get("constant", ""), beside.get("trees", ""), "")]
    else:
        head = [("accuracy", beside.get("majority", ""), beside.get("trees", ""), "")]
    return table((where, "knows no row", "trees", "the gate asks for"), [*head, *figures])


def _time(draft: Draft, history: HistoryFiles) -> str:
    periods = f"{len(history.rows)} {draft.period}s from {history.start}, {history.usual:,} rows each (median)"
    return (
        f"{draft.time.name} as {draft.time.format}: {periods}"
        if draft.time is not None
        else f"none; dealt out: {periods}"
    )
