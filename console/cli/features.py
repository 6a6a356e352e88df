"""`lakeloop features`: the catalogue, values as they were known, and whether serving and training see the same."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from console.cli.options import UseCase, open_use_case
from console.cli.render import BAD, DIM, console, table, verdict
from lakeloop.exceptions import WrongUseError

if TYPE_CHECKING:
    from operations.features.catalogue import FeatureDescription
    from operations.features.feature_sources import Arrival, Origin
    from operations.features.freshness import Freshness
    from operations.features.skew import SkewReport
    from operations.features.usage import ModelUse

app = typer.Typer(
    no_args_is_help=True,
    help="The features: what each means, where it comes from, how fresh it is, and which models use it.",
)
AsJson = Annotated[bool, typer.Option("--json", help="The whole answer as JSON, for other programs.")]
NOT_KNOWN, SILVER = "-", "silver/"


@app.command("list")
def list_(as_json: AsJson = False, use_case: UseCase = "") -> None:
    """List every feature of the contract with its source, freshness and models."""
    from operations.features.catalogue import describe_features

    settings, contract = open_use_case(use_case)
    found = describe_features(settings, contract)
    if as_json:
        typer.echo(json.dumps([as_plain(one) for one in found], indent=2, default=_text))
        return
    header = ("feature", "type", "unit", "allowed", "from silver", "rows", "missing", "months", "behind", "newest",
              "models", "serving")  # fmt: skip
    console.print(
        table(header, map(_line, found), ("rows", "missing", "behind", "models"), ("months", "newest", "serving"))
    )
    for gap in dict.fromkeys(gap for one in found for gap in one.gaps):
        console.print(f"[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A feature, the key, the event time, the ground truth or the label.")],
    as_json: AsJson = False,
    use_case: UseCase = "",
) -> None:
    """Tell all there is to know of one column."""
    from operations.features.catalogue import describe_column

    settings, contract = open_use_case(use_case)
    found = describe_column(settings, contract, name)
    if as_json:
        typer.echo(json.dumps(as_plain(found), indent=2, default=_text))
    else:
        _print(found)


@app.command()
def read(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv or .parquet.", dir_okay=False)],
    keys: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet with the key's column and, if they differ, `as_of`; default: every key."),
    ] = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="A month of the clock, a day or a moment; default: the clock's month.")
    ] = "",
    version: Annotated[
        int | None, typer.Option("--version", min=0, help="Instead: what this version of gold/training holds.")
    ] = None,
    use_case: UseCase = "",
) -> None:
    """Write feature values as they were known at a point in time, with the label where it was known by then.

    A month is one of the use case's clock: its files count as delivered when the contract says. A day or a moment is
    the lake's own time: what it had taken in by then.
    """
    from console.cli.spark import spark_of
    from lakehouse.read.as_of import Points, parse_point, read_points
    from lakeloop.clock import read_clock
    from operations.features.read import check_ending, counted, read_features, read_version, write_features

    settings, contract = open_use_case(use_case)
    check_ending(out)
    if version is not None and as_of:
        raise WrongUseError("--version names what is read, so leave --as-of out")
    clock, now = read_clock(settings), datetime.now(UTC)
    points = Points(parse_point(as_of or str(clock), contract, clock, now))
    if keys is not None:
        points = read_points(keys, as_of, contract, clock, now)
    if version is not None:
        rows = read_version(settings, contract, version, points)
    else:
        rows = read_features(settings, contract, points, spark_of)
    write_features(rows, out)
    found = counted(rows, contract.key.column)
    console.print(f"{out}: {found.rows:,} rows, {found.labelled:,} with a label", soft_wrap=True)
    if found.unknown:
        shown = ", ".join(found.examples) + (" …" if found.unknown > len(found.examples) else "")
        console.print(
            f"[{BAD}]note:[/{BAD}] of {found.unknown:,} nothing was known then: {escape(shown)}", soft_wrap=True
        )


@app.command()
def skew(
    since: Annotated[
        str,
        typer.Option(help="Only requests of this month and later, or answered since this day or moment; default: all."),
    ] = "",
    as_json: AsJson = False,
    use_case: UseCase = "",
) -> None:
    """Compare what the gateway served with what training saw of the same rows (exit 1 where they differ)."""
    from lakehouse.read.as_of import parse_since
    from lakeloop.exceptions import NotFoundError
    from operations.exceptions import SkewError
    from operations.features.skew import measure_skew

    settings, contract = open_use_case(use_case)
    with console.status("comparing …"):
        found = measure_skew(settings, contract, parse_since(since, contract) if since else None)
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


def as_plain(found: "FeatureDescription") -> dict[str, Any]:
    """The description with what follows from it, for JSON."""
    return asdict(found) | {
        "rows": found.rows,
        "share_missing": found.share_missing,
        "first": asdict(found.first) if found.first else None,
        "last": asdict(found.last) if found.last else None,
        "used_by": [model.version for model in found.used_by if model.version],
        "serves": found.serves,
    }


def _text(value: object) -> str:
    """What JSON does not know: times."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _line(found: "FeatureDescription") -> tuple[str, ...]:
    first, last, fresh = found.first, found.last, found.freshness
    behind = None if fresh is None else fresh.months_behind
    return (
        found.name,
        found.type,
        found.unit or NOT_KNOWN,
        found.allowed,
        ", ".join(origin.table.removeprefix(SILVER) for origin in found.origins) or found.source.removeprefix(SILVER),
        _count(found.rows if found.origins else None),
        _share(found.share_missing),
        f"{first.month} to {last.month}" if first and last else NOT_KNOWN,
        NOT_KNOWN if behind is None else str(behind),
        _age(fresh.seconds if fresh else None),
        f"{len(found.used_by)} of {len(found.models)}" if found.models else "0",
        found.serves or NOT_KNOWN,
    )


