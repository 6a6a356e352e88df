"""The command line as one Typer application that imports a command when it is called, or asked for its own help."""

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand
from typer.main import get_command

from console.cli.commands import COMMANDS, GROUPS, Command
from console.cli.failures import OneLine
from console.cli.use_case_option import UseCaseOption, hold_for_the_command

MARKUP: Literal["markdown"] = "markdown"


def application(lazy: bool = True) -> typer.Typer:
    """The application with every command; without `lazy` each is imported at once, for who looks at all of them."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=MARKUP,
        help="Lakeloop closes the loop: landing files → Delta lakehouse → TFX pipeline → served model.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by the quality gate.",
    )
    app.callback()(before_every_command)
    groups = {"": app}
    for name, summary in GROUPS.items():
        groups[name] = typer.Typer(no_args_is_help=True, rich_markup_mode=MARKUP, help=summary)
        groups[name].callback()(hold_for_the_command)
        app.add_typer(groups[name], name=name)
    for words, command in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        if lazy:
            listed = {"cls": _imported_when_called(name, command), "help": command.summary, **command.options}
            groups[group].command(name, **listed)(_listed)
        else:
            groups[group].command(name, **command.options)(function_of(name, command))
    return app


def before_every_command(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the platform logs while it works.")
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Options before the command hold for every command."""
    hold_for_the_command(use_case)
    written = logging.StreamHandler()
    written.setFormatter(OneLine("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[written])


def function_of(name: str, command: Command) -> Callable[..., None]:
    """A command's function, from its module."""
    module = import_module(f"console.cli.{command.module}")
    function: Callable[..., None] = getattr(module, f"{name.replace('-', '_')}_command")
    return function


def _imported_when_called(name: str, command: Command) -> type[TyperCommand]:
    """What Typer lists without a module; to read arguments, `--help` among them, it takes the real command's place."""

    class Listed(TyperCommand):
        def make_context(self, *arguments: Any, **further: Any) -> Any:
            alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
            alone.command(name, **command.options)(function_of(name, command))
            return get_command(alone).make_context(*arguments, **further)

    return Listed


def _listed() -> None:
    """Stands for the function of a command that is only listed; never called."""


app = application()
