"""`lakeloop pipeline`, `train` and `validate`: from gold to a judged model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.options import UseCase, open_use_case, parse_months
from console.cli.render import BAD, GOOD, console, node_line, print_gate, print_judged
from console.cli.result import write_result
from console.cli.warm_server import start_warm_server
from lakeloop.contract import Contract
from lakeloop.contract.sources import MOST_MONTHS
from lakeloop.exceptions import GateRefusedError, WrongUseError
from lakeloop.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

    from tfx_pipeline.runs.run_record import NodeResult, RunRecord

pipeline_app = typer.Typer(no_args_is_help=True, help="The TFX pipeline's definition.")


@pipeline_app.callback()
def group() -> None:
    """The TFX pipeline's definition."""


@pipeline_app.command("compile")
def compile_(use_case: UseCase = "") -> None:
    """Compile the pipeline to its intermediate representation (ir.pb) and its task graph (graph.json)."""
    from tfx_pipeline.runs.compile import compile_pipeline

    settings, contract = open_use_case(use_case)
    path = compile_pipeline(contract, settings)
    console.print(f"{path} and graph.json beside it", soft_wrap=True)


@pipeline_app.command("node")
def run_one_node(
    run: Annotated[str, typer.Argument(help="The run, which `lakeloop decisions plan` opened.")],
    node: Annotated[str, typer.Argument(help="The node, as graph.json names it.")],
    use_case: UseCase = "",
) -> None:
    """Run one node of an open run in this process; again after a failure: what ran before is taken as it is."""
    settings, contract = open_use_case(use_case)
    if settings.airflow_run_id:
        start_warm_server(settings)  # for the nodes after this one, if it ended since the retrain began
    from tfx_pipeline.runs.run_record import load_run
    from tfx_pipeline.runs.runner import run_node

    result = run_node(settings, contract, run, node)
    console.print(node_line(result))
    where = {"run": run, "execution_id": result.execution_id, "metadata": _metadata_link(settings, result)}
    for name, value in where.items():
        console.print(f"  {name}: {value}", soft_wrap=True, markup=False)
    version = load_run(settings, run).pushed_version
    write_result({**result.model_dump(mode="json"), **where, "version": version})


def _metadata_link(settings: Settings, result: "NodeResult") -> str:
    """Where ML Metadata knows the node's execution."""
    if result.execution_id is None:
        return "none: the node was skipped"
    from tfx_pipeline.metadata.annotations import outputs_of
    from tfx_pipeline.metadata.store import open_store

    with open_store(settings) as store:
        made = outputs_of(store, result.execution_id)
    return f"execution {result.execution_id}; " + ("; ".join(made) or "no artifacts")


def train(
    months: Annotated[
        str, typer.Option("--months", "-m", help="Months to train on: 0, 0-12; default: all with truth.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A hyper-parameter, e.g. units=50; may be repeated."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="A feature to leave out; may be repeated.")] = None,
    use_case: UseCase = "",
) -> None:
    """Export gold, train, evaluate, gate and push a model. A model the gate refuses is not pushed (exit 3)."""
    settings, contract = open_use_case(use_case)
    changes = parse_changes(set_ or [])
    check_training_options(contract, changes, tuple(drop or ()))
    manifest = export_months(settings, contract, parse_months(months) if months else None)
    record = train_on(settings, contract, manifest, changes, tuple(drop or ()))
    if not record.blessed:
        failed = ", ".join(check.name for check in record.gate.failed) if record.gate else "no verdict"
        raise GateRefusedError(f"the quality gate refused the model ({failed}); nothing was pushed")


def parse_changes(texts: list[str]) -> dict[str, str]:
    """['units=50'] -> {'units': '50'}.

    Raises:
        WrongUseError: a text without `=`.
    """
    for text in texts:
        if "=" not in text:
            raise WrongUseError(f"--set {text}: write NAME=VALUE, e.g. --set units=50")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}


