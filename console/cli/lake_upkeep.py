"""`lakeloop lake optimize` and `vacuum`: fewer and newer files, the same rows."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import DIM, console, table
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakehouse.storage.maintenance import optimize, vacuum
from lakeloop.exceptions import BusyError
from operations.batch_scoring.old_scores import remove_old_scores
from operations.retention import versions_in_use


def optimize_command(use_case: UseCaseOption = "") -> None:
    """Compact small files into larger ones; readers notice nothing. It waits for whoever writes tables."""
    case = open_use_case(use_case)
    with lake_of(case) as lake, console.status("optimizing, as soon as nobody writes …"):
        done = optimize(lake)
    rows = [(name, removed, added) for name, (removed, added) in done.items()]
    console.print(table(("table", "files merged", "into files"), rows, ("files merged", "into files")))


def vacuum_command(
    hours: Annotated[int, typer.Option(min=0, help="Keep what was current this many hours ago.")] = 168,
    use_case: UseCaseOption = "",
) -> None:
    """Remove files that no kept version needs.

    Versions that an export or a model was made from, or that a decision compared models on, are never removed. What is
    removed stays named in `lakeloop lineage`. It waits for whoever writes tables. Scores of whole tables go, too, file
    and rows, where a newer scoring of the same table took their place by then; the champion's newest stay.
    """
    case = open_use_case(use_case)
    try:
        old = remove_old_scores(case, hours)
        if old:
            console.print(f"{counted(len(old), 'old scoring')} removed: {', '.join(record.scoring for record in old)}")
    except BusyError:
        console.print("old scores stay for now: a scoring is at work", style=DIM)
    with console.status("vacuuming, as soon as nobody writes …"):
        done = vacuum(case, hours, versions_in_use(case))
    rows = [(name, t.removed, ", ".join(map(str, t.kept_versions))) for name, t in done.items()]
    header = ("table", "files removed", "versions kept for an export, a model or a decision")
    console.print(table(header, rows, ("files removed",)))
