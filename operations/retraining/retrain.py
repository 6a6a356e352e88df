"""A retrain: look, train the candidates that apply, compare them on the same rows, push the best, record it all.

Its steps are what Airflow runs as tasks (`planning`, the pipeline's nodes, `judging`); here they run in one process.
"""

from lakeloop.contract import Contract
from lakeloop.decision import Decision, JudgedCandidate
from lakeloop.events import release_events
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings
from operations.retraining.decision_files import Plan, PlannedCandidate
from operations.retraining.evaluation import compare, record, score
from operations.retraining.planning import begin, plan
from operations.retraining.request import Listener, OpenSpark, RetrainRequest, Workplace
from operations.retraining.retrain_lock import the_only_retrain
from tfx_pipeline.runs.run_record import load_run
from tfx_pipeline.runs.runner import push_run, run_pipeline


def retrain(
    contract: Contract,
    settings: Settings,
    request: RetrainRequest,
    open_spark: OpenSpark,
    listener: Listener | None = None,
) -> Decision:
    """Do it and give the record, which is in gold/decisions and, as a page, in the reports.

    Takes all open events of the ledger; should it fail, they are open again.

    Raises:
        BusyError: another retrain of the use case is at work.
        WrongUseError: the strategy needs something that is not there.
        LakeloopError: the best candidate could not be pushed; that is on record.
    """
    work = Workplace(contract, settings, open_spark, listener or Listener())
    with the_only_retrain(settings):
        begun = begin(settings, request)
        try:
            planned = plan(work, begun)
            for candidate in planned.candidates:
                try_candidate(work, planned, candidate)
            return push_and_record(work, compare(work, begun, planned))
        except BaseException:
            release_events(settings, begun.decision_id)
            raise


def try_candidate(work: Workplace, planned: Plan, candidate: PlannedCandidate) -> JudgedCandidate:
    """Train one candidate up to the gate's verdict and score it; a run that fails is recorded, not raised."""
    listener = work.listener
    listener.say(f"candidate {candidate.name}: {candidate.what}")
    if not candidate.error:
        parameters = load_run(work.settings, candidate.run_id).parameters
        try:
            run_pipeline(
                work.settings, work.contract, parameters, listener.on_node, listener.on_start, candidate.run_id,
                push=False,
            )  # fmt: skip
        except LakeloopError:
            listener.say(f"candidate {candidate.name} failed")
    return score(work, planned, candidate.run_id)


def push_and_record(work: Workplace, decision: Decision) -> Decision:
    """Push the winner of a decision to promote it, and record the decision.

    Raises:
        LakeloopError: it could not be pushed; that is on record.
    """
    winner = decision.candidate(decision.winner)
    if decision.outcome == "promoted" and winner is not None and not decision.version:
        listener, overruled = work.listener, bool(decision.choice)
        listener.say(f"{winner.name} is {'chosen' if overruled else 'best'} and is pushed")
        try:
            push_run(
                work.settings, work.contract, winner.run_id, listener.on_node, listener.on_start, overruled=overruled
            )
        except LakeloopError:
            record(work, decision)
            raise
    return record(work, decision)
