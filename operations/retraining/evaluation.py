"""The last steps of a retrain: score each candidate on the same rows, compare, and put the outcome on record."""

from datetime import UTC, datetime

from lakehouse.gold.decisions import record_decision
from lakeloop.decision import Decision, JudgedCandidate
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings
from operations.retraining import decision_files as files
from operations.retraining.decision_files import Begun, Plan
from operations.retraining.request import Workplace
from operations.retraining.selection import best_of, checks_of, outcome_of
from tfx_pipeline.evaluation.validate import serving_folder
from tfx_pipeline.metadata.annotations import annotate_run
from tfx_pipeline.runs.run_record import RunRecord, load_run
from tfx_pipeline.runs.runner import finish_run


def score(work: Workplace, plan: Plan, run_id: str) -> JudgedCandidate:
    """Judge one candidate by its run: the gate's verdict, and its score. A run that failed is put down, not raised."""
    candidate = plan.candidate(run_id)
    judged = JudgedCandidate(name=candidate.name, what=candidate.what, run_id=run_id, error=candidate.error)
    if not candidate.error:
        run = load_run(work.settings, run_id)
        try:
            judged = judged.model_copy(update=_verdict(work, plan, run) | {"what": candidate.what + _tuned(run)})
        except LakeloopError as error:
            judged = judged.model_copy(update={"error": str(error)})
    files.save(work.settings, plan.decision_id, files.verdict_file(run_id), judged)
    return judged


def compare(work: Workplace, begun: Begun, plan: Plan) -> Decision:
    """Who is best and what follows from it; kept for the steps after, on record only when `record` puts it there.

    Done again before somebody decided or pushed it gives the same; afterwards what is decided stays.
    """
    known = files.find(work.settings, begun.decision_id, files.DECISION, Decision)
    if known is not None and (known.choice or known.version):
        return known
    verdicts = files.load_verdicts(work.settings, plan)
    judged = tuple(
        v if v is not None else score(work, plan, c.run_id) for v, c in zip(verdicts, plan.candidates, strict=True)
    )
    best = best_of(judged, plan.champion_score)
    decision = Decision(
        decision_id=begun.decision_id,
        use_case=begun.use_case,
        at=datetime.now(UTC),
        strategy=begun.request.strategy,
        trigger=begun.trigger,
        event_ids=begun.event_ids,
        **plan.model_dump(exclude={"decision_id", "candidates"}),
        candidates=judged,
        winner=best.name if best is not None else "",
        outcome="kept",
        reason="",
        decided_by=begun.request.decided_by,
        airflow_run_id=begun.request.airflow_run_id,
    )
    outcome, reason = outcome_of(decision, begun.request.promote)
    decision = decision.model_copy(update={"outcome": outcome, "reason": reason})
    files.save(work.settings, begun.decision_id, files.DECISION, decision)
    return decision


def with_version(work: Workplace, decision: Decision) -> Decision:
    """The decision with the version its winner was pushed as, or with why it could not be pushed."""
    winner = decision.candidate(decision.winner)
    if decision.outcome != "promoted" or decision.version or winner is None:
        return decision
    run = load_run(work.settings, winner.run_id)
    if run.pushed_version:
        finish_run(work.settings, run.run_id)
        return decision.model_copy(update={"version": run.pushed_version})
    problem = run.error or "its run did not get that far"
    failed = f"{winner.name} was to be promoted, but could not be pushed: {problem}"
    return decision.model_copy(update={"outcome": "kept", "reason": failed})


def record(work: Workplace, decision: Decision) -> Decision:
    """Put a decision on record, in gold/decisions and ML Metadata; done again it replaces what is there."""
    found = with_version(work, decision)
    if found.outcome == decision.outcome:  # a push that failed may be tried again: the plan to promote stays
        files.save(work.settings, decision.decision_id, files.DECISION, found)
    decision = found
    work.listener.on_decision(decision)
    _note_in_metadata(work.settings, decision)
    record_decision(work.settings, decision)
    return decision


def _note_in_metadata(settings: Settings, decision: Decision) -> None:
    """Say on each candidate's run in ML Metadata what was decided about it, by whom."""
    chosen_at = decision.chosen_at.isoformat(timespec="seconds") if decision.chosen_at is not None else ""
    notes = {
        "decision_id": decision.decision_id, "decision_outcome": decision.outcome, "decision_winner": decision.winner,
        "decided_by": decision.decided_by, "choice": decision.choice, "choice_details": decision.choice_details,
        "chosen_by": decision.chosen_by, "chosen_at": chosen_at,
    }  # fmt: skip
    for candidate in decision.candidates:
        if candidate.checks:
            annotate_run(settings, candidate.run_id, notes)


def _verdict(work: Workplace, plan: Plan, run: RunRecord) -> dict[str, object]:
    if run.state == "failed":
        raise LakeloopError(run.error)
    if run.gate is None:
        done = run.nodes[-1].node if run.nodes else "no node"
        raise LakeloopError(f"run {run.run_id} ended without a word after {done}: it was killed, or nobody went on")
    if run.state == "running":
        finish_run(work.settings, run.run_id)
    rows = files.load_rows(work.settings, plan)
    scored = rows.score(work.contract, serving_folder(run)) if rows is not None else None
    return {"passed": bool(run.blessed), "checks": checks_of(run.gate), "score": scored}


def _tuned(run: RunRecord) -> str:
    return f": {', '.join(f'{name} {value:g}' for name, value in run.tuned.items())}" if run.tuned else ""
