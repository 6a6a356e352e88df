"""One decision: what was tried after drift or new truth, how each candidate fared, and what was done."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lakeloop.frozen_model import FrozenModel
from lakeloop.gate_check import GateCheck

Strategy = Literal["auto", "newest", "all", "drop", "reweight", "resample", "tune", "kinds", "keep"]
STRATEGIES: dict[Strategy, str] = {
    "auto": "what applies: newest and all where truth is new or corrected, else drop, reweight and resample",
    "newest": "train on the newest labelled period",
    "all": "train on all labelled periods",
    "drop": "leave drifted features out",
    "reweight": "old rows, weighted towards the requests of now",
    "resample": "old rows, drawn by those weights",
    "tune": "search hyper-parameters",
    "kinds": "a model of each kind, a network and trees, on the same rows",
    "keep": "try nothing, and put that on record",
}
TRIALS, MOST_TRIALS = 6, 100
"""Hyper-parameters that `tune` tries where nobody says how many, and at most."""
DecisionOutcome = Literal["promoted", "kept", "recommended", "none passed", "fell back"]
Choice = Literal["promote", "change", "keep", "fallback"]
CHOICES: dict[Choice, str] = {
    "promote": "promote anyway",
    "change": "change the requirement",
    "keep": "keep the champion",
    "fallback": "fall back for a segment",
}
OUTCOMES: dict[DecisionOutcome, str] = {
    "promoted": "the best candidate was pushed and is the champion now",
    "kept": "the champion stays",
    "recommended": "the best candidate was not pushed: somebody has to say so",
    "none passed": "no candidate passed the quality gate: the champion stays, and somebody has to decide",
    "fell back": "the rules answer instead of the model where that was asked for; the champion stays",
}


class ScoredCandidate(FrozenModel):
    """One candidate: its run, every check of the gate, and its score on the rows all are compared on."""

    name: str
    what: str = Field(description="how it was made, in words")
    run_id: str = ""
    passed: bool = Field(False, description="whether the quality gate blessed it")
    score: float | None = Field(
        None, description="by the metric that decides, on the rows compared on; none where it was not scored"
    )
    error: str = Field("", description="why it could not be scored")
    checks: tuple[GateCheck, ...] = ()

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)


class Decision(FrozenModel):
    """The record of one retrain. '' stands for: none."""

    decision_id: str
    use_case: str
    at: datetime = Field(description="when, in UTC")
    clock: int = Field(description="period that the use case's clock stood at")
    strategy: str
    trigger: str
    event_ids: tuple[str, ...] = Field((), description="events of the ledger that this run took")
    champion: str = Field("", description="version that was champion when it began")
    decides: str = Field("accuracy", description="the metric that champion and candidates are compared by")
    champion_score: float | None = Field(None, description="its score on the rows compared on")
    champion_judged_on: str = Field("", description="newest labelled rows the champion's checks were made on")
    champion_checks: tuple[GateCheck, ...] = ()
    with_truth: bool = Field(description="whether ground truth was there that the champion did not know")
    changed_rows: int = Field(0, description="rows of the champion's periods corrected, added or withdrawn since")
    judged_on: str = Field("", description="the rows compared on, in words")
    judged_version: int | None = Field(None, description="version of gold/training those rows are from")
    judged_rows: int = 0
    effective_rows: float | None = Field(None, description="what the weighted rows tell as much as (Kish)")
    drifted: tuple[str, ...] = Field((), description="drifted features, the furthest first")
    candidates: tuple[ScoredCandidate, ...] = ()
    winner: str = ""
    version: str = Field("", description="version the winner was pushed as")
    outcome: DecisionOutcome
    reason: str
    decided_by: str
    airflow_run_id: str = Field("", description="Airflow's run that made it")
    choice: str = Field("", description="what a person answered: promote, change, keep or fallback; empty: not asked")
    choice_details: str = Field("", description="the candidate, requirement or segment that was chosen, and why")
    chosen_by: str = ""
    chosen_at: datetime | None = Field(None, description="when, in UTC")

    @property
    def waits(self) -> bool:
        """Whether somebody has to say what to do."""
        return self.outcome in ("none passed", "recommended") and bool(self.candidates)

    def candidate(self, name: str) -> ScoredCandidate | None:
        """The candidate of a name."""
        return next((c for c in self.candidates if c.name == name), None)
