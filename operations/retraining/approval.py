"""A person's approval of what is done about a decision that waits: applied once, with who gave it and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from lakeloop.contract import Gate
from lakeloop.contract.metrics import METRICS
from lakeloop.contract.section import sequences_as_tuples
from lakeloop.decision import CHOICES, Choice, Decision, ScoredCandidate
from lakeloop.exceptions import WrongUseError
from lakeloop.fallback import WHOLE_MODEL
from lakeloop.releases import read_release
from lakeloop.switches import active_switches, add_switch, parse_segment
from lakeloop.use_case import UseCase
from operations.retraining.selection import best_of, best_scored
from tfx_pipeline.evaluation.gate import check_again
from tfx_pipeline.metadata.annotations import overrule_the_gate
from tfx_pipeline.runs.run_record import load_run


@dataclass(frozen=True)
class Approval:
    """What to do, who says so and why.

    `candidate` names whom to promote ('': the best scored); `requirements` changes the gate for this decision
    (`class_share_tolerance`, `accuracy.above`, …: number); `segment` '' means all rows.
    """

    choice: Choice
    by: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    why: str = ""
    candidate: str = ""
    requirements: Mapping[str, float] = field(default_factory=dict)
    segment: str = ""

    @property
    def details(self) -> str:
        """What was chosen, in words."""
        parts = {
            "promote": self.candidate,
            "change": ", ".join(f"{name}={value:g}" for name, value in self.requirements.items()),
            "keep": "",
            "fallback": self.segment or "all rows",
        }
        return ": ".join(part for part in (parts[self.choice], self.why.strip()) if part)


def apply_approval(use_case: UseCase, decision: Decision, approval: Approval) -> Decision:
    """The decision with what a person chose: its outcome, winner and who chose; a refused winner is blessed.

    The same approval given again changes nothing.

    Raises:
        WrongUseError: it waits for nobody, somebody chose otherwise already, the champion is pinned, or the approval
            cannot be carried out.
    """
    if decision.choice and not decision.waits:
        if decision.choice == approval.choice:
            return decision
        chosen = next((label for choice, label in CHOICES.items() if choice == decision.choice), decision.choice)
        raise WrongUseError(
            f"decision {decision.decision_id} was answered already: {chosen}, by {decision.chosen_by}; "
            "`lakeloop retrain` makes a new one"
        )
    if not decision.waits:
        raise WrongUseError(f"decision {decision.decision_id} asks nobody: {decision.outcome}, {decision.reason}")
    _check_pin(use_case, approval.choice)
    changed = decision.model_copy(
        update={
            "choice": approval.choice, "choice_details": approval.details, "chosen_by": approval.by,
            "chosen_at": approval.at.astimezone(UTC),
        }
    )  # fmt: skip
    if approval.choice == "promote":
        changed = _promote(changed, approval)
    elif approval.choice == "change":
        changed = _change(use_case, changed, approval)
    elif approval.choice == "fallback":
        changed = _fall_back(use_case, changed, approval)
    else:
        changed = changed.model_copy(update={"outcome": "kept", "reason": f"{approval.by} keeps the champion"})
    if changed.outcome == "promoted":
        _bless(use_case, changed)
    return changed


def parse_requirements(gate: Gate, texts: list[str]) -> dict[str, float]:
    """['accuracy.above=0.8'] -> {'accuracy.above': 0.8}, checked against the gate.

    Raises:
        WrongUseError: naming what was given and what is allowed.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise WrongUseError(f"--gate {text}: write NAME=NUMBER, e.g. --gate class_share_tolerance=0.3") from None
    changed_gate(gate, found)
    return found


