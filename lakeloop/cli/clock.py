"""`lakeloop clock`: the simulated time of a use case."""

from typing import Annotated

import typer

from lakeloop.cli.options import UseCase, open_use_case
from lakeloop.cli.render import console, counted_files

app = typer.Typer(no_args_is_help=True, help="The simulated clock, in months: what is known depends on it.")


@app.command()
def show(use_case: UseCase = "") -> None:
    """Say which month it is and which ground truth is known."""
    from lakeloop.clock import read_clock

    settings, contract = open_use_case(use_case)
    now = read_clock(settings)
    known = max(0, now - contract.truth_delay)
    console.print(f"{contract.use_case}: month {now} ({contract.month_name(now)}); ground truth known to month {known}")


@app.command("set")
def set_month(month: Annotated[int, typer.Argument(min=0, help="Month number.")], use_case: UseCase = "") -> None:
    """Move the clock forward and deliver the files that were held back until then."""
    from lakehouse.delivery import release
    from lakeloop.clock import set_clock

    settings, contract = open_use_case(use_case)
    set_clock(settings, month)
    delivered = release(contract, settings)
    console.print(
        f"{contract.use_case}: month {month} ({contract.month_name(month)}); {counted_files(len(delivered))} delivered"
    )
    for path in delivered:
        console.print(f"  {path}", soft_wrap=True)
    if delivered:
        console.print("`lakeloop lake ingest` takes them in")
