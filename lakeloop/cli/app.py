"""All commands in one Typer application."""

import logging
from typing import Annotated

import typer

from lakeloop.cli import (
    analyse,
    clock,
    contract,
    dashboards,
    data,
    decide,
    decision_steps,
    decisions,
    demo,
    deploy,
    drift,
    events,
    exercise,
    fallback,
    features,
    lake,
    lineage,
    monitor,
    performance,
    pipeline,
    platform,
    report,
    reproduce,
    retrain,
    score,
    serve,
    simulate,
    tensorboard,
    window,
)
from lakeloop.cli.failures import OneLine
from lakeloop.cli.options import UseCase, hold_for_the_command

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Lakeloop closes the loop: landing files → Delta lakehouse → TFX pipeline → served model.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by the quality gate.",
)


@app.callback()
def settings(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the platform logs while it works.")
    ] = False,
    use_case: UseCase = "",
) -> None:
    """Options before the command hold for every command."""
    hold_for_the_command(use_case)
    written = logging.StreamHandler()
    written.setFormatter(OneLine("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[written])


GROUPS = {
    "contract": contract.app,
    "data": data.app,
    "clock": clock.app,
    "lake": lake.app,
    "pipeline": pipeline.pipeline_app,
    "serve": serve.app,
    "fallback": fallback.app,
    "events": events.app,
    "decisions": decisions.app,
    "lineage": lineage.app,
    "window": window.app,
    "features": features.app,
}
decision_steps.add_to(decisions.app)
for name, group in GROUPS.items():
    group.callback()(hold_for_the_command)
    app.add_typer(group, name=name)
app.command("train")(pipeline.train)
app.command("validate")(pipeline.validate)
app.command("reproduce")(reproduce.reproduce)
app.command("retrain")(retrain.retrain)
app.command("decide")(decide.decide)
app.command("deploy")(deploy.deploy)
app.command("simulate")(simulate.simulate)
app.command("monitor")(monitor.monitor)
app.command("score")(score.score)
app.command("drift")(drift.drift)
app.command("performance")(performance.performance)
app.command("analyse")(analyse.analyse)
app.command("dashboards")(dashboards.dashboards)
app.command("tensorboard")(tensorboard.tensorboard)
app.command("up")(platform.up)
app.command("prepare")(platform.prepare)
app.command("down")(platform.down)
app.command("status")(platform.status)
app.command("logs")(platform.logs)
app.command("demo")(demo.demo)
app.command("exercise")(exercise.exercise)
app.command("report")(report.report)
