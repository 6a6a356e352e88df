"""The steps of a retrain, each a process of its own: `lakeloop retrain` runs the same steps in one."""

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from console.cli.options import open_use_case
from console.cli.render import DIM, console, verdict
from console.cli.result import write_result
from console.cli.retrain import (
    By,
    Changes,
    MonthsOption,
    Promote,
    StrategyOption,
    Trials,
    Trigger,
    listener,
    retrain_request,
)
from console.cli.spark import spark_of
from console.cli.use_case_option import UseCaseOption
from console.cli.warm_server import start_warm_server
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings

if TYPE_CHECKING:
    from operations.retraining.decision_files import Begun
    from operations.retraining.request import Workplace

LONGEST_NOTE = 1000
"""What Airflow allows."""
Decision = Annotated[str, typer.Argument(help="The decision's id.")]
Run = Annotated[str, typer.Argument(help="The candidate's run.")]


def begin_command(
    strategy: StrategyOption = "auto",
    months: MonthsOption = "",
    trials: Trials = 6,
    set_: Changes = None,
    promote: Promote = True,
    trigger: Trigger = "",
    by: By = "",
    woken_by: Annotated[
        str,
        typer.Option(help="Ledger numbers of the events that woke this run; is none open, nothing is to be done."),
    ] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Open a decision: say why it is made and take every open event of the ledger, whatever woke this run."""
    settings, contract = open_use_case(use_case)
    request = retrain_request(settings, contract, strategy, months, trials, set_, promote, trigger, by)
    from lakeloop.events import open_events
    from operations.retraining.planning import begin as open_decision
    from operations.retraining.retrain_lock import hold, the_only_retrain

    with the_only_retrain(settings, airflow_run_id=settings.airflow_run_id):
        if woken_by and not open_events(settings) and not _begun_here(settings):
            text = f"nothing to do: an earlier run handled the events that woke this one ({woken_by})"
            console.print(text)
            write_result({"decision": "", "why": text})
            _note(settings, text)
            return
        begun = open_decision(settings, request)
        if settings.airflow_run_id:
            hold(settings, begun.decision_id, settings.airflow_run_id)
            start_warm_server(settings)  # it imports TFX while Spark plans
    why = why_it_runs(begun)
    console.print(why, soft_wrap=True, markup=False)
    write_result({"decision": begun.decision_id, "trigger": begun.trigger, "events": begun.event_ids, "why": why})
    _note(settings, why)


def why_it_runs(begun: "Begun") -> str:
    """The trigger and each event with its payload, a line each."""
    lines = [f"decision {begun.decision_id}, because of {begun.trigger}; strategy {begun.request.strategy}"]
    lines += [f"event {e.id} {e.kind} {e.key}: {json.dumps(e.payload, sort_keys=True)}" for e in begun.events]
    return "\n".join(lines)


def plan_command(decision: Decision, use_case: UseCaseOption = "") -> None:
    """Look at truth, drift and requests, choose candidates, export their rows, open their runs, judge the champion."""
    from operations.retraining.decision_files import load_begun
    from operations.retraining.planning import plan as make_plan
    from operations.retraining.retrain_lock import the_only_retrain

    work = workplace(use_case)
    with the_only_retrain(work.settings, decision):
        planned = make_plan(work, load_begun(work.settings, decision))
    for candidate in planned.candidates:
        console.print(f"candidate {candidate.name}: {candidate.what}; run {candidate.run_id}", soft_wrap=True)
    write_result(
        {
            "decision": decision,
            "candidates": [{"run": candidate.run_id, "name": candidate.name} for candidate in planned.candidates],
            "champion": planned.champion,
            "with_truth": planned.with_truth,
        }
    )


def score_command(decision: Decision, run: Run, use_case: UseCaseOption = "") -> None:
    """Judge one candidate by its run: the gate's verdict and its accuracy on the rows all are compared on."""
    from operations.retraining.decision_files import load_plan
    from operations.retraining.evaluation import score as score_candidate

    work = workplace(use_case)
    judged = score_candidate(work, load_plan(work.settings, decision), run)
    console.print(verdict(judged.passed), f"{judged.name}: {judged.error or judged.what}", soft_wrap=True)
    for check in judged.checks:
        console.print("  ", verdict(check.passed), f"{check.name} {check.value:.4f} (wanted {check.bound})")
    write_result({"run": run, **judged.model_dump(mode="json", exclude={"run_id"})})


def compare_command(decision: Decision, use_case: UseCaseOption = "") -> None:
    """Compare candidates with the champion and say what follows; a decision that waits for a person is recorded."""
    from console.cli.decisions import print_decision
    from console.report.decision_page import decision_page
    from console.report.question import question
    from operations.retraining.decision_files import load_begun, load_plan
    from operations.retraining.evaluation import compare as compare_all
    from operations.retraining.evaluation import record
    from operations.retraining.retrain_lock import let_go, the_only_retrain

    work = workplace(use_case)
    with the_only_retrain(work.settings, decision):
        made = compare_all(work, load_begun(work.settings, decision), load_plan(work.settings, decision))
        if made.waits:
            made = record(work, made)
            let_go(work.settings, decision)
    print_decision(made)
    page = decision_page(work.settings, decision)
    write_result(_outcome(made) | {"question": question(made, page) if made.waits else "", "page": str(page)})


def record_command(decision: Decision, use_case: UseCaseOption = "") -> None:
    """Put a decision in gold/decisions, on its page and in ML Metadata, with the version that was pushed."""
    from console.cli.decisions import print_decision
    from console.report.decision_page import decision_page
    from operations.retraining.decision_files import load_decision
    from operations.retraining.evaluation import record
    from operations.retraining.retrain_lock import let_go

    work = workplace(use_case)
    made = record(work, load_decision(work.settings, decision))
    let_go(work.settings, decision)
    print_decision(made)
    write_result(_outcome(made) | {"page": str(decision_page(work.settings, decision))})


def open_command(use_case: UseCaseOption = "") -> None:
    """Name the events of the ledger that came while a retrain was at work: the next one takes them."""
    from lakeloop.events import open_events

    settings, _ = open_use_case(use_case)
    waiting = open_events(settings)
    for event in waiting:
        console.print(f"open: event {event.id} {event.kind} {event.key}")
    write_result({"open": [event.id for event in waiting], "kinds": [event.kind for event in waiting]})


def finish_command(
    decision: Annotated[str, typer.Argument(help="The decision's id; none was made: nothing is done.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """End a retrain in steps: let the next one begin, and open the events of one that came to no decision again."""
    settings, _ = open_use_case(use_case)
    if not decision:
        return
    from lakeloop.decision import Decision as Record
    from lakeloop.events import release_events
    from operations.retraining.decision_files import DECISION, find, load_begun
    from operations.retraining.retrain_lock import let_go

    load_begun(settings, decision)
    let_go(settings, decision)
    made = find(settings, decision, DECISION, Record)
    failed = made is None or (made.outcome == "promoted" and not made.version)
    if failed and release_events(settings, decision):
        console.print(f"decision {decision} was not made; its events are open again, for the next run")
    write_result({"failed": failed})


def workplace(use_case: str) -> "Workplace":
    """What the steps need, talking to the terminal."""
    settings, contract = open_use_case(use_case)
    from operations.retraining.request import Workplace

    return Workplace(contract, settings, spark_of, listener(settings, contract))


def _outcome(made: Any) -> dict[str, Any]:
    winner = made.candidate(made.winner)
    return {
        "decision": made.decision_id, "outcome": made.outcome, "reason": made.reason, "waits": made.waits,
        "winner": made.winner, "run": winner.run_id if winner is not None else "", "version": made.version,
        "choice": made.choice, "chosen_by": made.chosen_by,
    }  # fmt: skip


def _begun_here(settings: Settings) -> bool:
    from operations.retraining.planning import begun_by

    return bool(settings.airflow_run_id) and begun_by(settings, settings.airflow_run_id) is not None


def _note(settings: Settings, text: str) -> None:
    """Put a text on the Airflow run's page; the task must not fail for want of it."""
    if not (settings.airflow_url and settings.airflow_run_id):
        return
    from lakeloop.airflow_api import AirflowApi

    dag, run = quote(settings.airflow_dag_id, safe=""), quote(settings.airflow_run_id, safe="")
    try:
        api = AirflowApi(settings)
        try:
            body = {"note": text[:LONGEST_NOTE]}
            api.ask("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", params={"update_mask": "note"}, json=body)
        finally:
            api.close()
    except LakeloopError as error:
        console.print(f"the run's note could not be set: {error}", style=DIM, soft_wrap=True)
