"""The stages of a retrain, each a process of its own, for Airflow's tasks: `lakeloop retrain` runs them in one."""

from typing import Annotated, Any

import typer

from console.cli.decisions import print_decision
from console.cli.options import open_use_case
from console.cli.render import console, verdict
from console.cli.result import write_result
from console.cli.retrain_options import with_retrain_options, workplace
from console.cli.use_case_option import UseCaseOption
from console.cli.warm_server import start_warm_server
from console.report.decision_page import decision_page
from console.report.question import question
from lakeloop.decision import Decision
from lakeloop.events import open_events
from operations.retraining import stages
from operations.retraining.projections import nothing_to_do, why_it_runs
from operations.retraining.record_table import load_record
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain_lock import held_record, the_only_retrain

DecisionId = Annotated[str, typer.Argument(help="The decision's id.")]
Run = Annotated[str, typer.Argument(help="The candidate's run.")]


@with_retrain_options
def begin_command(work: Workplace, request: RetrainRequest) -> None:
    """Open a decision: say why it is made and take every open event of the ledger, whatever woke this run."""
    in_tasks = bool(work.use_case.settings.airflow_run_id)
    with the_only_retrain(work.use_case, replaces_airflows=in_tasks):
        begun = stages.begin(work, request, in_tasks=in_tasks)
    if begun is None:
        why = nothing_to_do(request)
        console.print(why)
        write_result({"decision": "", "why": why})
        return
    if in_tasks:
        start_warm_server(work.use_case)  # it imports TFX while Spark plans
    why = why_it_runs(begun)
    console.print(why, soft_wrap=True, markup=False)
    write_result({"decision": begun.decision_id, "trigger": begun.trigger, "events": begun.event_ids, "why": why})


def plan_command(decision: DecisionId, use_case: UseCaseOption = "") -> None:
    """Look at truth, drift and requests, choose candidates, export their rows, open their runs, check the champion."""
    work = workplace(use_case)
    with held_record(work.use_case, decision) as begun:
        planned = stages.plan(work, begun).the_plan
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


def score_command(decision: DecisionId, run: Run, use_case: UseCaseOption = "") -> None:
    """Score one candidate by its run: the gate's verdict and its accuracy on the rows all are compared on."""
    work = workplace(use_case)
    scored = stages.score(work, load_record(work.use_case, decision), run).verdicts[run]
    console.print(verdict(scored.passed), f"{scored.name}: {scored.error or scored.what}", soft_wrap=True)
    for check in scored.checks:
        console.print("  ", verdict(check.passed), f"{check.name} {check.value:.4f} (wanted {check.bound})")
    write_result({"run": run, **scored.model_dump(mode="json", exclude={"run_id"})})


def compare_command(decision: DecisionId, use_case: UseCaseOption = "") -> None:
    """Compare candidates with the champion and say what follows; a decision that waits for a person is recorded."""
    work = workplace(use_case)
    with held_record(work.use_case, decision) as scored:
        compared = stages.compare(work, scored)
    made, page = compared.the_decision, decision_page(work.use_case.settings, decision)
    print_decision(made)
    asks = question(made, page) if made.waits else ""
    write_result(decision_result(made) | {"next": compared.next_step, "question": asks, "page": str(page)})


def record_command(decision: DecisionId, use_case: UseCaseOption = "") -> None:
    """Put a decision in gold/decisions, on its page and in ML Metadata, with the version that was pushed."""
    work = workplace(use_case)
    made = stages.record(work, load_record(work.use_case, decision))
    print_decision(made)
    write_result(decision_result(made) | {"page": str(decision_page(work.use_case.settings, decision))})


def open_command(use_case: UseCaseOption = "") -> None:
    """Name the events of the ledger that came while a retrain was at work: the next one takes them."""
    case = open_use_case(use_case)
    waiting = open_events(case)
    for event in waiting:
        console.print(f"open: event {event.id} {event.kind} {event.key}")
    write_result({"open": [event.id for event in waiting], "kinds": [event.kind for event in waiting]})


def finish_command(
    decision: Annotated[str, typer.Argument(help="The decision's id; none was made: nothing is done.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """End a retrain in steps: let the next one begin, and open the events of one that came to no decision again."""
    if not decision:
        return
    work = workplace(use_case)
    failed = stages.finish(work, decision).state == "failed"
    if failed:
        console.print(f"decision {decision} was not made; its events are open again, for the next run")
    write_result({"failed": failed})


def decision_result(made: Decision) -> dict[str, Any]:
    """What a task's result says of a decision."""
    winner = made.candidate(made.winner)
    return {
        "decision": made.decision_id, "outcome": made.outcome, "reason": made.reason, "waits": made.waits,
        "winner": made.winner, "run": winner.run_id if winner is not None else "", "version": made.version,
        "choice": made.choice, "chosen_by": made.chosen_by,
    }  # fmt: skip
