"""`lakeloop lake clusters`: which things of a use case are alike, read without Spark."""

from typing import Annotated

import typer
from rich.markup import escape

from console.cli.options import TableVersion, open_use_case
from console.cli.render import DIM, console, rows_of
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakehouse.read.as_of import parse_point
from lakehouse.read.clusters import read_clusters
from lakehouse.storage.layout import CLUSTERS
from lakeloop.clock import read_clock
from lakeloop.exceptions import WrongUseError

EXAMPLES = 3


def clusters_command(
    version: TableVersion = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="As they were known at a period of the clock, a day or a moment.")
    ] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Print which things are alike: the clusters with names and centres.

    What is clustered, and by what, says the contract's `clusters`; centres are in the columns' units. `lakeloop lake
    show gold/clusters` lists the things, `lakeloop lineage table gold/clusters` the files they came from.
    """
    case = open_use_case(use_case)
    if version is not None and as_of:
        raise WrongUseError("--version names what is read, so leave --as-of out")
    found = read_clusters(case, version, parse_point(as_of, read_clock(case)) if as_of else None)
    rows: list[list[object]] = [
        [one.number, one.name, len(one.things), *one.centre.values(), ", ".join(one.things[:EXAMPLES])]
        for one in found.clusters
    ]
    header = ("cluster", "name", "things", *found.columns, "such as")
    for part in rows_of(header, rows, ("cluster", "things", *found.columns)):
        console.print(part)
    first, last = found.periods
    over = first if first == last else f"{first} to {last}"
    things = sum(len(one.things) for one in found.clusters)
    console.print(
        f"{CLUSTERS} version {found.version}: {things:,} of `{found.of}`, means over {over}, "
        f"silhouette {found.silhouette:.2f}",
        style=DIM,
        soft_wrap=True,
    )
    if found.left_out:
        thing, why = next(iter(found.left_out.items()))
        console.print(f"left out: {counted(len(found.left_out), 'thing')}, such as {escape(thing)}: {escape(why)}",
                      style=DIM, soft_wrap=True)  # fmt: skip
