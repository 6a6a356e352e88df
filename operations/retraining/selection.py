"""Champion and candidates on the same rows, and which of them is best."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.metrics import METRICS, Metric
from lakeloop.decision import Decision, DecisionOutcome, ScoredCandidate
from lakeloop.held_out import is_held_out
from lakeloop.release_state import Release
from operations.retraining.importance import Importance
from tfx_pipeline.training.row_weights import effective_rows

if TYPE_CHECKING:
    from operations.retraining.context import Context


@dataclass(frozen=True)
class EvaluationRows:
    """Held-out rows that champion and candidates are compared on; `weights` None: all count the same."""

    frame: pd.DataFrame
    what: str
    weights: np.ndarray | None = None

    @property
    def effective(self) -> float | None:
        """How many rows of the same weight tell as much; None where all weigh the same."""
        return None if self.weights is None else effective_rows(self.weights)

    def score(self, contract: Contract, model: Path) -> float:
        """A model's score by the metric that decides, each row counting by its weight.

        By classes that a threshold answers, the rows that such a one may have been chosen on say nothing.
        """
        from tfx_pipeline.evaluation.metrics import measure_metric
        from tfx_pipeline.evaluation.validate import answers_of

        answers = answers_of(model, contract, self.frame, self.weights, held_out=True)
        return measure_metric(contract.gate.the_metric, answers).value


def newest_truth(contract: Contract, context: "Context") -> EvaluationRows:
    """The eval rows of the newest labelled period: no candidate was trained on them, nor was the champion."""
    rows = held_out(contract, context.newest)
    period = context.newest_period
    return EvaluationRows(
        rows, f"{_counted(contract, rows)} of {contract.period} {period} ({contract.period_name(period)})"
    )


def old_truth(contract: Contract, rows: pd.DataFrame, importance: Importance | None, requests: int) -> EvaluationRows:
    """The eval rows of an export, weighted towards the current requests where there are some."""
    held = held_out(contract, rows)
    periods = sorted(rows[contract.period_column].unique())
    text = f"{_counted(contract, held)} of {periods[0] if len(periods) == 1 else f'{periods[0]} to {periods[-1]}'}"
    if importance is None:
        return EvaluationRows(held, text)
    text += f", weighted towards the newest {requests:,} requests"
    return EvaluationRows(held, text, importance.of(held, contract.key.column))


def _counted(contract: Contract, rows: pd.DataFrame) -> str:
    by_threshold = contract.label.decision is not None and contract.gate.the_metric.of_answer
    return f"{len(rows):,} eval rows{', less those that thresholds are chosen on,' if by_threshold else ''}"


def held_out(contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that the contract's split keeps from training."""
    return rows[is_held_out(contract, rows)].reset_index(drop=True)


def best_of(
    candidates: Sequence[ScoredCandidate], champion_score: float | None, decides: Metric
) -> ScoredCandidate | None:
    """The candidate that passed with the best score, if that is better than the champion's."""
    passed = [c for c in candidates if c.passed and c.score is not None]
    best = best_scored(passed, decides) if passed else None
    if best is None or best.score is None:
        return None
    return best if champion_score is None or decides.is_better(best.score, champion_score) else None


def best_scored(candidates: Sequence[ScoredCandidate], decides: Metric) -> ScoredCandidate:
    """The one of several with the best score; any other counts more than one without a score."""
    return max(candidates, key=lambda c: -inf if c.score is None else decides.gain(c.score, 0.0))


def outcome_of(decision: Decision, promote: bool) -> tuple[DecisionOutcome, str]:
    """What is done about the candidates on record, and why, in a sentence."""
    champion = f"the champion's {decision.champion_score:.3f}" if decision.champion_score is not None else ""
    passed, decides = [c for c in decision.candidates if c.passed], METRICS[decision.decides]
    if not decision.candidates:
        return "kept", "nothing was tried: keep was asked for"
    if not passed:
        failed = "; ".join(
            f"{c.name}: {c.error or ', '.join(check.name for check in c.failed)}" for c in decision.candidates
        )
        return "none passed", f"every candidate failed the gate ({failed})"
    best = decision.candidate(decision.winner)
    if best is None:
        top = best_scored(passed, decides)
        return "kept", f"candidate {top.name} passed with {top.score or 0:.3f}, which is not better than {champion}"
    against = f", better than {champion}" if champion else ""
    scored = "scored" if decision.decides == "accuracy" else f"has {decision.decides}"
    reason = (
        f"candidate {best.name} passed the gate and {scored} {best.score or 0:.3f}{against}, on {decision.judged_on}"
    )
    if not decision.with_truth:
        reason += "; compared without new truth"
    return ("promoted" if promote else "recommended"), reason


def unless_pinned(decision: Decision, release: Release) -> Decision:
    """The decision, its winner recommended instead of pushed where the champion is pinned."""
    if decision.outcome != "promoted" or decision.version or not release.pinned:
        return decision
    of_it = f"-u {release.use_case} " if release.use_case else ""
    held = (
        f"{release.pin_words}, so no retrain replaces it: {release.command('unpin')}, then "
        f"`lakeloop decide {of_it}{decision.decision_id} --choice promote`"
    )
    return decision.model_copy(update={"outcome": "recommended", "reason": f"{decision.reason}; {held}"})
