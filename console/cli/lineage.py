"""`lakeloop lineage`: where something came from and what came of it, as text, JSON or a page to click through."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pyarrow import csv
from rich.markup import escape
from rich.tree import Tree

from console.cli.options import AsJson, open_use_case
from console.cli.render import BAD, DIM, console, table
from console.cli.use_case_option import UseCaseOption
from console.report.lineage_page import write_lineage
from lakehouse.storage.layout import CLUSTERS
from lakeloop.atomic_file import replacing
from lakeloop.exceptions import WrongUseError
from lakeloop.pushed_models import serving_version
from operations.lineage.affected import Affected, affected_by
from operations.lineage.ask import table_and_version
from operations.lineage.graph import Item, Lineage
from operations.lineage.request_side import requests_of
from operations.lineage.trace import trace_file, trace_model, trace_request, trace_run, trace_table, trace_thing

MOST = 12
SHOWN: dict[str, tuple[str, ...]] = {
    "file": ("rows", "sha256", "written", "taken in"),
    "bronze": ("rows", "written"),
    "silver": ("rows", "written"),
    "gold": ("rows", "written", "cluster", "name"),
    "export": ("rows", "manifest_sha256"),
    "execution": ("began", "Airflow task"),
    "model": ("trained_rows", "git_commit"),
    "version": ("made", "trigger"),
    "verdict": ("overruled_why",),
    "decision": ("outcome", "winner", "chosen by"),
    "run": ("trigger", "run"),
    "event": ("at", "key"),
    "release": ("by", "why", "at"),
    "scoring": ("rows", "not scored yet", "switched off", "Airflow run"),
    "request": ("by", "reason", "asked", "first", "last"),
}
AsPage = Annotated[
    Path | None, typer.Option("--html", help="Write it as a page that opens without a network.", dir_okay=False)
]


def prediction_command(
    request_id: Annotated[str, typer.Argument(help="Id of an answered request, as the gateway gave it.")],
    as_json: AsJson = False,
    html: AsPage = None,
    use_case: UseCaseOption = "",
) -> None:
    """From an answered request back to the files its model was made from."""
    case = open_use_case(use_case)
    _show(trace_request(case, request_id), as_json, html, use_case)


def model_command(
    version: Annotated[str, typer.Argument(help="A pushed version; default: the one that serves.")] = "",
    as_json: AsJson = False,
    html: AsPage = None,
    use_case: UseCaseOption = "",
) -> None:
    """From a model back to its files, its decision and its event; and on to what it answered."""
    case = open_use_case(use_case)
    _show(
        trace_model(case, version or serving_version(case)),
        as_json,
        html,
        use_case,
    )


def table_command(
    name: Annotated[str, typer.Argument(help="A table, with its version: gold/training@3; without: the newest.")],
    thing: Annotated[
        str, typer.Option("--thing", help="Of gold/clusters: one thing, such as a district, and its files.")
    ] = "",
    as_json: AsJson = False,
    html: AsPage = None,
    use_case: UseCaseOption = "",
) -> None:
    """From a table's version back to the files in it, and on to the models trained on it."""
    case = open_use_case(use_case)
    table_name, version = table_and_version(name)
    if thing and table_name != CLUSTERS:
        raise WrongUseError(f"--thing names one of {CLUSTERS}, and {table_name} is another table; leave it out")
    found = trace_thing(case, version, thing) if thing else trace_table(case, table_name, version)
    _show(found, as_json, html, use_case)


def file_command(
    path: Annotated[str, typer.Argument(help="A delivered file by its name, its path or its sha256.")],
    as_json: AsJson = False,
    html: AsPage = None,
    use_case: UseCaseOption = "",
) -> None:
    """From a delivered file on to the tables and models that were made of it."""
    case = open_use_case(use_case)
    _show(trace_file(case, path), as_json, html, use_case)


def run_command(
    run_id: Annotated[str, typer.Argument(help="A run of the pipeline, or of Airflow.")],
    as_json: AsJson = False,
    html: AsPage = None,
    use_case: UseCaseOption = "",
) -> None:
    """From a run back to its data and its event, and on to what it made."""
    case = open_use_case(use_case)
    _show(trace_run(case, run_id), as_json, html, use_case)


