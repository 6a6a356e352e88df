"""A retrain in one process: look, train the candidates that apply, compare them, push the best, record it all."""

from lakeloop.decision import Decision
from lakeloop.exceptions import LakeloopError
from operations.retraining import stages
from operations.retraining.approval import Approval
from operations.retraining.record import PlannedCandidate
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain_lock import the_only_retrain
from tfx_pipeline.runs.run_record import load_run
from tfx_pipeline.runs.runner import run_pipeline


def retrain(work: Workplace, request: RetrainRequest) -> Decision | None:
    """Do it and give the decision, which is in gold/decisions and, as a page, in the reports; None: nothing to do.

    Takes all open events of the ledger; should it fail, they are open again.

    Raises:
        BusyError: another retrain of the use case is at work.
        WrongUseError: the strategy needs something that is not there.
        LakeloopError: the best candidate could not be pushed; that is on record.
    """
    with the_only_retrain(work.use_case):
        begun = stages.begin(work, request)
        if begun is None:
            return None
        try:
            planned = stages.plan(work, begun.decision_id)
            for candidate in planned.the_plan.candidates:
                verdict = planned.verdicts.get(candidate.run_id)
                if verdict is None or verdict.error:  # else it was scored before this was killed
                    _train(work, candidate)
                    stages.score(work, begun.decision_id, candidate.run_id)
            compared = stages.compare(work, begun.decision_id)
            return compared.decision if compared.state == "waiting" else _carry_out(work, begun.decision_id)
        finally:
            stages.finish(work, begun.decision_id)


def decide(work: Workplace, decision_id: str, approval: Approval) -> Decision:
    """Apply a person's approval to a decision that waits, push what it promotes, and record it.

    Raises:
        BusyError: a retrain of the use case is at work.
        WrongUseError: nobody has to approve it, somebody chose otherwise already, or it cannot be carried out.
        LakeloopError: the winner could not be pushed; that is on record.
    """
    with the_only_retrain(work.use_case, decision_id):
        stages.approve(work, decision_id, approval)
        try:
            return _carry_out(work, decision_id)
        finally:
            stages.finish(work, decision_id)


def _carry_out(work: Workplace, decision_id: str) -> Decision:
    stages.push(work, decision_id)
    return stages.record(work, decision_id)


def _train(work: Workplace, candidate: PlannedCandidate) -> None:
    """Train one candidate up to the gate's verdict; how a run failed stands in its record."""
    listener = work.listener
    listener.say(f"candidate {candidate.name}: {candidate.what}")
    if candidate.error:
        return
    parameters = load_run(work.use_case, candidate.run_id).parameters
    try:
        run_pipeline(work.use_case, parameters, listener.on_node, listener.on_start, candidate.run_id, push=False)
    except LakeloopError:
        listener.say(f"candidate {candidate.name} failed")
