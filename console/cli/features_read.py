"""`lakeloop features read`: feature values as they were known at a point in time."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from console.cli.options import open_use_case
from console.cli.render import BAD, console
from console.cli.spark import spark_of
from console.cli.use_case_option import UseCaseOption
from lakehouse.lake import open_lake
from lakehouse.read.as_of import Points, parse_point, read_points
from lakeloop.clock import read_clock
from lakeloop.exceptions import WrongUseError
from operations.features.read import check_ending, counted, read_features, read_version, write_features


def read_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv or .parquet.", dir_okay=False)],
    keys: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet with the key's column and, if they differ, `as_of`; default: every key."),
    ] = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="A period of the clock, a day or a moment; default: the clock's period.")
    ] = "",
    version: Annotated[
        int | None, typer.Option("--version", min=0, help="Instead: what this version of gold/training holds.")
    ] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Write feature values as they were known at a point in time, with the label where it was known by then.

    By a simulated clock the files of a period count as delivered when the contract says. A day or a moment, and by the
    wall clock a period (its end), is the lake's own time: what it had taken in by then.
    """
    case = open_use_case(use_case)
    check_ending(out)
    if version is not None and as_of:
        raise WrongUseError("--version names what is read, so leave --as-of out")
    clock = read_clock(case)
    points = Points(parse_point(as_of or str(clock.period), clock))
    if keys is not None:
        points = read_points(keys, as_of, clock)
    if version is not None:
        rows = read_version(case, version, points)
    else:
        with open_lake(case, spark_of) as lake:
            rows = read_features(lake, points)
    write_features(rows, out)
    found = counted(rows, case.contract.key.column)
    console.print(f"{out}: {found.rows:,} rows, {found.labelled:,} with a label", soft_wrap=True)
    if found.unknown:
        shown = ", ".join(found.examples) + (" …" if found.unknown > len(found.examples) else "")
        console.print(
            f"[{BAD}]note:[/{BAD}] of {found.unknown:,} nothing was known then: {escape(shown)}", soft_wrap=True
        )
