"""`lakeloop events`: what happened that somebody must act on."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.options import UseCase, open_use_case
from console.cli.render import console, table

if TYPE_CHECKING:
    from lakeloop.events import Event

app = typer.Typer(
    no_args_is_help=True,
    help="The event ledger: drift and new ground truth, each once, until a run has handled it.",
)


@app.command("list")
def show_all(
    every: Annotated[bool, typer.Option("--all", help="Handled ones too.")] = False, use_case: UseCase = ""
) -> None:
    """Say what is open."""
    from lakeloop.events import all_events, open_events

    settings, contract = open_use_case(use_case)
    found = all_events(settings) if every else open_events(settings)
    if not found:
        console.print(f"{contract.use_case}: no events" if every else f"{contract.use_case}: no open events")
        return
    head = ("number", "kind", "key", "since (UTC)", "handled by", "Airflow")
    console.print(table(head, [(e.id, e.kind, e.key, e.created_at[:19], e.handled_by, _delivery(e)) for e in found]))


@app.command()
def show(number: Annotated[int, typer.Argument(help="As `list` shows it.")], use_case: UseCase = "") -> None:
    """Print one event with its payload, as JSON."""
    from lakeloop.events import find_event

    settings, _ = open_use_case(use_case)
    event = find_event(settings, number)
    console.print_json(json.dumps({**vars(event), "asset": event.asset}))


def _delivery(event: "Event") -> str:
    if event.delivered_at:
        return f"told {event.delivered_at[:19]}"
    return f"{event.attempts} failed: {event.problem}" if event.problem else "not told yet"
