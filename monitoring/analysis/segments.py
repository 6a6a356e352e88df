"""Segments in which a model is weak, that it is asked about more or less than before, or where rules are better.

Looked at are the bins and categories of each feature, and all pairs of them, as SliceFinder does (Chung et al. 2019). A
pair has to stand out from either of its two halves, too, or it would only repeat them; and what was named once is left
out of the search for the next one, as rule learners do (sequential covering). Among hundreds of segments some look odd
by chance: the p-values of each question are corrected together (Benjamini and Hochberg 1995).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.metrics import Task
from lakeloop.frozen_model import FrozenModel
from lakeloop.interval import wilson_interval
from monitoring.analysis.segment_conditions import conditions
from monitoring.analysis.segment_counts import Place, Segments

Question = Literal["weak", "drifted", "rules"]
QUESTIONS: Mapping[Task, Mapping[Question, str]] = {
    "classification": {
        "weak": "the model is wrong more often than elsewhere",
        "drifted": "there are more or fewer such rows than the model was made from",
        "rules": "the rules are right more often than the model",
    },
    "multilabel": {
        "weak": "the model has a row's labels not exactly right more often than elsewhere",
        "drifted": "there are more or fewer such rows than the model was made from",
        "rules": "the rules have exactly the right labels more often than the model",
    },
    "regression": {
        "weak": "the model is further off than elsewhere",
        "drifted": "there are more or fewer such rows than the model was made from",
        "rules": "the rules are nearer to the truth than the model",
    },
}
FAR_OFF = 0.8
"""A number is far off that lies further from the truth than this share of all labelled rows does."""
MOST_PAIRED = 20
"""Features whose bins are paired: of more those with the oddest bins."""
LEAST_ROWS = 30
FALSE_SHARE = 0.05
"""Of the segments that are named so many may be odd by chance."""
MOST_NAMED = 10
MOST_SHARE = 0.5
"""What is weak in more of the rows is the model, not a segment."""


class OddSegment(FrozenModel):
    """A segment that stands out. Shares are of all rows; what is not known of it is None.

    `accuracy_elsewhere` is that of rows in none of the segments named so far. Of numbers there are mean absolute errors
    in place of accuracies. `weight` is how many rows it costs: wrong ones (of numbers: far off) more than elsewhere, or
    than by the rules; of a drifted one how many rows came more, or fewer.
    """

    question: Question
    segment: str
    rows: int
    share: float
    share_before: float | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    accuracy_elsewhere: float | None = None
    rules_accuracy: float | None = None
    error: float | None = None
    error_elsewhere: float | None = None
    rules_error: float | None = None
    p_value: float
    weight: float

    @property
    def rules_are_better(self) -> bool | None:
        """Whether the rules are better there; None where that is not known."""
        if self.rules_error is not None and self.error is not None:
            return self.rules_error < self.error
        if self.rules_accuracy is not None and self.accuracy is not None:
            return self.rules_accuracy > self.accuracy
        return None

    @property
    def evidence(self) -> float:
        """How much it costs and how concentrated that is: of two that cost the same rows the smaller says more."""
        return self.weight**2 / max(self.rows, self.weight, 1.0)


class OddSegments(FrozenModel):
    """What stands out, the weightiest first, and how many segments were looked at."""

    looked_at: int
    found: tuple[OddSegment, ...]

    def of(self, question: Question) -> tuple[OddSegment, ...]:
        """Those of one question."""
        return tuple(one for one in self.found if one.question == question)


def odd_segments(
    contract: Contract,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    labelled: pd.DataFrame,
    loss: np.ndarray,
    rules_loss: np.ndarray | None = None,
) -> OddSegments:
    """What stands out of a model's rows, of rows of now beside them, and of labelled rows.

    `loss` (n,): of each labelled row 0 where the model is right and 1 where it is wrong, of numbers how far off it is;
    `rules_loss` the same of the rules, where there are any. All frames have a column a feature, as carried.
    """
    listed = conditions(contract, reference)
    before, now, known = (Segments.of(listed, frame) for frame in (reference, current, labelled))
    truth = _Truth.of(contract, known, loss, rules_loss)
    found = _named((before, now), truth.of_drifted, _p_drifted)
    if len(labelled):
        found += _named((known,), truth.of_weak, lambda parts, rows: parts[0].p_of_wrong(truth.wrong[rows[0]]))
    if len(labelled) and rules_loss is not None:
        won, lost = rules_loss < loss, loss < rules_loss
        found += _named((known,), truth.of_rules, lambda parts, rows: parts[0].p_of_wins(won[rows[0]], lost[rows[0]]))
    return OddSegments(looked_at=before.count, found=tuple(found))


Parts = tuple[Segments, ...]
"""The rows that are looked at: labelled ones, or those of before and of now."""
Masks = tuple[np.ndarray, ...]
"""Of each of them which rows (n,) are still to be explained."""


def _p_drifted(parts: Parts, _: Masks) -> np.ndarray:
    before, now = parts
    return now.p_of_share(before)


def _named(
    whole: Parts,
    describe: Callable[[Place, Parts, Masks], OddSegment | None],
    p_values: Callable[[Parts, Masks], np.ndarray],
) -> list[OddSegment]:
    """Segments one after the other: the oddest, then the oddest of the rows that are in none of those before it.

    So the same rows are named once, and what is odd only because it shares them is not named at all.
    """
    left: Masks = tuple(np.ones(part.rows, bool) for part in whole)
    named: list[OddSegment] = []
    while len(named) < MOST_NAMED:
        parts = tuple(part.where(rows) for part, rows in zip(whole, left, strict=True))
        found = [
            (place, p, described)
            for place, p in _beyond_chance(parts, p_values(parts, left))
            if (described := describe(place, parts, left)) is not None
        ]
        if not found:
            break
        place, p, of_left = max(found, key=lambda one: one[2].evidence)
        every: Masks = tuple(np.ones(part.rows, bool) for part in whole)
        if (told := describe(place, whole, every)) is not None:
            # Elsewhere is where no row has its own reason to be odd: of those it would say nothing.
            elsewhere = of_left.model_dump(include={"accuracy_elsewhere", "error_elsewhere"})
            named.append(told.model_copy(update={"p_value": p, **elsewhere}))
        left = tuple(rows & ~part.mask(place) for part, rows in zip(whole, left, strict=True))
    return named


def _beyond_chance(parts: Parts, p_values: np.ndarray) -> list[tuple[Place, float]]:
    """The segments whose p-value is small, corrected for how many were looked at."""
    from scipy.stats import false_discovery_control

    places = _looked_at(parts, p_values)
    if not places:
        return []
    corrected = false_discovery_control([p_values[place] for place in places]).tolist()
    return [(place, p) for place, p in zip(places, corrected, strict=True) if p <= FALSE_SHARE]


def _looked_at(parts: Parts, p_values: np.ndarray) -> list[Place]:
    """Every condition by itself, and the pairs of the features whose conditions are the oddest."""
    counted = parts[-1]
    enough = np.max([part.sizes for part in parts], axis=0) >= LEAST_ROWS
    by_feature: dict[str, float] = {}
    for number, one in enumerate(counted.listed):
        by_feature[one.feature] = min(by_feature.get(one.feature, 1.0), float(p_values[number, number]))
    paired = set(sorted(by_feature, key=by_feature.__getitem__)[:MOST_PAIRED])
    places = [(number, number) for number in range(len(counted.listed)) if enough[number, number]]
    for first, second in np.argwhere(np.triu(counted.is_pair & enough, 1)).tolist():
        if {counted.listed[first].feature, counted.listed[second].feature} <= paired:
            places.append((first, second))
    return places


@dataclass(frozen=True)
class _Truth:
    """What is known of the labelled rows, to describe segments by; `wrong` (n,) bool, of numbers what is far off."""

    known: Segments
    of_numbers: bool
    loss: np.ndarray
    wrong: np.ndarray
    rules: np.ndarray | None

    @classmethod
    def of(cls, contract: Contract, known: Segments, loss: np.ndarray, rules: np.ndarray | None) -> "_Truth":
        of_numbers = contract.label.task == "regression"
        wrong = loss > (np.quantile(loss, FAR_OFF) if of_numbers and len(loss) else 0.0)
        return cls(known, of_numbers, loss.astype(float), wrong, None if rules is None else rules.astype(float))

    def of_weak(self, place: Place, parts: Parts, rows: Masks) -> OddSegment | None:
        """A segment of labelled rows; None where it is most of them."""
        inside = parts[0].mask(place)
        count = int(inside.sum())
        if not count or int(self.known.mask(place).sum()) > MOST_SHARE * self.known.rows:
            return None
        wrong, outside = self.wrong[rows[0]], ~inside if count < len(inside) else inside
        return OddSegment(
            question="weak", segment=parts[0].text(place), rows=count, share=count / parts[0].rows, p_value=0.0,
            weight=count * (float(wrong[inside].mean()) - float(wrong[outside].mean())),
            **self._described(rows[0], inside, outside),
        )  # fmt: skip

    def of_rules(self, place: Place, parts: Parts, rows: Masks) -> OddSegment | None:
        """The same, weighed by how much more often the rules are better; None where they are not on the whole."""
        found = self.of_weak(place, parts, rows)
        if found is None or self.rules is None or (self.of_numbers and not found.rules_are_better):
            return None
        inside = parts[0].mask(place)
        loss, by_rules = self.loss[rows[0]][inside], self.rules[rows[0]][inside]
        gain = int((by_rules < loss).sum()) - int((by_rules > loss).sum())
        return found.model_copy(update={"question": "rules", "weight": float(gain)})

    def of_drifted(self, place: Place, parts: Parts, _: Masks) -> OddSegment:
        """A segment of rows of before and of now, with how good model and rules are there, if enough rows say it."""
        before, now = parts
        rows, were = int(now.sizes[place]), int(before.sizes[place])
        share, share_before = rows / max(now.rows, 1), were / max(before.rows, 1)
        inside = self.known.mask(place)
        known = self._described(np.ones(len(inside), bool), inside) if int(inside.sum()) >= LEAST_ROWS else {}
        return OddSegment(
            question="drifted", segment=now.text(place), rows=rows, share=share, share_before=share_before, p_value=0.0,
            weight=abs(share - share_before) * now.rows, **known,
        )  # fmt: skip

    def _described(self, rows: np.ndarray, inside: np.ndarray, outside: np.ndarray | None = None) -> dict[str, Any]:
        """How good model and rules are inside, and the model outside, of the `rows` that are looked at."""
        loss = float(self.loss[rows][inside].mean())
        elsewhere = None if outside is None else float(self.loss[rows][outside].mean())
        rules = None if self.rules is None else float(self.rules[rows][inside].mean())
        if self.of_numbers:
            return {"error": loss, "error_elsewhere": elsewhere, "rules_error": rules}
        return {
            "accuracy": 1 - loss,
            "interval": None if outside is None else wilson_interval(1 - loss, int(inside.sum())),
            "accuracy_elsewhere": None if elsewhere is None else 1 - elsewhere,
            "rules_accuracy": None if rules is None else 1 - rules,
        }
