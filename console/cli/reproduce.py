"""`lakeloop reproduce`: a pushed model made once more from the lake as it was then."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from console.cli.options import open_use_case
from console.cli.render import BAD, GOOD, console, node_line, table, verdict
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from lakehouse.gold.export import export
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.git import git_commit
from lakeloop.manifest import Manifest, read_manifest
from lakeloop.pushed_models import serving_version
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.exceptions import NotReproducedError
from operations.lineage.pipeline_side import exported_version, manifest_of
from operations.lineage.reproduce import (
    Reproduction,
    changed_code,
    compared_gate,
    compared_statistics,
    parameters_then,
    same_files,
)
from tfx_pipeline.data_checks.statistics import read_statistics
from tfx_pipeline.metadata.lineage.runs import run_graph
from tfx_pipeline.metadata.store import open_store
from tfx_pipeline.runs.run_record import RunRecord, load_runs
from tfx_pipeline.runs.runner import run_pipeline


def reproduce_command(
    model: Annotated[str, typer.Argument(help="A pushed version; default: the one that serves.")] = "",
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, max=1.0, help="How far a value of the gate may lie off.")
    ] = 0.02,
    as_json: Annotated[bool, typer.Option("--json", help="Everything compared, as JSON.")] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Make a pushed model once more: the lake as it was, the same settings; compare rows, statistics and gate.

    Nothing is pushed. Statistics must be the same to a millionth, the gate's values within the tolerance. Exit code 1:
    they are not.
    """
    case = open_use_case(use_case)
    console.quiet = as_json  # nothing but JSON on standard output
    found = _reproduce(case, model or serving_version(case), tolerance)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)
    if not found.succeeded:
        raise NotReproducedError(f"version {found.version} could not be made again: {', '.join(found.wrong)} differ")
    console.print(f"version {found.version} was made again", style=GOOD)


def _reproduce(use_case: UseCase, version: str, tolerance: float) -> Reproduction:
    then = _run_that_pushed(use_case, version)
    exported = _manifest_then(use_case.settings, then)
    if exported.schema_sha256 != use_case.contract.schema_sha256:
        raise LakeloopError(
            f"version {version} was trained under another contract: its row shape has changed since. Check out commit "
            f"{then.parameters.git_commit or 'of then'} and try again"
        )
    weights = then.parameters.weights
    if weights is not None and not weights.is_file():
        raise NotFoundError(
            f"the row weights of version {version} are gone ({weights}); without them it cannot be made"
        )
    scratch = Path(tempfile.mkdtemp(prefix="reproduce-", dir=_scratch(use_case.settings)))
    try:
        manifest = _export_again(use_case, exported, scratch)
        with console.status("starting TFX …") as status:
            now = run_pipeline(
                use_case,
                parameters_then(then, manifest, git_commit()),
                on_node=lambda result: console.print(node_line(result)),
                on_start=lambda node: status.update(f"{node} …"),
                push=False,
            )
        assert then.gate is not None and now.gate is not None
        return Reproduction(
            version=version,
            run_then=then.run_id,
            run_now=now.run_id,
            same_files=same_files(exported, read_manifest(manifest)),
            changed_code=changed_code(then, now),
            statistics=compared_statistics(read_statistics(then.statistics_uri), read_statistics(now.statistics_uri)),
            gate=compared_gate(then.gate, now.gate, tolerance),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_that_pushed(use_case: UseCase, version: str) -> RunRecord:
    pushed = [run for run in load_runs(use_case) if run.pushed_version]
    found = next((run for run in pushed if run.pushed_version == version), None)
    if found is None or found.gate is None:
        known = ", ".join(run.pushed_version for run in pushed) or "none"
        raise NotFoundError(f"no run is known that pushed version {version} of {use_case.name}; known: {known}")
    return found


def _manifest_then(settings: Settings, then: RunRecord) -> Manifest:
    """The manifest a run was given, from the run's own copy of the export."""
    with open_store(settings) as store:
        graph = run_graph(store, then.run_id)
    export = exported_version(graph) if graph is not None else None
    manifest = manifest_of(export[0]) if export is not None else None
    if manifest is None:
        raise NotFoundError(
            f"what run {then.run_id} was trained on is gone: neither ML Metadata nor its artifacts have the manifest"
        )
    return manifest


def _export_again(use_case: UseCase, then: Manifest, folder: Path) -> Path:
    console.print(f"{then.table}@{then.version}, {then.rows:,} rows, as it was", style="bold")
    elsewhere = use_case.settings.model_copy(update={"export": str(folder)})
    with lake_of(UseCase(elsewhere, use_case.contract)) as lake:
        return export(lake, then.version, then.periods, git_commit())


def _scratch(settings: Settings) -> Path:
    folder = Path(settings.area("tfx"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _print(found: Reproduction) -> None:
    if found.changed_code:
        console.print(f"code of the use case changed since: {', '.join(found.changed_code)}", style=BAD)
    same = sum(one.same for one in found.statistics)
    console.print(f"\nVersion {found.version}: run {found.run_then} then, {found.run_now} now", style="bold")
    console.print("the exported files are", "the same bytes" if found.same_files else "DIFFERENT")
    console.print(f"statistics: {same} of {len(found.statistics)} values are the same")
    for one in found.statistics:
        if not one.same:
            console.print(f"  {one.what}: {one.then:.6g} then, {one.now:.6g} now")
    console.print(_gate(found))


def _gate(found: Reproduction) -> Table:
    rows = [
        (one.what, f"{one.then:.4f}", f"{one.now:.4f}", f"{one.now - one.then:+.4f}", verdict(one.same))
        for one in found.gate
    ]
    return table(("check", "then", "now", "difference", "within"), rows, ("then", "now", "difference"))
