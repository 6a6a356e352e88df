"""`lakeloop retrain`: try what applies after drift or new truth, compare, promote the best, put it on record."""

import getpass
import os
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.decisions import print_decision
from console.cli.options import open_use_case, parse_months
from console.cli.render import DIM, console, node_line
from console.cli.spark import spark_of
from console.cli.train import check_training_options, parse_changes
from console.cli.use_case_option import UseCaseOption
from lakeloop.contract import Contract
from lakeloop.exceptions import GateRefusedError
from lakeloop.settings import Settings

if TYPE_CHECKING:
    from operations.retraining.request import Listener, RetrainRequest

STRATEGIES = ("auto", "newest", "all", "drop", "reweight", "resample", "tune", "keep")


StrategyOption = Annotated[
    str, typer.Option("--strategy", "-s", metavar="|".join(STRATEGIES), help="What to try; `auto` decides by truth.")
]
MonthsOption = Annotated[
    str, typer.Option("--months", "--month", "-m", help="Train on these labelled months instead: 36, 0-12.")
]
Trials = Annotated[int, typer.Option(min=1, max=100, help="Hyper-parameters that `tune` tries.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="A hyper-parameter for every candidate, e.g. units=50; may be repeated."),
]
Promote = Annotated[bool, typer.Option("--promote/--no-promote", help="Push the best; or only compare and record.")]
Trigger = Annotated[str, typer.Option(help="Why; default: the kinds of the open events.")]
By = Annotated[str, typer.Option(help="Who decides; default: the user running this.")]


def retrain_command(
    strategy: StrategyOption = "auto",
    months: MonthsOption = "",
    trials: Trials = 6,
    set_: Changes = None,
    promote: Promote = True,
    trigger: Trigger = "",
    by: By = "",
    airflow_run_id: Annotated[str, typer.Option(help="Airflow's run, for lineage.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Train challengers, judge each by the gate, compare them with the champion, push the best and record it all.

    With truth that is newer than the champion's, or was corrected since: `newest` (the latest labelled month) and
    `all` (every labelled month). Without: `drop` (drifted features left out), `reweight` and `resample` (old rows
    weighed towards the current requests). `tune` searches hyper-parameters; `keep` does nothing and says so. Labels
    come from gold alone, never from a generator.

    Takes the open events of the ledger. Exit 3: no candidate passed the gate; the champion stays.
    """
    settings, contract = open_use_case(use_case)
    request = retrain_request(settings, contract, strategy, months, trials, set_, promote, trigger, by, airflow_run_id)
    from console.report.decision_page import decision_page
    from operations.retraining.retrain import retrain as decide

    decision = decide(contract, settings, request, spark_of, listener(settings, contract))
    print_decision(decision)
    console.print(f"\nReport   {decision_page(settings, decision.decision_id)}", soft_wrap=True)
    if decision.outcome == "none passed":
        console.print(
            f"`lakeloop decide {decision.decision_id} --choice promote|change|keep|fallback` says what is done; "
            "`lakeloop fallback add` lets the rules answer at any time, `--strategy tune` tries on",
            style=DIM,
        )
        raise GateRefusedError(f"{decision.reason}; the champion stays")


def listener(settings: Settings, contract: Contract) -> "Listener":
    """Tells the terminal what happens, and writes a decision's page."""
    from console.report.decision_page import decision_page, write_decision
    from operations.retraining.request import Listener

    return Listener(
        say=lambda text: console.print(text, soft_wrap=True),
        on_node=lambda result: console.print(node_line(result)),
        on_decision=lambda made: write_decision(made, contract, decision_page(settings, made.decision_id)),
    )


def retrain_request(
    settings: Settings,
    contract: Contract,
    strategy: str,
    months: str,
    trials: int,
    changes: list[str] | None,
    promote: bool,
    trigger: str,
    by: str,
    airflow_run_id: str = "",
) -> "RetrainRequest":
    """The options as what is asked for, checked before anything slow starts.

    Raises:
        WrongUseError: naming the option, what was given and what is allowed.
    """
    from operations.retraining.candidates import checked_strategy

    checked, asked_months = checked_strategy(strategy), parse_months(months) if months else None
    parsed = parse_changes(changes or [])
    if parsed:
        check_training_options(contract, parsed, ())
    from operations.retraining.request import RetrainRequest

    run = airflow_run_id or settings.airflow_run_id
    return RetrainRequest(checked, asked_months, trials, trigger, by or user_name(), promote, run, parsed)


def user_name() -> str:
    """The user running this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
