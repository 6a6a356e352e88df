"""The stages of a retrain, in their order; each takes the record, puts down what it did, and gives what it is then.

`lakeloop retrain` runs them in one process (`retrain`), Airflow's tasks one each, `lakeloop decide` the last ones. Who
runs one holds the retrain (`retrain_lock`), but for `score`, which runs side by side, `record` and `finish`. A stage
that is done again, after a kill or because a task was cleared, takes what is there and goes on.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from lakeloop.decision import Decision
from lakeloop.events import open_events, release_events, take_open_events
from lakeloop.exceptions import BrokenError, LakeloopError
from lakeloop.notifications import notify
from lakeloop.release_state import Release
from lakeloop.releases import read_release
from operations.retraining.approval import Approval, apply_approval
from operations.retraining.candidates import checked_strategy
from operations.retraining.evaluation import closed_run, decision_from, score_candidate, with_version
from operations.retraining.planning import make_plan
from operations.retraining.projections import note_in_airflow, nothing_to_do, write_projections
from operations.retraining.record import RetrainRecord, TakenEvent
from operations.retraining.record_table import (
    add_record,
    change_record,
    load_record,
    record_of_airflow_run,
    records_at_work,
)
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.selection import unless_pinned
from tfx_pipeline.runs.runner import new_run_id, push_run


def begin(work: Workplace, request: RetrainRequest, in_tasks: bool = False) -> RetrainRecord | None:
    """Open a retrain and take every open event of the ledger for it; None where there is nothing to do.

    A begin that Airflow repeats (same Airflow run) gives the retrain it opened, with what has come since. There is
    nothing to do where events have woken this one, an earlier one handled them, and none is open. `in_tasks`: each
    stage will be a task of Airflow's.
    """
    use_case = work.use_case
    earlier = record_of_airflow_run(use_case, request.airflow_run_id)
    for dead in records_at_work(use_case):
        if earlier is None or dead.decision_id != earlier.decision_id:
            finish(work, dead.decision_id)  # the lock is ours: nobody is at that one any more
    if request.woken_by and earlier is None and not open_events(use_case):
        note_in_airflow(use_case.settings, nothing_to_do(request))
        return None
    begun = earlier or add_record(
        use_case,
        RetrainRecord(
            decision_id=new_run_id(),
            use_case=use_case.name,
            at=datetime.now(UTC),
            in_tasks=in_tasks,
            request=request,
        ),
    )
    if begun.decision is None:  # what comes after a decision is the next one's
        begun = _with_events(work, begun, request)
    write_projections(work, begun)
    return begun


def plan(work: Workplace, begun: RetrainRecord) -> RetrainRecord:
    """Look at truth, drift and requests, choose candidates, open their runs, score the champion.

    Raises:
        WrongUseError: the strategy needs something that is not there.
    """
    made = begun.plan or make_plan(work, begun)
    return _change(work, begun, lambda found: found.planned(made))


def score(work: Workplace, planned: RetrainRecord, run_id: str) -> RetrainRecord:
    """One candidate's verdict of the gate, and its score on the rows all are compared on."""
    verdict = score_candidate(work.use_case, planned.the_plan, run_id)
    return _change(work, planned, lambda found: found.scored(verdict))


def compare(work: Workplace, scored: RetrainRecord) -> RetrainRecord:
    """Who is best, and what follows from it; a decision that waits for a person goes on record at once.

    Done again before somebody decided or pushed it, it compares again; afterwards what is decided stays.
    """
    for candidate in scored.the_plan.candidates:
        if candidate.run_id not in scored.verdicts:
            scored = score(work, scored, candidate.run_id)
    release = read_release(work.use_case.settings, work.use_case.name)
    compared = _change(work, scored, lambda found: _compared(found, release))
    if compared.state == "waiting":
        write_projections(work, compared, compared.decision)
        if compared.next_step == "ask" and not compared.in_tasks:  # Airflow's task has people told with its own link
            _tell_people(work, compared.the_decision)
    return compared


def approve(work: Workplace, waiting: RetrainRecord, approval: Approval) -> RetrainRecord:
    """Apply a person's approval up to, but not including, a push. The same one given again changes nothing.

    Raises:
        WrongUseError: nobody has to approve it, somebody chose otherwise already, or it cannot be carried out.
    """
    changed = apply_approval(work.use_case, waiting.the_decision, approval)
    return _change(work, waiting, lambda found: found.decided(changed))


