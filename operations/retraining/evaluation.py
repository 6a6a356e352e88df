"""How each candidate fares on the same rows, and the decision that follows from all of them."""

import logging
from datetime import UTC, datetime

from lakeloop.contract.metrics import METRICS
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.exceptions import LakeloopError
from lakeloop.use_case import UseCase
from operations.permutation_importance import run_importance
from operations.recorded_baselines import run_baselines
from operations.retraining.decision_folder import load_rows
from operations.retraining.record import Plan, RetrainRecord
from operations.retraining.selection import best_of, outcome_of
from operations.split_check import run_split_check
from tfx_pipeline.evaluation.validate import serving_folder
from tfx_pipeline.runs.run_record import RunRecord, load_run
from tfx_pipeline.runs.runner import fail_run, finish_run

log = logging.getLogger(__name__)


def score_candidate(use_case: UseCase, plan: Plan, run_id: str) -> ScoredCandidate:
    """The gate's verdict on one candidate's run, and its score. A run that failed is put down, not raised."""
    candidate = plan.candidate(run_id)
    scored = ScoredCandidate(name=candidate.name, what=candidate.what, run_id=run_id, error=candidate.error)
    if candidate.error:
        return scored
    run = closed_run(use_case, run_id)
    try:
        verdict = _verdict(use_case, plan, run)
        _explain(use_case, plan, run)
        return scored.model_copy(update=verdict | {"what": candidate.what + _tuned(run)})
    except LakeloopError as error:
        return scored.model_copy(update={"error": str(error)})


def closed_run(use_case: UseCase, run_id: str) -> RunRecord:
    """A candidate's run, which nobody is at any more: where no node failed and the gate did not speak, it failed."""
    run = load_run(use_case, run_id)
    if run.state != "running":
        return run
    if run.gate is not None:
        return finish_run(use_case, run)
    done = run.nodes[-1].node if run.nodes else "no node"
    why = f"run {run_id} ended without a word after {done}: it was killed, or nobody went on"
    return fail_run(use_case, run, why)


def decision_from(record: RetrainRecord) -> Decision:
    """Who is best by the verdicts on record, and what follows from it."""
    plan, request = record.the_plan, record.request
    scored = tuple(record.verdicts[candidate.run_id] for candidate in plan.candidates)
    best = best_of(scored, plan.champion_score, METRICS[plan.decides])
    decision = Decision(
        decision_id=record.decision_id,
        use_case=record.use_case,
        at=datetime.now(UTC),
        strategy=request.strategy,
        trigger=record.trigger,
        event_ids=record.event_ids,
        **plan.model_dump(exclude={"decision_id", "candidates"}),
        candidates=scored,
        winner=best.name if best is not None else "",
        outcome="kept",
        reason="",
        decided_by=request.decided_by,
        airflow_run_id=request.airflow_run_id,
    )
    outcome, reason = outcome_of(decision, request.promote)
    return decision.model_copy(update={"outcome": outcome, "reason": reason})


def with_version(use_case: UseCase, decision: Decision) -> Decision:
    """The decision with the version its winner was pushed as, or with why it could not be pushed."""
    winner = decision.candidate(decision.winner)
    if decision.outcome != "promoted" or decision.version or winner is None:
        return decision
    try:
        run = load_run(use_case, winner.run_id)
        if run.pushed_version:
            finish_run(use_case, run)
            return decision.model_copy(update={"version": run.pushed_version})
        problem = run.error or "its run did not get that far"
    except LakeloopError as error:
        problem = str(error)
    failed = f"{winner.name} was to be promoted, but could not be pushed: {problem}"
    return decision.model_copy(update={"outcome": "kept", "reason": failed})


def _verdict(use_case: UseCase, plan: Plan, run: RunRecord) -> dict[str, object]:
    if run.state == "failed" or run.gate is None:
        raise LakeloopError(run.error or f"run {run.run_id} ended without the gate's verdict")
    rows = load_rows(use_case, plan)
    score = rows.score(use_case.contract, serving_folder(run)) if rows is not None else None
    return {"passed": bool(run.blessed), "checks": run.gate.checks, "score": score}


def _explain(use_case: UseCase, plan: Plan, run: RunRecord) -> None:
    """What the model has to beat and what it looks at go on the run's record: where that fails, no verdict changes.

    Candidates that were trained on the same export share it.
    """
    try:
        others = (load_run(use_case, other.run_id) for other in plan.candidates if not other.error)
        same = [one for one in others if one.manifest_sha256 == run.manifest_sha256]
        known = next((one for one in same if one.baselines), None)
        split_check = next((one.split_check for one in same if one.split_check is not None), None)
        explained = run_importance(use_case, run_baselines(use_case, run, known))
        run_split_check(use_case, explained, split_check)
    except (LakeloopError, OSError) as error:
        log.warning("event=not_explained run=%s why=%r", run.run_id, str(error))


def _tuned(run: RunRecord) -> str:
    return f": {', '.join(f'{name} {value:g}' for name, value in run.tuned.items())}" if run.tuned else ""
