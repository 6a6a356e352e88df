"""One retrain at work, and how it trains and scores one candidate."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pyspark.sql import SparkSession

from lakeloop.champion import GateCheck
from lakeloop.contract import Contract
from lakeloop.decision import JudgedCandidate
from lakeloop.errors import LakeloopError
from lakeloop.git import git_commit
from lakeloop.measures.candidates import TRIALS, Known, Months, Strategy
from lakeloop.measures.comparison import JudgingRows
from lakeloop.measures.export_weights import ExportWeights
from lakeloop.measures.situation import Prepared
from lakeloop.settings import Settings
from tfx_pipeline.gate import GateReport
from tfx_pipeline.parameters import run_parameters
from tfx_pipeline.run_record import NodeResult, RunRecord
from tfx_pipeline.runner import new_run_id, run_pipeline
from tfx_pipeline.validate import serving_folder

OpenSpark = Callable[[Settings], AbstractContextManager[SparkSession]]


@dataclass(frozen=True)
class Asked:
    """What was asked for, by whom and why; `promote` False: compare and record, push nothing."""

    strategy: Strategy = "auto"
    months: Months | None = None
    trials: int = TRIALS
    trigger: str = ""
    decided_by: str = ""
    promote: bool = True
    airflow_run_id: str = ""


@dataclass(frozen=True)
class Listener:
    """Told what happens while it happens."""

    say: Callable[[str], None] = lambda text: None
    on_start: Callable[[str], None] = lambda node: None
    on_node: Callable[[NodeResult], None] = lambda result: None


@dataclass(frozen=True)
class Retrain:
    """One retrain at work; `decision_id` also marks the ledger's events it took."""

    contract: Contract
    settings: Settings
    asked: Asked
    listener: Listener
    open_spark: OpenSpark
    decision_id: str
    event_ids: tuple[str, ...]
    trigger: str


def try_candidate(
    work: Retrain, known: Known, one: Prepared, rows: JudgingRows | None, weights: ExportWeights
) -> JudgedCandidate:
    """Train one candidate up to the gate's verdict and score it; a run that fails is recorded, not raised."""
    candidate, contract, settings = one.candidate, work.contract, work.settings
    work.listener.say(f"candidate {candidate.name}: {candidate.what}")
    by_weight = candidate.weighting != "none" or not known.new_truth
    judged = JudgedCandidate(name=candidate.name, what=candidate.what, run_id=new_run_id())
    try:
        parameters = run_parameters(
            contract,
            one.manifest,
            drop=candidate.drop,
            trigger=work.trigger,
            event_id=",".join(work.event_ids),
            airflow_run_id=work.asked.airflow_run_id,
            git_commit=git_commit(),
            weighting=candidate.weighting,
            weights=weights.file(one.manifest) if by_weight else None,
            trials=candidate.trials,
        )
        run = run_pipeline(
            settings, contract, parameters, work.listener.on_node, work.listener.on_start, judged.run_id, push=False
        )
        score = rows.score(contract, serving_folder(run)) if rows is not None else None
    except LakeloopError as error:
        return judged.model_copy(update={"error": str(error)})
    found = {"passed": bool(run.blessed), "checks": checks_of(run.gate), "score": score}
    return judged.model_copy(update={**found, "what": candidate.what + _tuned(run)})


def checks_of(report: GateReport | None) -> tuple[GateCheck, ...]:
    """The gate's checks as a decision keeps them; none where it gave no verdict."""
    return tuple(GateCheck(**check.model_dump()) for check in report.checks) if report is not None else ()


def _tuned(run: RunRecord) -> str:
    return f": {', '.join(f'{name} {value:g}' for name, value in run.tuned.items())}" if run.tuned else ""
