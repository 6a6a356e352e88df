"""A retrain's workplace without Spark, and records as its stages leave them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.gate_check import GateCheck
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.retraining.record import Plan, PlannedCandidate, RetrainRecord
from operations.retraining.record_table import add_record
from operations.retraining.request import Listener, RetrainRequest, Workplace
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, save_run

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def no_spark(_: UseCase) -> Any:
    raise AssertionError("this needs no Spark")


@dataclass
class Heard:
    """What a listener was told."""

    said: list[str] = field(default_factory=list)
    pages: list[Decision] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def work(contract: Contract, settings: Settings, heard: Heard) -> Workplace:
    listener = Listener(say=heard.said.append, on_decision=heard.pages.append, on_version=heard.cards.append)
    return Workplace(UseCase(settings, contract), no_spark, listener)


def gate_report(share_low: float) -> GateReport:
    """What the gate found: everything holds but, perhaps, one share."""
    shares = {"share_high": 0.3, "share_medium": 1 - 0.3 - share_low, "share_low": share_low}
    checks = [
        {"name": name, "value": value, "bound": "0.267 to 0.400", "passed": value <= 0.4}
        for name, value in shares.items()
    ]
    return GateReport.model_validate(
        {
            "checks": checks, "accuracy": {"train": 0.9, "eval": 0.89}, "rows": {"train": 1200, "eval": 300},
            "interval_set": "eval", "interval": (0.85, 0.92),
        }
    )  # fmt: skip


@pytest.fixture
def gated_run(work: Workplace, tmp_path: Path) -> Callable[..., tuple[GateCheck, ...]]:
    """`gated_run("run-1", 0.43)`: a run that ended with the gate's verdict; gives its checks."""

    def make(run_id: str, share_low: float, **more: object) -> tuple[GateCheck, ...]:
        found = gate_report(share_low)
        parameters = run_parameters(work.use_case.contract, tmp_path / "manifest.json")
        run = RunRecord(run_id=run_id, use_case="insurance", started="", parameters=parameters, gate=found)
        save_run(work.use_case, run.model_copy(update={"blessed": found.passed, **more}))
        return tuple(GateCheck(**check.model_dump()) for check in found.checks)

    return make


@pytest.fixture
def planned(work: Workplace) -> Callable[..., RetrainRecord]:
    """`planned("run-1", "run-2")`: a retrain of these runs that was planned."""

    def make(*runs: str, **more: Any) -> RetrainRecord:
        candidates = tuple(PlannedCandidate(name=run, what="trained", run_id=run) for run in runs)
        plan = Plan(decision_id="d1", clock=12, champion="17", with_truth=True, candidates=candidates)
        record = RetrainRecord(
            decision_id="d1", use_case="insurance", state="planned", at=AT, trigger="drift",
            request=RetrainRequest(decided_by="me"), plan=plan,
        )  # fmt: skip
        return add_record(work.use_case, record.model_copy(update=more))

    return make
