"""`lakeloop lake export`: labelled rows of gold as CSV with a manifest, for a training."""

from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import TableVersion, open_use_case, parse_periods
from console.cli.render import console
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from lakehouse.gold.export import export, finished_export
from lakehouse.lake import Lake
from lakeloop.git import git_commit
from lakeloop.manifest import read_manifest
from lakeloop.use_case import UseCase


def export_command(
    version: TableVersion = None,
    periods: Annotated[str, typer.Option("--periods", "-p", help="Periods to take: 0, 0-12; default: all.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Write one version of gold/training as CSV shards (train, eval) with a manifest."""
    case = open_use_case(use_case)
    export_periods(case, parse_periods(periods, case.contract.event_time) if periods else None, version)


def export_periods(use_case: UseCase, periods: tuple[int, int] | None, version: int | None = None) -> Path:
    """Export gold's labelled rows, or say that it is there already; the manifest's path. Spark starts if it is not."""
    found = finished_export(use_case, version, periods)
    if found is not None:
        return _print_export(found)
    with lake_of(use_case) as lake:
        return export_with(lake, periods, version)


def export_with(lake: Lake, periods: tuple[int, int] | None, version: int | None = None) -> Path:
    """Export gold's labelled rows and say what was exported; the manifest's path."""
    with console.status("exporting …"):
        return _print_export(export(lake, version, periods, git_commit()))


def _print_export(path: Path) -> Path:
    manifest = read_manifest(path)
    console.print(
        f"{manifest.table} version {manifest.version}: {manifest.rows_of('train'):,} train and "
        f"{manifest.rows_of('eval'):,} eval rows\n  {path}",
        soft_wrap=True,
    )
    return path
