"""A retrain in one process: look, train the candidates that apply, compare them, push the best, record it all."""

from lakeloop.decision import Decision
from lakeloop.exceptions import LakeloopError
from operations.retraining import stages
from operations.retraining.approval import Approval
from operations.retraining.record import PlannedCandidate, RetrainRecord
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain_lock import held_record, the_only_retrain
from tfx_pipeline.runs.runner import train_run


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
            found = stages.plan(work, begun)
            for candidate in found.the_plan.candidates:
                verdict = found.verdicts.get(candidate.run_id)
                if verdict is None or verdict.error:  # else it was scored before this was killed
                    _train(work, candidate)
                    found = stages.score(work, found, candidate.run_id)
            compared = stages.compare(work, found)
            return compared.decision if compared.state == "waiting" else _carry_out(work, compared)
        finally:
            stages.finish(work, begun.decision_id)


def decide(work: Workplace, decision_id: str, approval: Approval) -> Decision:
    """Apply a person's approval to a decision that waits, push what it promotes, and record it.

    Raises:
        BusyError: a retrain of the use case is at work.
        NotFoundError: there is no such retrain, or its candidates were not compared yet.
        WrongUseError: nobody has to approve it, somebody chose otherwise already, or it cannot be carried out.
        LakeloopError: the winner could not be pushed; that is on record.
    """
    with held_record(work.use_case, decision_id) as waiting:
        approved = stages.approve(work, waiting, approval)
        try:
            return _carry_out(work, approved)
        finally:
            stages.finish(work, decision_id)


def _carry_out(work: Workplace, decided: RetrainRecord) -> Decision:
    return stages.record(work, stages.push(work, decided))


def _train(work: Workplace, candidate: PlannedCandidate) -> None:
    """Train one candidate up to the gate's verdict; how a run failed stands in its record."""
    listener = work.listener
    listener.say(f"candidate {candidate.name}: {candidate.what}")
    if candidate.error:
        return
    try:
        train_run(work.use_case, candidate.run_id, listener.on_node, listener.on_start)
    except LakeloopError:
        listener.say(f"candidate {candidate.name} failed")
