"""All commands in one Typer application; who asks for one of them gets that one alone, which starts at once."""

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from console.cli.failures import OneLine
from console.cli.options import UseCase, hold_for_the_command

GROUPS = {
    "contract": "contract:app", "data": "data:app", "clock": "clock:app", "lake": "lake:app",
    "pipeline": "pipeline:pipeline_app", "serve": "serve:app", "fallback": "fallback:app", "events": "events:app",
    "decisions": "decision_steps:app", "lineage": "lineage:app", "window": "window:app", "features": "features:app",
}  # fmt: skip
COMMANDS = {
    "train": "pipeline", "validate": "pipeline", "reproduce": "reproduce", "retrain": "retrain", "decide": "decide",
    "deploy": "deploy", "simulate": "simulate", "monitor": "monitor", "score": "score", "drift": "drift",
    "performance": "performance", "analyse": "analyse", "dashboards": "dashboards", "tensorboard": "tensorboard",
    "up": "platform", "prepare": "platform", "down": "platform", "status": "platform", "logs": "platform",
    "demo": "demo", "exercise": "exercise", "report": "report",
}  # fmt: skip
"""The module of each command; its function has the command's name."""


def application(only: str = "") -> typer.Typer:
    """The application with every command, or with the group or command `only`, if there is one of that name."""
    made = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="Lakeloop closes the loop: landing files → Delta lakehouse → TFX pipeline → served model.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by the quality gate.",
    )
    made.callback()(settings)
    everything = only not in GROUPS and only not in COMMANDS
    for name, place in GROUPS.items():
        if everything or name == only:
            module, attribute = place.split(":")
            group = getattr(_module(module), attribute)
            group.callback()(hold_for_the_command)
            made.add_typer(group, name=name)
    for name, module in COMMANDS.items():
        if everything or name == only:
            made.command(name)(getattr(_module(module), name))
    return made


def settings(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the platform logs while it works.")
    ] = False,
    use_case: UseCase = "",
) -> None:
    """Options before the command hold for every command."""
    hold_for_the_command(use_case)
    written = logging.StreamHandler()
    written.setFormatter(OneLine("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[written])


def asked_for(arguments: Sequence[str]) -> str:
    """The group or command that these arguments begin with, options before it left out; '' where they name none."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("--use-case", "-u") and rest:
            rest.pop(0)
    return rest[0] if rest else ""


def _module(name: str) -> object:
    return import_module(f"console.cli.{name}")


def __getattr__(name: str) -> typer.Typer:
    """`app`: the whole application, made when somebody wants it."""
    if name == "app":
        return application()
    raise AttributeError(name)