def changed_gate(gate: Gate, requirements: Mapping[str, float]) -> Gate:
    """The gate with some bounds replaced.

    Raises:
        WrongUseError: a bound the contract's gate does not have, or a value it cannot have.
    """
    values = gate.model_dump()
    values["checks"] = [dict(check) for check in values.get("checks", ())]
    for name, bound in requirements.items():
        if name not in gate.bounds:
            raise WrongUseError(f"the gate has no bound {name!r}; it has {', '.join(gate.bounds)}")
        *sections, key = name.split(".")
        held: Any = values
        for section in sections:
            held = held[int(section) if section.isdigit() else section]
        held[key] = bound
    try:
        return Gate.model_validate(sequences_as_tuples(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WrongUseError(f"the gate's {where or 'bounds'} cannot be so: {first['msg']}") from None


def _check_pin(use_case: UseCase, choice: Choice) -> None:
    release = read_release(use_case.settings, use_case.name)
    if release.pinned and choice in ("promote", "change"):
        raise WrongUseError(
            f"{release.pin_words}, so nothing replaces it; {release.command('unpin')} first, or choose keep"
        )


def _promote(decision: Decision, approval: Approval) -> Decision:
    checked = [c for c in decision.candidates if c.checks]
    if not checked:
        raise WrongUseError("no candidate got as far as the gate, so there is no model to promote")
    if approval.candidate:
        chosen = next((c for c in checked if c.name == approval.candidate), None)
        if chosen is None:
            there_are = ", ".join(c.name for c in checked)
            raise WrongUseError(f"there is no candidate {approval.candidate!r} to promote; there are {there_are}")
    else:
        chosen = decision.candidate(decision.winner) or best_scored(checked, METRICS[decision.decides])
    refused = "" if chosen.passed else f", though the gate refused it ({', '.join(c.name for c in chosen.failed)})"
    reason = f"{approval.by} promotes {chosen.name}{refused}"
    return decision.model_copy(update={"outcome": "promoted", "winner": chosen.name, "reason": reason})


def _bless(use_case: UseCase, decision: Decision) -> None:
    """Let the winner through to the Pusher where the gate refused it; ML Metadata says who wanted that."""
    winner = decision.candidate(decision.winner)
    if winner is None or decision.chosen_at is None:
        return
    run = load_run(use_case, winner.run_id)
    if not run.blessed:
        why = f"decision {decision.decision_id}: {decision.reason}"
        overrule_the_gate(
            use_case.settings, run, decision.chosen_by, decision.chosen_at.isoformat(timespec="seconds"), why
        )


def _change(use_case: UseCase, decision: Decision, approval: Approval) -> Decision:
    if not approval.requirements:
        raise WrongUseError("say what is required instead, e.g. --gate class_share_tolerance=0.3")
    gate = changed_gate(use_case.contract.gate, approval.requirements)
    checked = tuple(_checked_again(use_case, gate, candidate) for candidate in decision.candidates)
    best = best_of(checked, decision.champion_score, METRICS[decision.decides])
    changed = ", ".join(f"{name} {value:g}" for name, value in approval.requirements.items())
    update: dict[str, object] = {"candidates": checked}
    if best is not None:
        reason = f"{approval.by} changed the requirement for this decision ({changed}), and {best.name} meets it"
        return decision.model_copy(update=update | {"outcome": "promoted", "winner": best.name, "reason": reason})
    if any(candidate.passed for candidate in checked):
        reason = f"with {changed}, as {approval.by} wants, who passes is not better than the champion"
        return decision.model_copy(update=update | {"outcome": "kept", "reason": reason})
    reason = f"no candidate meets the requirement even with {changed}, as {approval.by} wants"
    return decision.model_copy(update=update | {"outcome": "none passed", "reason": reason})


def _checked_again(use_case: UseCase, gate: Gate, candidate: ScoredCandidate) -> ScoredCandidate:
    run = load_run(use_case, candidate.run_id) if candidate.checks else None
    if run is None or run.gate is None:
        return candidate
    report = check_again(gate, run.gate)
    return candidate.model_copy(update={"passed": report.passed, "checks": report.checks})


def _fall_back(use_case: UseCase, decision: Decision, approval: Approval) -> Decision:
    if approval.segment != WHOLE_MODEL:
        parse_segment(use_case.contract, approval.segment)
    if not any(switch.segment == approval.segment for switch in active_switches(use_case)):
        why = approval.why.strip() or f"decision {decision.decision_id}: no candidate passed"
        add_switch(use_case, approval.segment, approval.by, why)
    reason = f"{approval.by} lets the rules answer for {approval.segment or 'all rows'}"
    return decision.model_copy(update={"outcome": "fell back", "reason": reason})
