"""A retrain: look, train the candidates that apply, compare them on the same rows, push the best, record it all."""

from datetime import UTC, datetime
from pathlib import Path

from lakehouse.decisions import record_decision
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.errors import LakeloopError
from lakeloop.events import release_events, take_open_events
from lakeloop.measures.candidate_run import Asked, Listener, OpenSpark, Retrain, checks_of, try_candidate
from lakeloop.measures.candidates import Candidate, candidates_for
from lakeloop.measures.comparison import JudgingRows, best_of, newest_truth, old_truth, outcome_of
from lakeloop.measures.export_weights import ExportWeights
from lakeloop.measures.situation import Situation, judging_export, prepare, survey
from lakeloop.report.decision_page import write_decision
from lakeloop.settings import Settings
from tfx_pipeline.gate import GateReport
from tfx_pipeline.runner import new_run_id, push_run
from tfx_pipeline.validate import model_folder, validate_model


def retrain(
    contract: Contract,
    settings: Settings,
    asked: Asked,
    open_spark: OpenSpark,
    listener: Listener | None = None,
) -> Decision:
    """Do it and give the record, which is in gold/decisions and, as a page, in the reports.

    Takes all open events of the ledger; should it fail, they are open again.

    Raises:
        WrongUse: the strategy needs something that is not there.
        LakeloopError: the best candidate could not be pushed; that is on record.
    """
    decision_id = new_run_id()
    events = take_open_events(settings, decision_id)
    kinds = ", ".join(dict.fromkeys(event.kind for event in events))
    work = Retrain(
        contract, settings, asked, listener or Listener(), open_spark, decision_id,
        event_ids=tuple(str(event.id) for event in events),
        trigger=asked.trigger or kinds or "command line",
    )  # fmt: skip
    try:
        return _decide(work)
    except BaseException:
        release_events(settings, decision_id)
        raise


def decision_page(settings: Settings, decision_id: str) -> Path:
    """Where a decision's page lies."""
    return Path(settings.area("reports")) / "decisions" / f"{decision_id}.html"


def _decide(work: Retrain) -> Decision:
    contract, settings, listener = work.contract, work.settings, work.listener
    with work.open_spark(settings) as spark:
        situation = survey(spark, contract, settings)
        candidates = candidates_for(
            work.asked.strategy, contract, situation.known, work.asked.months, work.asked.trials
        )
        prepared = prepare(spark, contract, settings, candidates)
        old = judging_export(spark, contract, settings, situation.known) if situation.known.labelled else None
    _tell(listener, contract, situation, candidates)
    weights = ExportWeights(contract, settings, situation.window)
    report = _judge_champion(work, situation)
    rows = _judging_rows(work, situation, old, weights)
    champion_score = _champion_score(work, situation, rows)
    judged = [try_candidate(work, situation.known, one, rows, weights) for one in prepared]
    best = best_of(judged, champion_score)
    decision = Decision(
        decision_id=work.decision_id,
        use_case=contract.use_case,
        at=datetime.now(UTC),
        clock=read_clock(settings),
        strategy=work.asked.strategy,
        trigger=work.trigger,
        event_ids=work.event_ids,
        champion=situation.champion.version if situation.champion is not None else "",
        champion_score=champion_score,
        champion_judged_on=f"month {situation.newest_month}" if report is not None else "",
        champion_checks=checks_of(report),
        with_truth=situation.known.new_truth,
        judged_on=rows.what if rows is not None else "",
        judged_rows=len(rows.frame) if rows is not None else 0,
        effective_rows=rows.effective if rows is not None else None,
        drifted=situation.known.drifted,
        candidates=tuple(judged),
        winner=best.name if best is not None else "",
        outcome="kept",
        reason="",
        decided_by=work.asked.decided_by,
    )
    outcome, reason = outcome_of(decision, work.asked.promote)
    decision = decision.model_copy(update={"outcome": outcome, "reason": reason})
    if best is None or outcome != "promoted":
        return _record(work, decision)
    listener.say(f"{best.name} is best and is pushed")
    try:
        run = push_run(settings, contract, best.run_id, listener.on_node, listener.on_start)
    except LakeloopError as error:
        failed = f"{best.name} was best, but could not be pushed: {error}"
        _record(work, decision.model_copy(update={"outcome": "kept", "reason": failed}))
        raise
    return _record(work, decision.model_copy(update={"version": run.pushed_version}))


def _judge_champion(work: Retrain, situation: Situation) -> GateReport | None:
    """The champion on the newest truth it has not seen, all rows of that month."""
    if situation.champion is None or not situation.known.new_truth:
        return None
    folder = model_folder(work.settings, situation.champion.version)
    name = f"month {situation.newest_month}"
    return validate_model(folder, work.contract, situation.newest, name=name)


def _judging_rows(work: Retrain, situation: Situation, old: Path | None, weights: ExportWeights) -> JudgingRows | None:
    if old is None:
        return None
    if situation.known.new_truth:
        return newest_truth(work.contract, situation)
    return old_truth(work.contract, weights.rows(old), weights.of(old), len(situation.window))


def _champion_score(work: Retrain, situation: Situation, rows: JudgingRows | None) -> float | None:
    if situation.champion is None or rows is None:
        return None
    return rows.score(work.contract, model_folder(work.settings, situation.champion.version))


def _record(work: Retrain, decision: Decision) -> Decision:
    write_decision(decision, work.contract, decision_page(work.settings, decision.decision_id))
    with work.open_spark(work.settings) as spark:
        record_decision(spark, work.settings, decision)
    return decision


def _tell(listener: Listener, contract: Contract, situation: Situation, candidates: list[Candidate]) -> None:
    known, champion = situation.known, situation.champion
    listener.say(f"champion: {f'version {champion.version}' if champion is not None else 'none yet'}")
    if known.labelled:
        newest = f"{known.labelled[-1]} ({contract.month_name(known.labelled[-1])})"
        listener.say(f"newest labelled month: {newest}, {'new' if known.new_truth else 'known to the champion'}")
    drift = ", ".join(f"{name} {score:.3f}" for name, score in situation.drift.items())
    listener.say(f"drifted in the newest {known.requests:,} requests: {drift or 'nothing'}")
    listener.say(f"candidates: {', '.join(c.name for c in candidates) or 'none'}")
