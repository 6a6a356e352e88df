"""`lakeloop features`: the catalogue, values as they were known, and whether serving and training see the same."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from console.cli.options import AsJson, open_use_case
from console.cli.render import BAD, DIM, NOT_KNOWN, console, table
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from operations.features.catalogue import FeatureDescription, describe_column, describe_features
from operations.features.feature_sources import Arrival, Origin
from operations.features.freshness import Freshness, in_one_unit
from operations.features.usage import ModelUse

SILVER = "silver/"


def list_command(as_json: AsJson = False, use_case: UseCaseOption = "") -> None:
    """List every feature of the contract with its source, freshness and models."""
    case = open_use_case(use_case)
    found = describe_features(case)
    if as_json:
        typer.echo(json.dumps([as_plain(one) for one in found], indent=2, default=_text))
        return
    periods = f"{case.contract.period}s"
    header = ("feature", "type", "unit", "allowed", "from silver", "rows", "missing", periods, "behind", "newest",
              "models", "serving")  # fmt: skip
    console.print(
        table(header, map(_line, found), ("rows", "missing", "behind", "models"), (periods, "newest", "serving"))
    )
    for gap in dict.fromkeys(gap for one in found for gap in one.gaps):
        console.print(f"[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)


def show_command(
    name: Annotated[str, typer.Argument(help="A feature, the key, the event time, the ground truth or the label.")],
    as_json: AsJson = False,
    use_case: UseCaseOption = "",
) -> None:
    """Tell all there is to know of one column."""
    case = open_use_case(use_case)
    found = describe_column(case, name)
    if as_json:
        typer.echo(json.dumps(as_plain(found), indent=2, default=_text))
    else:
        _print(found)


def as_plain(found: FeatureDescription) -> dict[str, Any]:
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


def _line(found: FeatureDescription) -> tuple[str, ...]:
    first, last, fresh = found.first, found.last, found.freshness
    behind = None if fresh is None else fresh.periods_behind
    return (
        found.name,
        found.type,
        found.unit or NOT_KNOWN,
        found.allowed,
        ", ".join(origin.table.removeprefix(SILVER) for origin in found.origins) or found.source.removeprefix(SILVER),
        _count(found.rows if found.origins else None),
        _share(found.share_missing),
        f"{first.period} to {last.period}" if first and last else NOT_KNOWN,
        NOT_KNOWN if behind is None else str(behind),
        _age(fresh.seconds if fresh else None),
        f"{len(found.used_by)} of {len(found.models)}" if found.models else "0",
        found.serves or NOT_KNOWN,
    )


def _print(found: FeatureDescription) -> None:
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


def _freshness(fresh: Freshness) -> str:
    return fresh.sentence if fresh.seconds is None else f"{fresh.sentence}; something came {_age(fresh.seconds)}"


def _print_origin(origin: Origin) -> None:
    console.print(f"\n{origin.table}.{origin.column}", style="bold")
    _fact("rows", _count(origin.rows))
    _fact("without a value", f"{counted(origin.missing, 'row')}, {_share(origin.share_missing)} of what came")
    _fact("value not allowed", f"{origin.refused:,} rejected")
    word = "delivered" if origin.way == "files" else "answered"
    _fact("first " + word, _arrival(origin.first))
    _fact("last " + word, _arrival(origin.last))


def _model(model: ModelUse) -> str:
    said = ["dropped the feature" if model.dropped else "uses it", "serves" if model.serves else ""]
    made = f", made {model.made}" if model.made else ""
    return f"{model.version or 'candidate, not pushed'}{made}: {', '.join(filter(None, said))}"


def _arrival(arrival: Arrival | None) -> str:
    return NOT_KNOWN if arrival is None else f"{arrival.period}, at {arrival.at:%Y-%m-%d %H:%M:%S} UTC, {arrival.file}"


def _fact(name: str, value: str) -> None:
    if value:
        console.print(f"  [{DIM}]{name:20}[/{DIM}] {escape(value)}", soft_wrap=True)


def _count(count: int | None) -> str:
    return NOT_KNOWN if count is None else f"{count:,}"


def _share(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{share:.2%}"


def _age(seconds: float | None) -> str:
    """How long ago something was."""
    if seconds is None:
        return NOT_KNOWN
    return f"{in_one_unit(seconds)} ago"
