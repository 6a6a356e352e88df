"""The plan of a retrain: look around, choose candidates, export, weigh, open a run for each, check the champion."""

from pathlib import Path

from lakehouse.lake import open_lake
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.git import git_commit
from lakeloop.manifest import read_manifest
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.retraining.candidates import Candidate, candidates_for
from operations.retraining.context import Context, Prepared, evaluation_export, prepare, read_context, take_in_requests
from operations.retraining.decision_folder import save_rows
from operations.retraining.export_weights import ExportWeights
from operations.retraining.record import Plan, PlannedCandidate, RetrainRecord
from operations.retraining.request import Listener, Workplace
from operations.retraining.selection import EvaluationRows, held_out, newest_truth, old_truth
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.runner import new_run_id, start_run


def make_plan(work: Workplace, record: RetrainRecord) -> Plan:
    """Choose the candidates, make what they need, open their runs, and check and score the champion.

    Raises:
        WrongUseError: the strategy needs something that is not there.
    """
    use_case, contract, request = work.use_case, work.use_case.contract, record.request
    with open_lake(use_case, work.open_spark) as lake:
        if contract.requests is not None:
            take_in_requests(lake)
        context = read_context(lake)
        candidates = candidates_for(request.strategy, contract, context.evidence, request.periods, request.trials)
        prepared = prepare(lake, context, candidates)
        old = evaluation_export(lake, context) if context.evidence.labelled else None
    _tell(work.listener, contract, context, candidates)
    weights = ExportWeights(use_case, context.window)
    champion = model_folder(use_case, context.champion.version) if context.champion is not None else None
    report = _check_champion(contract, champion, context)
    rows = _evaluation_rows(contract, context, old, weights)
    if rows is not None:
        save_rows(use_case, record.decision_id, rows)
    return Plan(
        decision_id=record.decision_id,
        clock=read_clock(use_case).period,
        champion=context.champion.version if context.champion is not None else "",
        decides=contract.gate.decides,
        champion_score=rows.score(contract, champion) if rows is not None and champion is not None else None,
        champion_judged_on=f"{contract.period} {context.newest_period}" if report is not None else "",
        champion_checks=report.checks if report is not None else (),
        with_truth=context.evidence.new_truth,
        changed_rows=context.evidence.changed,
        judged_on=rows.what if rows is not None else "",
        judged_version=_rows_version(context, old),
        judged_rows=len(rows.frame) if rows is not None else 0,
        effective_rows=rows.effective if rows is not None else None,
        drifted=context.evidence.drifted,
        candidates=tuple(_open_run(use_case, record, context, one, weights) for one in prepared),
    )


def _open_run(
    use_case: UseCase, record: RetrainRecord, context: Context, one: Prepared, weights: ExportWeights
) -> PlannedCandidate:
    """A candidate's run, open and empty; what keeps it from being opened is put down, not raised."""
    candidate, run_id = one.candidate, new_run_id()
    changes = record.request.changes | ({"kind": candidate.kind} if candidate.kind else {})
    by_weight = candidate.weighting != "none" or not context.evidence.new_truth
    try:
        parameters = run_parameters(
            use_case.contract,
            one.manifest,
            changes,
            drop=candidate.drop,
            trigger=record.trigger,
            event_id=",".join(record.event_ids),
            airflow_run_id=record.request.airflow_run_id,
            git_commit=git_commit(),
            weighting=candidate.weighting,
            weights=weights.file(one.manifest) if by_weight else None,
            trials=candidate.trials,
        )
        start_run(use_case, parameters, run_id)
    except LakeloopError as error:
        return PlannedCandidate(name=candidate.name, what=candidate.what, run_id=run_id, error=str(error))
    return PlannedCandidate(name=candidate.name, what=candidate.what, run_id=run_id)


def _check_champion(contract: Contract, champion: Path | None, context: Context) -> GateReport | None:
    """The champion on the newest truth: a whole period it has not seen, or the eval rows of one it has."""
    if champion is None or not context.evidence.new_truth:
        return None
    rows = context.newest if context.evidence.newer_period else held_out(contract, context.newest)
    return validate_model(champion, contract, rows, name=f"{contract.period} {context.newest_period}")


def _evaluation_rows(
    contract: Contract, context: Context, old: Path | None, weights: ExportWeights
) -> EvaluationRows | None:
    if old is None:
        return None
    if context.evidence.new_truth:
        return newest_truth(contract, context)
    return old_truth(contract, weights.rows(old), weights.of(old), len(context.window))


def _rows_version(context: Context, old: Path | None) -> int | None:
    """The version of gold/training that `_evaluation_rows` are from."""
    if old is None:
        return None
    return context.gold_version if context.evidence.new_truth else read_manifest(old).version


def _tell(listener: Listener, contract: Contract, context: Context, candidates: list[Candidate]) -> None:
    known, champion = context.evidence, context.champion
    listener.say(f"champion: {f'version {champion.version}' if champion is not None else 'none yet'}")
    if known.labelled:
        newest = f"{known.labelled[-1]} ({contract.period_name(known.labelled[-1])})"
        listener.say(
            f"newest labelled {contract.period}: {newest}, {'new' if known.newer_period else 'known to the champion'}"
        )
    if known.changed:
        listener.say(
            f"{known.changed:,} rows of the champion's {contract.period}s were corrected, added or withdrawn since"
        )
    drift = ", ".join(f"{name} {score:.3f}" for name, score in context.drift.items())
    listener.say(f"drifted in the newest {known.requests:,} requests: {drift or 'nothing'}")
    listener.say(f"candidates: {', '.join(c.name for c in candidates) or 'none'}")
