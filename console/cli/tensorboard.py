"""`lakeloop tensorboard`: the training curves of all runs."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

import typer

from console.cli.render import console, print_problem
from console.cli.use_case_option import OnlyOption
from console.tensorboard import run_tensorboard
from console.words import counted
from lakeloop.settings import check_home, load_settings


def tensorboard_command(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 6006, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    only: OnlyOption = None,
    use_case: Annotated[str, typer.Option("--use-case", "-u", help="The same as --only, for one use case.")] = "",
) -> None:
    """Open TensorBoard over all runs, each by use case and pushed version or id; new ones appear while it is open."""
    named = use_case or context.find_root().params.get("use_case")
    settings = load_settings(served_use_cases=",".join([*(only or ()), *([named] if named else [])]))
    check_home(settings)

    def runs(counts: Mapping[str, int], url: str) -> None:
        console.print(f"{url}  (Ctrl-C stops)", soft_wrap=True)
        for name, count in sorted(counts.items()):
            known = counted(count, "run") if count else "no run has trained yet, the first will appear"
            console.print(f"  {name}: {known}", soft_wrap=True)

    with suppress(KeyboardInterrupt):
        run_tensorboard(settings, host, settings.tensorboard_port if port is None else port, runs, print_problem)
