"""`lakeloop fallback`: let the rules answer instead of the model, for all rows or a segment, while the gateway runs."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import DIM, console, table
from console.cli.use_case_option import UseCaseOption
from lakeloop.access.acting import who_acts
from lakeloop.exceptions import WrongUseError
from lakeloop.fallback import WHOLE_MODEL
from lakeloop.switches import active_switches, add_switch, all_switches, remove_switch

Who = Annotated[str, typer.Option(help="Who wants it; default: the user running this.")]


def add_command(
    segment: Annotated[str, typer.Argument(help="e.g. 'age < 25' or 'age < 25 and training == 0'.")] = "",
    whole: Annotated[bool, typer.Option("--all", help="The whole model instead of a segment.")] = False,
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    who: Who = "",
    use_case: UseCaseOption = "",
) -> None:
    """Switch the model off; it stays on record who did and why."""
    case = open_use_case(use_case)
    if whole == bool(segment):
        raise WrongUseError("name a segment, such as 'age < 25', or --all for the whole model")
    if not why.strip():
        raise WrongUseError("say why with --why: others will ask")
    switch = add_switch(case, WHOLE_MODEL if whole else segment, who_acts(case.settings, "decide", who), why)
    console.print(f"{switch.id}: rules answer for {_named(switch.segment)} ({switch.who}: {switch.why})")
    console.print(f"`lakeloop fallback remove {switch.id}` switches the model on again", style=DIM)


def list_command(
    history: Annotated[bool, typer.Option("--history", help="Removed ones too.")] = False, use_case: UseCaseOption = ""
) -> None:
    """Say what is switched off."""
    case = open_use_case(use_case)
    always = case.contract.fallback.segments if case.contract.fallback else ()
    for text in always:
        console.print(f"by the contract, always: {text}")
    switches = all_switches(case) if history else active_switches(case)
    if not switches:
        console.print("nothing is switched off" if not always else "nothing else is switched off")
        return
    rows = [(s.id, _named(s.segment), s.who, s.why, s.since, s.until or "on", s.removed_by) for s in switches]
    console.print(table(("number", "rules answer for", "who", "why", "since", "until", "removed by"), rows))


def remove_command(
    number: Annotated[int, typer.Argument(help="As `list` shows it.")], who: Who = "", use_case: UseCaseOption = ""
) -> None:
    """Switch the model on again."""
    case = open_use_case(use_case)
    switch = remove_switch(case, number, who_acts(case.settings, "decide", who))
    console.print(f"{switch.id}: the model answers for {_named(switch.segment)} again")


def _named(segment: str) -> str:
    return segment or "all rows"
