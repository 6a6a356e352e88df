"""`lakeloop clock`: the simulated time of a use case."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console, counted_files
from console.cli.use_case_option import UseCaseOption
from lakeloop.clock import period_spans, read_clock, set_clock
from lakeloop.lake_tables import read_lake_table
from operations.delivery import release


def show_command(use_case: UseCaseOption = "") -> None:
    """Say which period it is, to which one a simulation's ground truth is due, and which periods have some in gold."""
    case = open_use_case(use_case)
    now, period = read_clock(case), case.contract.period
    due = max(0, now - case.contract.truth_delay)
    rows = read_lake_table(case, "gold/training", [case.contract.period_column])
    labelled = [] if rows is None else map(case.contract.period_number, rows[case.contract.period_column].unique())
    console.print(
        f"{case.name}: {period} {now} ({case.contract.period_name(now)}) of the simulated clock; simulated ground "
        f"truth is due to {period} {due}; labelled {period}s in gold: {period_spans(labelled) or 'none yet'}"
    )


def set_command(
    period: Annotated[int, typer.Argument(min=0, help="Number of the period.")], use_case: UseCaseOption = ""
) -> None:
    """Move the clock forward and deliver the files that were held back until then."""
    case = open_use_case(use_case)
    set_clock(case, period)
    delivered = release(case)
    console.print(
        f"{case.name}: {case.contract.period} {period} ({case.contract.period_name(period)}); "
        f"{counted_files(len(delivered))} delivered"
    )
    for path in delivered:
        console.print(f"  {path}", soft_wrap=True)
    if delivered:
        console.print("`lakeloop lake ingest` takes them in")
