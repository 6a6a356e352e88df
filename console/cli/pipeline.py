"""`lakeloop pipeline`: compile the TFX pipeline, run one of its nodes."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console, node_line
from console.cli.result import write_result
from console.cli.use_case_option import UseCaseOption
from console.cli.warm_server import start_warm_server
from lakeloop.settings import Settings
from tfx_pipeline.metadata.annotations import outputs_of
from tfx_pipeline.metadata.store import open_store
from tfx_pipeline.runs.run_record import NodeResult, load_run
from tfx_pipeline.runs.runner import run_node


def compile_command(use_case: UseCaseOption = "") -> None:
    """Compile the pipeline to its intermediate representation (ir.pb) and its task graph (graph.json)."""
    from tfx_pipeline.runs.compile import compile_pipeline  # noqa: PLC0415 - TFX: eight seconds, for this alone

    case = open_use_case(use_case)
    path = compile_pipeline(case)
    console.print(f"{path} and graph.json beside it", soft_wrap=True)


def node_command(
    run: Annotated[str, typer.Argument(help="The run, which `lakeloop decisions plan` opened.")],
    node: Annotated[str, typer.Argument(help="The node, as graph.json names it.")],
    use_case: UseCaseOption = "",
) -> None:
    """Run one node of an open run in this process; again after a failure: what ran before is taken as it is."""
    case = open_use_case(use_case)
    if case.settings.airflow_run_id:
        start_warm_server(case)  # for the nodes after this one, if it ended since the retrain began
    result = run_node(case, run, node)
    console.print(node_line(result))
    where = {"run": run, "execution_id": result.execution_id, "metadata": _metadata_link(case.settings, result)}
    for name, value in where.items():
        console.print(f"  {name}: {value}", soft_wrap=True, markup=False)
    version = load_run(case, run).pushed_version
    write_result({**result.model_dump(mode="json"), **where, "version": version})


def _metadata_link(settings: Settings, result: NodeResult) -> str:
    """Where ML Metadata knows the node's execution."""
    if result.execution_id is None:
        return "none: the node was skipped"
    with open_store(settings) as store:
        made = outputs_of(store, result.execution_id)
    return f"execution {result.execution_id}; " + ("; ".join(made) or "no artifacts")
