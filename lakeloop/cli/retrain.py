"""`lakeloop retrain`: try what applies after drift or new truth, compare, promote the best, put it on record."""

import getpass
import os
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lakeloop.cli.decisions import print_decision
from lakeloop.cli.lake import spark_of
from lakeloop.cli.options import UseCase, open_use_case, parse_months
from lakeloop.cli.render import DIM, console, node_line
from lakeloop.errors import GateRefused, WrongUse

if TYPE_CHECKING:
    from lakeloop.measures.candidates import Strategy

STRATEGIES = ("auto", "newest", "all", "drop", "reweight", "resample", "tune", "keep")


def retrain(
    strategy: Annotated[
        str,
        typer.Option("--strategy", "-s", metavar="|".join(STRATEGIES), help="What to try; `auto` decides by truth."),
    ] = "auto",
    months: Annotated[
        str, typer.Option("--months", "--month", "-m", help="Train on these labelled months instead: 36, 0-12.")
    ] = "",
    trials: Annotated[int, typer.Option(min=1, max=100, help="Hyper-parameters that `tune` tries.")] = 6,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Push the best; or only compare and record.")
    ] = True,
    trigger: Annotated[str, typer.Option(help="Why; default: the kinds of the open events.")] = "",
    by: Annotated[str, typer.Option(help="Who decides; default: the user running this.")] = "",
    airflow_run_id: Annotated[str, typer.Option(help="Airflow's run, for lineage.")] = "",
    use_case: UseCase = "",
) -> None:
    """Train challengers, judge each by the gate, compare them with the champion, push the best and record it all.

    With newer truth than the champion's: `newest` (the latest labelled month) and `all` (every labelled month).
    Without: `drop` (drifted features left out), `reweight` and `resample` (old rows weighed towards the current
    requests). `tune` searches hyper-parameters; `keep` does nothing and says so. Labels come from gold alone, never
    from a generator.

    Takes the open events of the ledger. Exit 3: no candidate passed the gate; the champion stays.
    """
    settings, contract = open_use_case(use_case)
    asked_months = parse_months(months) if months else None
    checked = check_strategy(strategy)
    from lakeloop.measures.candidate_run import Asked, Listener
    from lakeloop.measures.retrain import decision_page
    from lakeloop.measures.retrain import retrain as decide

    asked = Asked(checked, asked_months, trials, trigger, by or _user(), promote, airflow_run_id)
    listener = Listener(
        say=lambda text: console.print(text, soft_wrap=True),
        on_node=lambda result: console.print(node_line(result)),
    )
    decision = decide(contract, settings, asked, spark_of, listener)
    print_decision(decision)
    console.print(f"\nReport   {decision_page(settings, decision.decision_id)}", soft_wrap=True)
    if decision.outcome == "none passed":
        console.print(
            "keep it (`lakeloop retrain --strategy keep`), let the rules answer (`lakeloop fallback add --all`, or for "
            "a segment), try `--strategy tune`, or change the contract's gate",
            style=DIM,
        )
        raise GateRefused(f"{decision.reason}; the champion stays")


def check_strategy(text: str) -> "Strategy":
    """The strategy of that name.

    Raises:
        WrongUse: there is none.
    """
    from lakeloop.measures.candidates import Strategy

    found: Strategy | None = next((name for name in get_args(Strategy) if name == text), None)
    if found is None:
        raise WrongUse(f"there is no strategy {text!r}; strategies: {', '.join(STRATEGIES)}")
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
