"""`lakeloop features skew`: what was served beside what training saw of the same rows."""

import json
from typing import Annotated

import typer
from rich.markup import escape

from console.cli.options import AsJson, open_use_case
from console.cli.render import BAD, NOT_KNOWN, console, table, verdict
from console.cli.use_case_option import UseCaseOption
from lakehouse.read.as_of import parse_since
from lakeloop.exceptions import NotFoundError
from operations.exceptions import SkewError
from operations.features.skew import SkewReport, measure_skew


def skew_command(
    since: Annotated[
        str,
        typer.Option(help="Only requests of this period or later, or answered since this day or moment; default: all."),
    ] = "",
    as_json: AsJson = False,
    use_case: UseCaseOption = "",
) -> None:
    """Compare what the gateway served with what training saw of the same rows (exit 1 where they differ)."""
    case = open_use_case(use_case)
    with console.status("comparing …"):
        found = measure_skew(case, parse_since(since, case.contract) if since else None)
    if as_json:
        typer.echo(json.dumps(found.model_dump() | {"verdict": found.verdict, "skewed": found.skewed}, indent=2))
    else:
        _print_skew(found)
    if found.verdict == "skew":
        raise SkewError("served values are not what training saw:\n  " + "\n  ".join(found.skewed))
    if found.verdict == "not known":
        raise NotFoundError(
            "nothing could be compared, so whether there is skew is not known: " + "; ".join(found.gaps)
        )


def _print_skew(found: SkewReport) -> None:
    since = f" since {found.since}" if found.since else ""
    console.print(f"{found.served:,} answered requests{since}", style="bold")
    kinds = [
        (one.feature, one.contract, one.logged or NOT_KNOWN, one.trained or NOT_KNOWN, verdict(not one.problem))
        for one in found.types
    ]
    console.print(table(("type of", "contract", "logged as", "in training", ""), kinds))
    for join in found.joins:
        kind = "another way than through the gateway" if join.independent else "through the gateway"
        console.print(f"\n{join.rows:,} rows against {join.source}, which came {kind}", style="bold", soft_wrap=True)
        header = ("feature", "rows", "differing", "largest", "")
        rows = [
            (one.feature, f"{one.rows:,}", f"{one.differing:,}", one.largest, verdict(not one.differing))
            for one in join.features
        ]
        console.print(table(header, rows, ("rows", "differing", "largest")))
        if join.corrected:
            console.print(f"{join.corrected:,} rows were served as they were before a later delivery corrected them")
    if found.models:
        heads = ("model", "compared", "rows", "differing", "largest", "")
        checks = [
            (c.version, c.compared, f"{c.rows:,}", f"{c.differing:,}", c.largest, verdict(not c.problem))
            for c in found.models
        ]
        console.print("\nthe models' answers, within a millionth", style="bold")
        console.print(table(heads, checks, ("rows", "differing", "largest"), ("model",)))
    for gap in found.gaps:
        console.print(f"[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)
