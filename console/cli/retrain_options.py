"""What the commands of a retrain share: its options, and the workplace of its stages, which talks to the terminal."""

from collections.abc import Callable
from typing import Annotated

import typer

from console.cli.options import open_use_case, parse_periods
from console.cli.render import console, node_line
from console.cli.spark import spark_of
from console.cli.training_options import check_training_options, parse_changes
from console.cli.use_case_option import UseCaseOption
from console.report.decision_page import decision_page, write_decision
from lakeloop.access.acting import who_acts
from lakeloop.decision import MOST_TRIALS, STRATEGIES, TRIALS, Decision
from lakeloop.use_case import UseCase
from operations.retraining.candidates import checked_strategy
from operations.retraining.request import Listener, RetrainRequest, Workplace

Strategy = Annotated[
    str, typer.Option("--strategy", "-s", metavar="|".join(STRATEGIES), help="What to try; `auto` decides by truth.")
]
Periods = Annotated[
    str, typer.Option("--periods", "--period", "-p", help="Train on these labelled periods instead: 36, 0-12.")
]
Trials = Annotated[int, typer.Option(min=1, max=MOST_TRIALS, help="Hyper-parameters that `tune` tries.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="A hyper-parameter for every candidate, e.g. units=50; may be repeated."),
]
Promote = Annotated[bool, typer.Option("--promote/--no-promote", help="Push the best; or only compare and record.")]
Trigger = Annotated[str, typer.Option(help="Why; default: the kinds of the open events.")]
By = Annotated[str, typer.Option(help="Who decides; default: the user running this.")]
WokenBy = Annotated[
    str, typer.Option(help="Ledger numbers of the events that woke this run; is none open, nothing is to be done.")
]
AirflowRun = Annotated[str, typer.Option(help="Airflow's run, for lineage.")]


def with_retrain_options(run: Callable[[Workplace, RetrainRequest], None]) -> Callable[..., None]:
    """A command with the options of a retrain and the help of `run`, which gets them as a request."""

    def command(
        strategy: Strategy = "auto",
        periods: Periods = "",
        trials: Trials = TRIALS,
        set_: Changes = None,
        promote: Promote = True,
        trigger: Trigger = "",
        by: By = "",
        woken_by: WokenBy = "",
        airflow_run_id: AirflowRun = "",
        use_case: UseCaseOption = "",
    ) -> None:
        work = workplace(use_case)
        changes = parse_changes(set_ or [])
        request = RetrainRequest(
            strategy=checked_strategy(strategy),
            periods=parse_periods(periods, work.use_case.contract.event_time) if periods else None,
            trials=trials,
            trigger=trigger,
            decided_by=who_acts(work.use_case.settings, "decide", by),
            promote=promote,
            airflow_run_id=airflow_run_id or work.use_case.settings.airflow_run_id,
            changes=changes,
            woken_by=woken_by,
        )
        if changes:
            check_training_options(work.use_case.contract, changes, ())
        run(work, request)

    command.__doc__ = run.__doc__
    return command


def workplace(use_case: str) -> Workplace:
    """What a retrain needs; it talks to the terminal."""
    case = open_use_case(use_case)
    return Workplace(case, spark_of, listener(case))


def listener(use_case: UseCase) -> Listener:
    """Tells the terminal what happens, writes a decision's page among the reports and a card beside a pushed model."""

    def write_page(made: Decision) -> None:
        write_decision(made, use_case.contract, decision_page(use_case.settings, made.decision_id))

    def write_card(version: str) -> None:
        # a second for what was pushed
        from console.report.model_card_page import pushing_run, write_card  # noqa: PLC0415 - pictures: a second
        from operations.explained_models import explain_pushed  # noqa: PLC0415 - as above

        write_card(use_case, explain_pushed(use_case, pushing_run(use_case, version)))

    return Listener(
        say=lambda text: console.print(text, soft_wrap=True),
        on_node=lambda result: console.print(node_line(result)),
        on_decision=write_page,
        on_version=write_card,
    )