def push(work: Workplace, decided: RetrainRecord) -> RetrainRecord:
    """Push the winner of a decision to promote it; nothing where none is to be pushed, or the champion is pinned now.

    Raises:
        LakeloopError: it could not be pushed.
    """
    decision, listener = decided.the_decision, work.listener
    winner = decision.candidate(decision.winner)
    if decided.state != "pushing" or winner is None:
        return decided
    held = unless_pinned(decision, read_release(work.use_case.settings, work.use_case.name))
    if held != decision:  # somebody has pinned the champion since it was decided
        return _change(work, decided, lambda found: found.decided(held))
    overruled = bool(decision.choice)
    listener.say(f"{winner.name} is {'chosen' if overruled else 'best'} and is pushed")
    push_run(work.use_case, winner.run_id, listener.on_node, listener.on_start, overruled=overruled)
    pushed = with_version(work.use_case, decision)
    why_not = read_release(work.use_case.settings, work.use_case.name).why_not(pushed.version) if pushed.version else ""
    if why_not:
        waits = f"version {pushed.version} does not serve yet: {why_not}"
        listener.say(waits)
        pushed = pushed.model_copy(update={"reason": f"{pushed.reason}; {waits}"})
    return _change(work, decided, lambda found: found.decided(pushed))


def record(work: Workplace, decided: RetrainRecord) -> Decision:
    """Put a decision where people look for it, with the version that was pushed; done again it replaces what is there.

    Raises:
        BrokenError: it could not be put everywhere; it is kept, and this may be done again.
    """
    decision = with_version(work.use_case, decided.the_decision)
    if decided.state != "waiting" and decision.outcome == decided.the_decision.outcome:
        decided = _change(work, decided, lambda found: found.recorded(decision))
    # else a person is to say, or a push that failed may be tried again: the plan to promote stays
    write_projections(work, decided, decision)
    return decision


def finish(work: Workplace, decision_id: str) -> RetrainRecord:
    """End a retrain, however it went: one that came to no decision, or could not push, has its events opened again."""
    use_case, found = work.use_case, load_record(work.use_case, decision_id)
    if not found.at_work:
        return found
    decision = with_version(work.use_case, found.the_decision) if found.state in ("pushing", "decided") else None
    if decision is not None and decision.outcome == found.the_decision.outcome:
        found = change_record(use_case, decision_id, lambda record: record.recorded(decision))
    else:
        # First: were this killed, the next one would end it as at work still.
        _close_runs(work, found)
        release_events(use_case, decision_id)
        found = change_record(use_case, decision_id, lambda record: record.to("failed"))
    if decision is not None:
        try:
            write_projections(work, found, decision)
        except BrokenError as error:  # whoever ends it may be about to begin another
            work.listener.say(str(error))
    return found


def _close_runs(work: Workplace, record: RetrainRecord) -> None:
    """Let no candidate's run be called running that nobody is at."""
    for candidate in record.plan.candidates if record.plan is not None else ():
        try:
            if not candidate.error:
                closed_run(work.use_case, candidate.run_id)
        except LakeloopError as error:  # it is gone: there is nothing to close
            work.listener.say(str(error))


def _tell_people(work: Workplace, waiting: Decision) -> None:
    """That a decision waits for a person, with where it is read and how it is answered."""
    use_case = work.use_case
    text = (
        f"No candidate passed the quality gate: {waiting.reason}. What is to be done? "
        f"`lakeloop decide -u {use_case.name} {waiting.decision_id}` answers."
    )
    link = f"{use_case.settings.pages(use_case.name)}/decisions/{waiting.decision_id}"
    notify(use_case, "question", text, link, once_by=waiting.decision_id)


def _compared(record: RetrainRecord, release: Release) -> RetrainRecord:
    return record.decided(record.the_decision if record.settled else unless_pinned(decision_from(record), release))


def _with_events(work: Workplace, record: RetrainRecord, request: RetrainRequest) -> RetrainRecord:
    use_case = work.use_case
    events = take_open_events(use_case, record.decision_id)
    kinds = ", ".join(dict.fromkeys(event.kind for event in events))
    if request.strategy == "auto" and events and {event.kind for event in events} == {"drift"}:
        request = replace(request, strategy=checked_strategy(use_case.settings.strategy_on_drift))
    trigger = request.trigger or kinds or ("by hand in Airflow" if request.airflow_run_id else "command line")
    taken = tuple(TakenEvent(id=e.id, kind=e.kind, key=e.key, payload=e.payload) for e in events)
    return change_record(use_case, record.decision_id, lambda found: found.begun_again(trigger, request, taken))


def _change(work: Workplace, before: RetrainRecord, change: Callable[[RetrainRecord], RetrainRecord]) -> RetrainRecord:
    """Change the record; one that had failed and goes on takes those of its events back that nobody else has taken."""
    after = change_record(work.use_case, before.decision_id, change)
    if before.state == "failed" and after.state != "failed":
        take_open_events(work.use_case, before.decision_id, among=[event.id for event in after.events])
    return after
