"""`lakeloop score`: a pushed model over a whole table."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from lakeloop.exceptions import WrongUseError
from operations.scoring import score, score_wanted


def score_command(
    table: Annotated[str, typer.Argument(metavar="TABLE[@VERSION]", help="e.g. gold/training, silver/policies@3.")],
    model: Annotated[str, typer.Option("--model", help="Version of the pushed model; default: the newest.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Score a table's rows into gold/scores, with the same model and fallback as the gateway.

    The same version of a table is scored with the same model only once.
    """
    case = open_use_case(use_case)
    name, at, number = table.partition("@")
    if at and not number.isdigit():
        raise WrongUseError(f"{table!r}: the version after @ is a number, e.g. {name or 'gold/training'}@3")
    wanted = score_wanted(case, name, int(number) if at else None, model)
    what = f"{wanted.table} version {wanted.version} with model {wanted.folder.name}"
    if wanted.done:
        console.print(f"{what}: nothing to do, gold/scores has it already or the table is empty")
        return
    with lake_of(case) as lake, console.status("scoring …"):
        report = score(lake, wanted)
    console.print(
        f"{what}: {report.rows:,} rows in gold/scores, {report.rules / report.rows:.1%} answered by the rules"
    )
