"""The record of one retrain: what was asked for, planned, found and decided, and how far it is.

`STATES` are the words, `TRANSITIONS` the ways between them (drawn in docs/orchestration.md); they are checked here and
nowhere else. `record_table` keeps the record.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.frozen_model import FrozenModel
from lakeloop.gate_check import GateCheck
from operations.retraining.request import RetrainRequest

RetrainState = Literal["begun", "planned", "scoring", "waiting", "pushing", "decided", "recorded", "failed"]
NextStep = Literal["ask", "push", "record"]
STATES: dict[RetrainState, str] = {
    "begun": "the open events are taken; nothing was looked at yet",
    "planned": "candidates are chosen, their runs are open, the rows to compare on lie beside it",
    "scoring": "some candidates are scored",
    "waiting": "no candidate settles it: a person has to say; nothing is at work",
    "pushing": "the winner is on its way to production",
    "decided": "nothing is left but to put it on record",
    "recorded": "it is over, and stands where people look",
    "failed": "it came to no decision, or its winner could not be pushed; its events are open again",
}
AT_WORK: tuple[RetrainState, ...] = ("begun", "planned", "scoring", "pushing", "decided")
_COMPARED: tuple[RetrainState, ...] = ("waiting", "pushing", "decided")
TRANSITIONS: dict[RetrainState, tuple[RetrainState, ...]] = {
    "begun": ("planned", "failed"),
    "planned": ("scoring", *_COMPARED, "failed"),
    "scoring": (*_COMPARED, "failed"),
    "waiting": _COMPARED,
    "pushing": (*_COMPARED, "recorded", "failed"),
    "decided": (*_COMPARED, "recorded"),
    "recorded": _COMPARED,  # a candidate that had failed was mended, and all are compared again
    "failed": ("begun", "planned", "scoring", *_COMPARED, "recorded"),
}
"""Where a record may go from a state; staying is always allowed."""


class TakenEvent(FrozenModel):
    """An event of the ledger that this retrain took."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, Any]


class PlannedCandidate(FrozenModel):
    """A candidate and its run, which is open; `error` says why there is none."""

    name: str
    what: str
    run_id: str
    error: str = ""


class Plan(FrozenModel):
    """What is tried and what it is compared with; the rows compared on lie in the decision's folder."""

    decision_id: str
    clock: int
    champion: str = ""
    decides: str = "accuracy"
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


class RetrainRecord(FrozenModel, populate_by_name=True, serialize_by_alias=True):
    """One retrain. `verdicts` are by run; `in_tasks`: Airflow does it, and no process is at it between two tasks."""

    decision_id: str
    use_case: str
    state: RetrainState = "begun"
    at: datetime = Field(description="when it began, in UTC")
    in_tasks: bool = False
    trigger: str = ""
    request: RetrainRequest
    events: tuple[TakenEvent, ...] = ()
    plan: Plan | None = None
    verdicts: dict[str, ScoredCandidate] = {}
    decision: Decision | None = None

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The events' numbers in the ledger, as texts."""
        return tuple(str(event.id) for event in self.events)

    @property
    def at_work(self) -> bool:
        """Whether a process or an Airflow run is at it, or was until it died."""
        return self.state in AT_WORK

    @property
    def settled(self) -> bool:
        """Whether a person has chosen or a version was pushed: comparing again changes nothing then."""
        return self.decision is not None and bool(self.decision.choice or self.decision.version)

    @property
    def scored_of_planned(self) -> str:
        """How many of its candidates are scored, in words; '' before it was planned, and where there is none."""
        planned = len(self.plan.candidates) if self.plan is not None else 0
        return f"{len(self.verdicts)} of {planned} scored" if planned else ""

    def not_decided(self, killed: bool) -> str:
        """How far it is, for who looks for its decision while there is none; `killed`: nobody is at it any more."""
        what = f"the retrain of {self.at:%Y-%m-%d %H:%M} UTC, because of {self.trigger or 'nothing yet'}"
        how_far = f"{'was killed when it was' if killed else 'is'} {self.state}: {STATES[self.state]}"
        ends = "; the next `lakeloop retrain` ends it and takes its events" if killed else ""
        return f"decision {self.decision_id} was not made: {what}, {how_far}{ends}"

    @property
    def next_step(self) -> NextStep:
        """What follows a comparison or an approval."""
        decision = self.the_decision
        if decision.outcome == "promoted":
            return "push"
        return "ask" if decision.outcome == "none passed" and decision.waits and not decision.choice else "record"

    @property
    def the_plan(self) -> Plan:
        """What is tried. Raises NotFoundError before it was planned."""
        if self.plan is None:
            raise self._too_early("lakeloop decisions plan")
        return self.plan

    @property
    def the_decision(self) -> Decision:
        """The decision as it stands. Raises NotFoundError before the candidates were compared."""
        if self.decision is None:
            raise self._too_early("lakeloop decisions compare")
        return self.decision

    def to(self, state: RetrainState, **changes: object) -> Self:
        """The record in another state, or in the same with other content.

        Raises:
            WrongUseError: a retrain in this state cannot go there.
        """
        if state != self.state and state not in TRANSITIONS[self.state]:
            allowed = ", ".join(TRANSITIONS[self.state])
            raise WrongUseError(
                f"decision {self.decision_id} is {self.state} ({STATES[self.state]}) and cannot become {state}; "
                f"what may follow: {allowed}"
            )
        return self.model_copy(update={"state": state, **changes})

    def begun_again(self, trigger: str, request: RetrainRequest, events: tuple[TakenEvent, ...]) -> Self:
        """After a first stage that was repeated, with what has come since; how far it was stays."""
        state: RetrainState = "begun" if self.state == "failed" else self.state
        return self.to(state, trigger=trigger, request=request, events=events)

    def planned(self, plan: Plan) -> Self:
        """With a plan; one that is there stays."""
        state: RetrainState = "planned" if self.state in ("begun", "failed") else self.state
        return self.to(state, plan=self.plan or plan)

    def scored(self, verdict: ScoredCandidate) -> Self:
        """With a candidate's verdict. A decision that was made stays until the candidates are compared again."""
        state: RetrainState = "scoring" if self.decision is None else self.state
        return self.to(state, verdicts={**self.verdicts, verdict.run_id: verdict})

    def decided(self, decision: Decision) -> Self:
        """With a decision, after a comparison or a person's approval; the state says what follows from it."""
        if self.state == "recorded" and self.decision == decision:
            return self
        return self.to(state_of(decision), decision=decision)

    def recorded(self, decision: Decision) -> Self:
        """With the decision as it ended."""
        return self.to("recorded", decision=decision)

    def _too_early(self, step: str) -> NotFoundError:
        return NotFoundError(
            f"decision {self.decision_id} did not get that far: `{step} {self.decision_id}` comes first"
        )


def state_of(decision: Decision) -> RetrainState:
    """What a decision leaves to be done: somebody has to say, the winner is to be pushed, or nothing."""
    if decision.waits:
        return "waiting"
    return "pushing" if decision.outcome == "promoted" and not decision.version else "decided"
