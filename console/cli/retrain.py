"""`lakeloop retrain`: try what applies after drift or new truth, compare, promote the best, put it on record."""

import getpass
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.decisions import print_decision
from console.cli.options import open_use_case, parse_months
from console.cli.render import DIM, console, node_line
from console.cli.spark import spark_of
from console.cli.train import check_training_options, parse_changes
from console.cli.use_case_option import UseCaseOption
from lakeloop.decision import MOST_TRIALS, STRATEGIES, TRIALS
from lakeloop.exceptions import GateRefusedError
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from lakeloop.decision import Decision
    from operations.retraining.request import Listener, RetrainRequest, Workplace

Strategy = Annotated[
    str, typer.Option("--strategy", "-s", metavar="|".join(STRATEGIES), help="What to try; `auto` decides by truth.")
]
Months = Annotated[
    str, typer.Option("--months", "--month", "-m", help="Train on these labelled months instead: 36, 0-12.")
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


def with_retrain_options(run: Callable[["Workplace", "RetrainRequest"], None]) -> Callable[..., None]:
    """A command with the options of a retrain and the help of `run`, which gets them as a request."""

    def command(
        strategy: Strategy = "auto",
        months: Months = "",
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
        from operations.retraining.candidates import checked_strategy
        from operations.retraining.request import RetrainRequest

        changes = parse_changes(set_ or [])
        request = RetrainRequest(
            strategy=checked_strategy(strategy),
            months=parse_months(months) if months else None,
            trials=trials,
            trigger=trigger,
            decided_by=by or user_name(),
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


@with_retrain_options
def retrain_command(work: "Workplace", request: "RetrainRequest") -> None:
    """Train challengers, check each by the gate, compare them with the champion, push the best and record it all.

    With truth that is newer than the champion's, or was corrected since: `newest` (the latest labelled month) and
    `all` (every labelled month). Without: `drop` (drifted features left out), `reweight` and `resample` (old rows
    weighed towards the current requests). `tune` searches hyper-parameters; `keep` does nothing and says so. Labels
    come from gold alone, never from a generator.

    Takes the open events of the ledger. Exit 3: no candidate passed the gate; the champion stays.
    """
    from console.report.decision_page import decision_page
    from operations.retraining.projections import nothing_to_do
    from operations.retraining.retrain import retrain as retrain_in_one_process

    decision = retrain_in_one_process(work, request)
    if decision is None:
        console.print(nothing_to_do(request))
        return
    print_decision(decision)
    console.print(f"\nReport   {decision_page(work.use_case.settings, decision.decision_id)}", soft_wrap=True)
    if decision.outcome == "none passed":
        console.print(
            f"`lakeloop decide {decision.decision_id} --choice promote|change|keep|fallback` says what is done; "
            "`lakeloop fallback add` lets the rules answer at any time, `--strategy tune` tries on",
            style=DIM,
        )
        raise GateRefusedError(f"{decision.reason}; the champion stays")


def workplace(use_case: str) -> "Workplace":
    """What a retrain needs; it talks to the terminal."""
    case = open_use_case(use_case)
    from operations.retraining.request import Workplace

    return Workplace(case, spark_of, listener(case))


def listener(use_case: UseCase) -> "Listener":
    """Tells the terminal what happens, and writes a decision's page among the reports."""
    from console.report.decision_page import decision_page, write_decision
    from operations.retraining.request import Listener

    def write_page(made: "Decision") -> None:
        write_decision(made, use_case.contract, decision_page(use_case.settings, made.decision_id))

    return Listener(
        say=lambda text: console.print(text, soft_wrap=True),
        on_node=lambda result: console.print(node_line(result)),
        on_decision=write_page,
    )


def user_name() -> str:
    """The user running this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