def affected_by_command(
    path: Annotated[str, typer.Argument(help="A delivered file by its name, its path or its sha256.")],
    as_json: AsJson = False,
    requests: Annotated[
        Path | None, typer.Option("--requests", help="Write the touched predictions into this CSV.", dir_okay=False)
    ] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Name the clusters, models and predictions that a bad delivery has touched."""
    case = open_use_case(use_case)
    found = affected_by(case, path)
    if as_json:
        typer.echo(json.dumps([one.model_dump() for one in found], indent=2))
    else:
        for one in found:
            _show_affected(one)
    if requests is not None:
        versions = sorted({version for one in found for version in one.versions})
        columns = ["request_id", case.contract.key.column, "at", "model_version", "predictor_type", "prediction"]
        rows = _write_requests(requests, columns, use_case, versions)
        typer.echo(f"{requests}: {rows:,} predictions", err=True)


def _write_requests(path: Path, columns: list[str], use_case: str, versions: list[str]) -> int:
    case = open_use_case(use_case)
    found = requests_of(case, versions, columns)
    with replacing(path) as part:
        if found is None:
            part.write_text(",".join(columns) + "\n", encoding="utf-8")
        else:
            csv.write_csv(found, part, csv.WriteOptions(quoting_style="needed"))
    return 0 if found is None else int(found.num_rows)


def _show(found: Lineage, as_json: bool, html: Path | None, use_case: str) -> None:
    if html is not None:
        case = open_use_case(use_case)
        typer.echo(f"{write_lineage(found, case.contract, html.absolute())}", err=as_json)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    elif html is None:
        _print(found)


def _print(found: Lineage) -> None:
    subject = found.item(found.subject)
    console.print(escape(subject.title), style="bold", soft_wrap=True)
    for name, value in subject.facts.items():
        console.print(f"  [{DIM}]{name:24}[/{DIM}] {escape(value)}", soft_wrap=True)
    for heading, below in (("made from", found.nearest_sources()), ("led to", found.nearest_targets())):
        if below:
            tree = Tree(heading)
            _grow(tree, found.subject, below)
            console.print()
            console.print(tree, soft_wrap=True)
    for gap in found.gaps:
        console.print(f"\n[{BAD}]note:[/{BAD}] {escape(gap)}", soft_wrap=True)


def _grow(tree: Tree, item_id: str, below: Mapping[str, tuple[Item, ...]]) -> None:
    items = below.get(item_id, ())
    for item in items[:MOST]:
        facts = ", ".join(f"{name} {item.facts[name]}" for name in SHOWN.get(item.kind, ()) if name in item.facts)
        branch = tree.add(f"{escape(item.title)}  [{DIM}]{escape(facts)}[/{DIM}]")
        _grow(branch, item.id, below)
    if len(items) > MOST:
        tree.add(f"[{DIM}]and {len(items) - MOST} more; --json names them all[/{DIM}]")


def _show_affected(found: Affected) -> None:
    console.print(
        f"\n{found.source}/{found.file}, batch {found.batch}: {found.rows:,} rows, {found.state}", style="bold"
    )
    console.print(f"sha256 {found.sha256}", style=DIM)
    for gap in found.gaps:
        console.print(gap, soft_wrap=True)
    if found.clusters:
        console.print(f"in {CLUSTERS} at version {', '.join(map(str, found.clusters))}", soft_wrap=True)
    if not found.gold_versions:
        console.print("no version of gold/training has a row with values from it")
        return
    console.print(f"in gold/training at version {', '.join(map(str, found.gold_versions))}", soft_wrap=True)
    if not found.models:
        console.print("no model was trained on them")
        return
    header = ("model", "run", "trained on", "its rows", "corrected", "of", "answers", "made for")
    rows = [
        (
            m.version or "not pushed",
            m.run_id,
            f"gold/training@{m.delta_version}",
            "not known" if m.rows is None else f"{m.rows:,}",
            "not known" if m.corrected is None else f"{m.corrected:,}",
            f"{m.of_rows:,}",
            f"{m.requests:,}",
            m.decision or m.trigger or "by hand",
        )
        for m in found.models
    ]
    console.print(table(header, rows, ("its rows", "corrected", "of", "answers"), whole=("run", "made for")))
