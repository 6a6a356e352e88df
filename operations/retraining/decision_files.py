"""What the steps of one retrain leave for each other: a folder a decision, so that each step may be its own process.

`tfx/<use case>/decisions/<decision>/`: begun.json (why, and the events taken), plan.json (candidates and what they are
judged on), rows.parquet (the rows themselves), score-<run>.json (a candidate's verdict), decision.json (the outcome).
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from lakeloop.atomic_file import replacing, write_text
from lakeloop.decision import Decision, JudgedCandidate
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.gate_check import GateCheck
from lakeloop.settings import Settings
from operations.retraining.request import RetrainRequest
from operations.retraining.selection import EvaluationRows

BEGUN, PLAN, DECISION, ROWS = "begun.json", "plan.json", "decision.json", "rows.parquet"
WEIGHT = "_weight"
Kept = TypeVar("Kept", bound=BaseModel)


class Part(BaseModel):
    """Base of what is kept: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TakenEvent(Part):
    """An event of the ledger that this retrain took."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, Any]


class Begun(Part):
    """Why a retrain runs."""

    decision_id: str
    use_case: str
    at: datetime
    request: RetrainRequest = Field(validation_alias=AliasChoices("request", "asked"))
    """Older releases kept it as `asked`."""
    trigger: str
    events: tuple[TakenEvent, ...] = ()

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The events' numbers in the ledger, as texts."""
        return tuple(str(event.id) for event in self.events)


class PlannedCandidate(Part):
    """A candidate and its run, which is open; `error` says why there is none."""

    name: str
    what: str
    run_id: str
    error: str = ""


class Plan(Part):
    """What is tried and what it is compared with; the rows compared on lie beside it."""

    decision_id: str
    clock: int
    champion: str = ""
    champion_score: float | None = None
    champion_judged_on: str = ""
    champion_checks: tuple[GateCheck, ...] = ()
    with_truth: bool
    changed_rows: int = 0
    judged_on: str = ""
    judged_version: int | None = None
    judged_rows: int = 0
    effective_rows: float | None = None
    drifted: tuple[str, ...] = ()
    candidates: tuple[PlannedCandidate, ...] = ()

    def candidate(self, run_id: str) -> PlannedCandidate:
        """The candidate of a run. Raises NotFoundError."""
        found = next((c for c in self.candidates if c.run_id == run_id), None)
        if found is None:
            known = ", ".join(c.run_id for c in self.candidates) or "none"
            raise NotFoundError(f"decision {self.decision_id} has no candidate with run {run_id}; its runs: {known}")
        return found


def decisions_folder(settings: Settings) -> Path:
    """Where the folders of all decisions are."""
    return settings.folder("tfx").absolute() / "decisions"


def decision_folder(settings: Settings, decision_id: str) -> Path:
    """One decision's folder."""
    return decisions_folder(settings) / decision_id


def save(settings: Settings, decision_id: str, name: str, value: BaseModel) -> None:
    """Keep one part; readers see the old or the new one, never half of it."""
    path = decision_folder(settings, decision_id) / name
    write_text(path, value.model_dump_json(indent=2) + "\n")


def load(settings: Settings, decision_id: str, name: str, kind: type[Kept]) -> Kept:
    """One part of a decision.

    Raises:
        NotFoundError: no step has left it yet; the text says which step does.
        LakeloopError: it cannot be read.
    """
    path = decision_folder(settings, decision_id) / name
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(_missing(settings, decision_id, name)) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise LakeloopError(f"{path} cannot be read: {error}") from error


def find(settings: Settings, decision_id: str, name: str, kind: type[Kept]) -> Kept | None:
    """One part of a decision; None where no step has left it yet."""
    return load(settings, decision_id, name, kind) if (decision_folder(settings, decision_id) / name).exists() else None


def load_begun(settings: Settings, decision_id: str) -> Begun:
    """Why the retrain runs. Raises NotFoundError."""
    return load(settings, decision_id, BEGUN, Begun)


def load_plan(settings: Settings, decision_id: str) -> Plan:
    """What is tried. Raises NotFoundError."""
    return load(settings, decision_id, PLAN, Plan)


def load_decision(settings: Settings, decision_id: str) -> Decision:
    """The outcome as it stands. Raises NotFoundError."""
    return load(settings, decision_id, DECISION, Decision)


def save_rows(settings: Settings, decision_id: str, rows: EvaluationRows) -> None:
    """Keep the rows that are compared on, with their weights."""
    frame = rows.frame if rows.weights is None else rows.frame.assign(**{WEIGHT: rows.weights})
    path = decision_folder(settings, decision_id) / ROWS
    with replacing(path) as part:
        frame.to_parquet(part, index=False)


def load_rows(settings: Settings, plan: Plan) -> EvaluationRows | None:
    """The rows that are compared on; None where there are none."""
    path = decision_folder(settings, plan.decision_id) / ROWS
    if not path.exists():
        return None
    frame = pd.read_parquet(path)
    if WEIGHT not in frame:
        return EvaluationRows(frame, plan.judged_on)
    weights: np.ndarray = frame.pop(WEIGHT).to_numpy(float)
    return EvaluationRows(frame, plan.judged_on, weights)


def verdict_file(run_id: str) -> str:
    """The name of what a candidate's judgement is kept as."""
    return f"score-{run_id}.json"


def load_verdicts(settings: Settings, plan: Plan) -> tuple[JudgedCandidate | None, ...]:
    """Each planned candidate's judgement, in order; None for one that was not judged yet."""
    names = [verdict_file(candidate.run_id) for candidate in plan.candidates]
    return tuple(find(settings, plan.decision_id, name, JudgedCandidate) for name in names)


def _missing(settings: Settings, decision_id: str, name: str) -> str:
    if not decision_folder(settings, decision_id).is_dir():
        known = sorted(path.parent.name for path in decisions_folder(settings).glob(f"*/{name}"))[-5:]
        return f"there is no decision {decision_id} of {settings.use_case}; the newest are {', '.join(known) or 'none'}"
    step = {PLAN: "lakeloop decisions plan", DECISION: "lakeloop decisions compare"}.get(name, "lakeloop retrain")
    return f"decision {decision_id} did not get that far: `{step} {decision_id}` comes first"
