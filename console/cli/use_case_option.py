"""`--use-case`, which every command takes and which may stand before it; `lakeloop --help` imports no more of them."""

import os
from typing import Annotated

import typer

UseCaseOption = Annotated[
    str,
    typer.Option("--use-case", "-u", help="Which use case; default: LAKELOOP_USE_CASE or pyproject.toml."),
]

OnlyOption = Annotated[
    list[str] | None,
    typer.Option(help="Serve this use case alone; may be given several times. Default: all of the folder."),
]


def hold_for_the_command(use_case: UseCaseOption = "") -> None:
    """`--use-case` before a command, or before its group, is the default of the command."""
    if use_case:
        os.environ["LAKELOOP_USE_CASE"] = use_case