def check_training_options(contract: Contract, changes: dict[str, str], drop: tuple[str, ...]) -> None:
    """Refuse wrong options before anything slow starts."""
    from tfx_pipeline.runs.parameters import run_parameters

    run_parameters(contract, Path(), changes, drop)


def export_months(
    settings: Settings, contract: Contract, months: tuple[int, int] | None, version: int | None = None
) -> Path:
    """Export gold's labelled rows, or say that it is there already; the manifest's path. Spark starts if it is not."""
    from console.cli.spark import spark_of
    from lakehouse.gold.export import finished_export

    found = finished_export(contract, settings, version, months)
    if found is not None:
        return _tell_export(found)
    with spark_of(settings) as spark:
        return export_with(spark, settings, contract, months, version)


def export_with(
    spark: "SparkSession",
    settings: Settings,
    contract: Contract,
    months: tuple[int, int] | None,
    version: int | None = None,
) -> Path:
    """Export gold's labelled rows and say what was exported; the manifest's path."""
    from lakehouse.gold.export import export
    from lakeloop.git import git_commit

    with console.status("exporting …"):
        return _tell_export(export(spark, contract, settings, version, months, git_commit()))


def _tell_export(path: Path) -> Path:
    from lakeloop.manifest import read_manifest

    manifest = read_manifest(path)
    console.print(
        f"{manifest.table} version {manifest.version}: {manifest.rows_of('train'):,} train and "
        f"{manifest.rows_of('eval'):,} eval rows\n  {path}",
        soft_wrap=True,
    )
    return path


def train_on(
    settings: Settings,
    contract: Contract,
    manifest: Path,
    changes: dict[str, str],
    drop: tuple[str, ...] = (),
    trigger: str = "command line",
) -> "RunRecord":
    """Run the pipeline on an export: a line a node, then the gate table and the verdict."""
    from lakeloop.git import git_commit
    from tfx_pipeline.runs.parameters import run_parameters
    from tfx_pipeline.runs.runner import run_pipeline

    parameters = run_parameters(contract, manifest, changes, drop, trigger=trigger, git_commit=git_commit())
    with console.status("starting TFX …") as status:
        record = run_pipeline(
            settings,
            contract,
            parameters,
            on_node=lambda result: console.print(node_line(result)),
            on_start=lambda node: status.update(f"{node} …"),
        )
    console.print(f"  run {record.run_id}: {record.seconds:.1f} s")
    if record.gate is not None:
        print_gate(record.gate, "Quality gate")
    if record.blessed:
        console.print(f"blessed, pushed as version {record.pushed_version}", style=GOOD)
    else:
        console.print("refused: this model is not pushed", style=BAD)
    return record


def validate(
    month: Annotated[int, typer.Option("--month", min=0, max=MOST_MONTHS, help="Month number to judge the model on.")],
    model: Annotated[str, typer.Option("--model", help="A pushed version; default: the newest.")] = "",
    oracle: Annotated[
        bool,
        typer.Option("--oracle", help="Take the truth from the generator, for evaluation only, before it is known."),
    ] = False,
    use_case: UseCase = "",
) -> None:
    """Judge a pushed model on one month's labelled data with the gate's own checks (exit 3 if it fails).

    Says so where the model was made from rows of that month.
    """
    from operations.evaluation import generated_rows
    from tfx_pipeline.evaluation.validate import model_folder, validate_model

    settings, contract = open_use_case(use_case)
    folder = model_folder(settings, model)
    frame = generated_rows(settings, contract, month) if oracle else _labelled_rows(settings, contract, month)
    report = validate_model(folder, contract, frame)
    print_judged(settings, contract, report, folder.name, month, frame, oracle)
    if not report.passed:
        raise GateRefusedError(
            f"version {folder.name} does not meet the gate on month {month}: "
            + ", ".join(check.name for check in report.failed)
        )


def _labelled_rows(settings: Settings, contract: Contract, month: int) -> "pd.DataFrame":
    from lakehouse.gold.labelled import labelled_month

    return labelled_month(contract, settings, month)
