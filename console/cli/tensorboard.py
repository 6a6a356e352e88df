"""`lakeloop tensorboard`: the training curves of all runs."""

from contextlib import suppress
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from console.tensorboard import run_tensorboard
from console.words import counted


def tensorboard_command(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 6006, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    use_case: UseCaseOption = "",
) -> None:
    """Open TensorBoard over all runs, each by its pushed version or its id; new ones appear while it is open."""
    case = open_use_case(use_case)

    def runs(count: int, url: str) -> None:
        known = counted(count, "run") if count else "no run has trained yet, the first will appear"
        console.print(f"{case.name}: {url}  (Ctrl-C stops), {known}", soft_wrap=True)

    with suppress(KeyboardInterrupt):
        run_tensorboard(case, host, case.settings.tensorboard_port if port is None else port, runs)
