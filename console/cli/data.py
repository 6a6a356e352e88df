"""`lakeloop data`: deliver a use case's data, drawn or replayed."""

from pathlib import Path
from typing import Annotated

import typer

from console.cli.fetched_history import with_history
from console.cli.options import Periods, open_use_case, parse_periods
from console.cli.render import console, progress
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakeloop.added_columns import with_label
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import WrongUseError
from operations.delivery import generate
from operations.period_rows import period_rows


def generate_command(
    periods: Periods = "0",
    rows: Annotated[int | None, typer.Option(min=1, help="Rows a period; default: the reference data.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another draw; default: the reference data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything there; default: the landing folder.")] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Write periods of data as delivery files, one a source and period.

    In the landing folder a simulated clock decides which ground truth is delivered; the rest is held back and
    `lakeloop clock set` delivers it when its time has come. By the wall clock all is delivered, and known from then on.
    """
    case = open_use_case(use_case)
    first, last = parse_periods(periods, case.contract.event_time)
    wanted = range(first, last + 1)
    with_history(case)
    with progress() as bar:
        task = bar.add_task("writing", total=len(wanted) * len(case.contract.sources))
        deliveries = generate(
            case, wanted, rows=rows, seed=seed, out=out,
            on_file=lambda d: bar.update(task, advance=1, description=d.path.name),
        )  # fmt: skip
    for source in case.contract.sources:
        written = [d for d in deliveries if d.source == source and d.due is None]
        held = [d for d in deliveries if d.source == source and d.due is not None]
        if written:
            console.print(
                f"{source}: {counted(len(written), 'file')}, {sum(d.rows for d in written):,} rows in "
                f"{written[0].path.parent}"
            )
        if held:
            due = [d.due for d in held if d.due is not None]
            span = f"clock {min(due)}" if min(due) == max(due) else f"clocks {min(due)} to {max(due)}"
            console.print(
                f"{source}: {counted(len(held), 'file')} held back, delivered at {span} (`lakeloop clock set`)"
            )


def reference_command(
    period: Annotated[int, typer.Option("--period", min=0, help="Number of the period.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Write one period of reference data, features and truth, with `;` between the columns."""
    case = open_use_case(use_case)
    label = case.contract.label
    with_history(case)
    frame = with_label(case.contract, period_rows(case, period))
    text = frame[[*case.contract.features, label.truth_column, *label.gold_columns]].to_csv(sep=";", index=False)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        write_text(out, text)
    except (IsADirectoryError, FileExistsError, NotADirectoryError):
        raise WrongUseError(f"--out {out} is not a file that can be written; name a file") from None
    console.print(
        f"{out}: {len(frame):,} rows of {case.contract.period} {period} ({case.contract.period_name(period)})"
    )
