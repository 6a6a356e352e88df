"""`lakeloop clock`: what time it is for a use case."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakeloop.clock import period_spans, read_clock, set_clock
from lakeloop.lake_tables import read_lake_table
from operations.delivery import release


def show_command(use_case: UseCaseOption = "") -> None:
    """Say which period it is and why, to which one ground truth is due, and which periods have some in gold."""
    case = open_use_case(use_case)
    clock, contract = read_clock(case), case.contract
    period, due = contract.period, clock.newest_truth
    rows = read_lake_table(case, "gold/training", [contract.period_column])
    labelled = [] if rows is None else map(contract.period_number, rows[contract.period_column].unique())
    gold = f"labelled {period}s in gold: {period_spans(labelled) or 'none yet'}"
    now = f"{case.name}: {period} {clock.period} ({clock.name})"
    if not clock.is_wall:
        truth = "no simulated ground truth is due yet"
        truth = truth if due is None else f"simulated ground truth is due to {period} {due}"
        console.print(f"{now} of the simulated clock; {truth}; {gold}", soft_wrap=True)
        if clock.is_played:
            console.print(
                f"The contract says `clock: wall`; {case.settings.home} plays {case.name} with a simulated clock. In "
                "another LAKELOOP_HOME, without LAKELOOP_CLOCK=simulated, it goes by the real time",
                soft_wrap=True,
            )
        return
    truth = "ground truth is due to" if due is not None else "no ground truth is due yet"
    if due is not None:
        truth += f" {period} {due} ({contract.period_name(due)})"
    console.print(f"{now} of the wall clock; {truth}; {gold}", soft_wrap=True)
    console.print(f"{clock.why}. What is delivered counts as known from then on", soft_wrap=True)


def set_command(
    period: Annotated[int, typer.Argument(min=0, help="Number of the period.")], use_case: UseCaseOption = ""
) -> None:
    """Move a simulated clock forward and deliver the files that were held back until then."""
    case = open_use_case(use_case)
    set_clock(case, period)
    delivered = release(case)
    console.print(
        f"{case.name}: {case.contract.period} {period} ({case.contract.period_name(period)}); "
        f"{counted(len(delivered), 'file')} delivered"
    )
    for path in delivered:
        console.print(f"  {path}", soft_wrap=True)
    if delivered:
        console.print("`lakeloop lake ingest` takes them in")
    if any(source.fetch for source in case.contract.sources.values()):
        console.print(f"`lakeloop data fetch -u {case.name}` gets what is due now of the sources that are fetched")
