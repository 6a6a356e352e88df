"""`lakeloop events`: what happened that somebody must act on."""

import json
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console, table
from console.cli.use_case_option import UseCaseOption
from lakeloop.events import Event, all_events, find_event, open_events


def list_command(
    every: Annotated[bool, typer.Option("--all", help="Handled ones too.")] = False, use_case: UseCaseOption = ""
) -> None:
    """Say what is open."""
    case = open_use_case(use_case)
    found = all_events(case) if every else open_events(case)
    if not found:
        console.print(f"{case.name}: no events" if every else f"{case.name}: no open events")
        return
    head = ("number", "kind", "key", "since (UTC)", "handled by", "Airflow")
    console.print(table(head, [(e.id, e.kind, e.key, e.created_at[:19], e.handled_by, _delivery(e)) for e in found]))


def show_command(
    number: Annotated[int, typer.Argument(help="As `list` shows it.")], use_case: UseCaseOption = ""
) -> None:
    """Print one event with its payload, as JSON."""
    case = open_use_case(use_case)
    event = find_event(case, number)
    console.print_json(json.dumps({**vars(event), "asset": event.asset}))


def _delivery(event: Event) -> str:
    if event.delivered_at:
        return f"told {event.delivered_at[:19]}"
    return f"{event.attempts} failed: {event.problem}" if event.problem else "not told yet"