def _print(found: "FeatureDescription") -> None:
    console.print(f"{found.name}: {found.meaning}", style="bold", soft_wrap=True)
    facts = {
        "what it is": found.kind,
        "type": f"{found.type} {f'in {found.unit}' if found.unit else ''}".strip(),
        "allowed": found.allowed,
        "role": found.role,
        "drift test": found.drift_test,
        "field of a request": f"{found.group}.{found.name}" if found.group else "",
        "source": found.derived_from or f"{found.source}.{found.column}",
        "for training": found.gold,
    }
    for fact, value in facts.items():
        _fact(fact, value)
    if found.freshness is not None:
        _fact("freshness", _freshness(found.freshness))
    for model in found.models:
        _fact("model", _model(model))
    for origin in found.origins:
        _print_origin(origin)
    for gap in found.gaps:
        console.print(f"[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)


def _print_skew(found: "SkewReport") -> None:
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
        console.print("\nprobabilities, within a millionth", style="bold")
        console.print(table(heads, checks, ("rows", "differing", "largest"), ("model",)))
    for gap in found.gaps:
        console.print(f"[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)


def _freshness(fresh: "Freshness") -> str:
    clock = f"the simulated clock ({fresh.clock})"
    if fresh.newest_month is None:
        return f"nothing came yet; by {clock} {fresh.due_month} is due"
    came = f"the newest is {fresh.newest_month}; something came {_age(fresh.seconds)}"
    if fresh.newest_month > fresh.due_month:
        return f"ahead of {clock}, by which {fresh.due_month} is due: {came}"
    months = "1 month" if fresh.months_behind == 1 else f"{fresh.months_behind} months"
    return f"{months} behind: by {clock} {fresh.due_month} is due, {came}"


def _print_origin(origin: "Origin") -> None:
    console.print(f"\n{origin.table}.{origin.column}", style="bold")
    _fact("rows", _count(origin.rows))
    _fact("without a value", f"{origin.missing:,} rejected, {_share(origin.share_missing)} of what came")
    _fact("value not allowed", f"{origin.refused - origin.missing:,} rejected")
    word = "delivered" if origin.way == "files" else "answered"
    _fact("first " + word, _arrival(origin.first))
    _fact("last " + word, _arrival(origin.last))


def _model(model: "ModelUse") -> str:
    said = ["dropped the feature" if model.dropped else "uses it", "serves" if model.serves else ""]
    made = f", made {model.made}" if model.made else ""
    return f"{model.version or 'candidate, not pushed'}{made}: {', '.join(filter(None, said))}"


def _arrival(arrival: "Arrival | None") -> str:
    return NOT_KNOWN if arrival is None else f"{arrival.month}, at {arrival.at:%Y-%m-%d %H:%M:%S} UTC, {arrival.file}"


def _fact(name: str, value: str) -> None:
    if value:
        console.print(f"  [{DIM}]{name:20}[/{DIM}] {escape(value)}", soft_wrap=True)


def _count(count: int | None) -> str:
    return NOT_KNOWN if count is None else f"{count:,}"


def _share(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{share:.2%}"


def _age(seconds: float | None) -> str:
    """Seconds as people say them, in one unit."""
    if seconds is None:
        return NOT_KNOWN
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
