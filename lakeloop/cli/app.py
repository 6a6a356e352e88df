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
) -> None:
    """Options before the command hold for every command."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
    )


app.add_typer(contract.app, name="contract")
app.add_typer(data.app, name="data")
app.add_typer(clock.app, name="clock")
app.add_typer(lake.app, name="lake")
app.add_typer(pipeline.pipeline_app, name="pipeline")
app.add_typer(serve.app, name="serve")
app.add_typer(fallback.app, name="fallback")
app.add_typer(events.app, name="events")
decision_steps.add_to(decisions.app)
app.add_typer(decisions.app, name="decisions")
app.add_typer(lineage.app, name="lineage")
app.add_typer(window.app, name="window")
app.add_typer(features.app, name="features")
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
