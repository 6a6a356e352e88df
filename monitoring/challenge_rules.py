"""Whether a challenge goes on, into its next stage, or ends: pure rules over what was counted, by the contract."""

import math
from collections import Counter
from typing import Literal, NamedTuple

import pandas as pd
from pydantic import Field

from lakeloop.challenger_log import ChallengerRecord, Position
from lakeloop.contract import Contract
from lakeloop.contract.release_plan import AbortIf, Span, Stage
from lakeloop.frozen_model import FrozenModel
from monitoring.drift.distances import is_drift, score

LEAST = 100
"""Of fewer rows a share or a percentile tells little: they are checked when their stage is over."""
_STEP = 1.05
"""Latencies are counted in classes that grow by a twentieth."""


class Counted(FrozenModel):
    """What became of a challenger's rows since its stage began, and how far its log was read.

    `asked` and `errors` are rows of the stage itself; `compared` and `agreed` those that champion and challenger both
    answered, which the canary's neighbours in the shadow are, too. `latencies` are counts by class of milliseconds.
    `pairs` are the newest answers of champion and challenger to the same rows, a monitoring window of them.
    """

    number: int = Field(description="of the entry that the challenge began with")
    challenger: str
    stage: Stage
    position: Position = Field(default_factory=dict)
    asked: int = 0
    errors: int = 0
    compared: int = 0
    agreed: int = 0
    latencies: dict[int, int] = Field(default_factory=dict)
    pairs: list[tuple[str | float, str | float]] = Field(default_factory=list)
    newest_error: str = ""
    misfit: str = ""

    @property
    def answers(self) -> int:
        """The rows that the challenger answered in its stage."""
        return self.asked - self.errors

    @property
    def agreement(self) -> float | None:
        """The share of rows answered alike; None where none was compared."""
        return self.agreed / self.compared if self.compared else None

    @property
    def p99_ms(self) -> float | None:
        """In how many milliseconds 99 of 100 answers were there, to a twentieth; None without any."""
        wanted, below = 0.99 * sum(self.latencies.values()), 0
        for bound in sorted(self.latencies):
            below += self.latencies[bound]
            if below >= wanted:
                return float(_STEP**bound)
        return None


def counted_on(before: Counted, records: list[ChallengerRecord], position: Position, contract: Contract) -> Counted:
    """The counts with further records, up to a new position."""
    agreement = contract.release.abort_if.agreement if contract.release is not None else None
    within = None if agreement is None else agreement.within
    own = [one for one in records if one.stage == before.stage and not one.misfit]
    alike = [found for one in records if (found := one.agrees(within)) is not None]
    latencies = Counter(before.latencies)
    latencies.update(_class_of(one.latency_ms) for one in own if not one.error and one.latency_ms is not None)
    pairs = [
        (one.champion_answer.prediction, one.challenger_answer.prediction)
        for one in records
        if one.champion_answer is not None and one.challenger_answer is not None
    ]
    errors = [one.error for one in own if one.error]
    return before.model_copy(
        update={
            "position": position,
            "asked": before.asked + len(own),
            "errors": before.errors + len(errors),
            "compared": before.compared + len(alike),
            "agreed": before.agreed + sum(alike),
            "latencies": dict(latencies),
            "pairs": [*before.pairs, *pairs][-contract.monitoring.window :],
            "newest_error": errors[-1] if errors else before.newest_error,
            "misfit": next((one.error for one in records if one.misfit), before.misfit),
        }
    )


class Verdict(NamedTuple):
    """What follows for a challenger, and why: it waits, becomes a canary, is promoted, or its challenge is aborted."""

    action: Literal["wait", "canary", "promote", "abort"]
    why: str


def verdict_on(contract: Contract, counted: Counted, seconds: float) -> Verdict:
    """What follows from what was counted, so many seconds after its stage began."""
    plan = contract.release
    if plan is None:
        return Verdict("abort", "the contract has no `release` any more")
    if counted.misfit:
        return Verdict("abort", counted.misfit)
    span = plan.shadow_span if counted.stage == "shadow" else plan.canary_span
    over = span is None or _is_over(span, counted, seconds)
    if why := _broken_bound(plan.abort_if, contract, counted, over):
        return Verdict("abort", why)
    if not over or (span is not None and not counted.answers):
        return Verdict("wait", "")
    last = counted.stage == "canary" or plan.canary is None
    why = in_words(counted) if span is not None else f"the contract has no {counted.stage}"
    return Verdict("promote" if last else "canary", why)


def in_words(counted: Counted) -> str:
    """What was counted, as a sentence without its end."""
    errors = f"{counted.errors:,} error{'' if counted.errors == 1 else 's'}"
    said = [f"{counted.answers:,} answers in the {counted.stage}, {errors}"]
    if counted.agreement is not None:
        said.append(f"{_percent(counted.agreement)} of {counted.compared:,} as the champion's")
    if counted.p99_ms is not None:
        said.append(f"99 of 100 within {counted.p99_ms:.0f} ms")
    return ", ".join(said)


def _is_over(span: Span, counted: Counted, seconds: float) -> bool:
    if span.seconds is not None:
        return seconds >= span.seconds
    return counted.answers >= (span.answers or 0)


def _broken_bound(bounds: AbortIf, contract: Contract, counted: Counted, over: bool) -> str:
    """The first bound that is broken, in words; '' where none is, or too little was seen to tell."""
    if counted.asked and (over or counted.asked >= LEAST):
        share = counted.errors / counted.asked
        if share > bounds.most_errors:
            return (f"{counted.errors:,} of {counted.asked:,} rows got no answer from it, more than {bounds.errors}; "
                    f"the newest: {counted.newest_error}")  # fmt: skip
        if bounds.p99_ms is not None and (counted.p99_ms or 0.0) > bounds.p99_ms * _STEP:
            return f"99 of 100 answers took up to {counted.p99_ms:.0f} ms, more than {bounds.p99_ms:g} ms"
    if not counted.compared or not (over or counted.compared >= LEAST):
        return ""
    agreed, wanted = counted.agreement or 0.0, bounds.agreement
    if wanted is not None and agreed < wanted.below:
        return f"{_percent(agreed)} of {counted.compared:,} answers were as the champion's, below {wanted.below:.0%}"
    if bounds.drift is not None:
        champions, challengers = (pd.Series([pair[side] for pair in counted.pairs]) for side in (0, 1))
        numeric = contract.label.task == "regression"
        found = score(bounds.drift.test, champions, challengers, numeric)
        if is_drift(bounds.drift.test, found, bounds.drift.threshold):
            return (f"its answers lie {found:.3f} ({bounds.drift.test}) from the champion's, the threshold is "
                    f"{bounds.drift.threshold:g}")  # fmt: skip
    return ""


def _class_of(milliseconds: float) -> int:
    return math.ceil(math.log(max(milliseconds, 0.01), _STEP))


def _percent(share: float) -> str:
    return f"{math.floor(share * 1000) / 10:g} %"
