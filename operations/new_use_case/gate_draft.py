"""What a draft's gate asks of a model: an accuracy; how well it ranks rows where one class is far the commonest; or how
far a number may be off."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakeloop.contract.gate import MetricCheck
from lakeloop.contract.metrics import METRICS
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.metrics import Measured, measure_metric

SAFE_SHARE = 0.5
"""How far from an answer that knows no row to the quick trees a model must come."""
LARGE_MAJORITY = 0.8
"""Share of the commonest class from which on accuracy says little: a row's odds of another class must be more than four
times the usual ones before a model may answer with it, and good models are seldom as sure. So they answer as the
majority does, are right as often as it is, and rank the rows well all the same."""
RANKED_BY = "roc_auc"
"""What decides then: it is the same however rare a class is, one for both of two classes, and 0.5 by chance."""
OF_NUMBERS = "mean_absolute_error"
MARGIN = 0.01
"""Share of the error of one number, always, that a model may be worse than the champion."""
ABOUT = {
    RANKED_BY: "the chance that a row of {rare} gets a higher probability of it than another row",
    "average_precision": "how pure the rows are that get the highest probabilities of {rare}",
    "log_loss": "whether the probabilities can be believed, more than the shares of the classes; less is better",
}


@dataclass(frozen=True)
class CheckDraft:
    """One metric on the held-out rows: of answers that know no row, of the quick trees, and what the gate asks for.

    `words` are the check's as the contract has them; none where nothing is asked.
    """

    title: str
    naive: float
    trees: float
    words: Mapping[str, Any]
    about: str

    @property
    def bound(self) -> str:
        """What is asked for, in words; '' where nothing is."""
        return next((f"{word} {self.words[word]:.3f}" for word in ("above", "below") if word in self.words), "")


@dataclass(frozen=True)
class GateDraft:
    """Bounds of the accuracy and where they come from; `below` None: nothing is too good.

    Where `decides` is another metric, no accuracy is asked for, and `checks` are in its place. `margin`: by how much of
    it a model may be worse than the champion.
    """

    above: float = 0.0
    below: float | None = None
    why: str = ""
    decides: str = "accuracy"
    checks: tuple[CheckDraft, ...] = ()
    margin: float = 0.01

    @property
    def by_accuracy(self) -> bool:
        """Whether it asks for an accuracy."""
        return self.decides == "accuracy"


OPEN_GATE = GateDraft(0.0, 1.0, "not known yet")
OPEN_NUMBER_GATE = GateDraft(why="not known yet", decides=OF_NUMBERS)


def gate_of(found: Mapping[str, float], texts: Sequence[str] = (), by_heart: bool = False) -> GateDraft:
    """Bounds for the accuracy: well above the commonest class, and not much better than quick trees, unless there are
    `texts`, which trees cannot read, or so few rows that a model knows all train rows `by_heart`."""
    if not found:
        return GateDraft(0.0, None, "too few rows to say what is good: set them when there are more")
    majority = found["majority"]
    trees = max(found.get("trees", majority), majority)
    # The bound holds for train rows as well, of which a model learns some by heart.
    below = round(min(1.0, trees + max(0.05, 0.9 * (1 - trees))), 3)
    least = min(0.01, (1 - majority) / 4)  # of what a rare class leaves to be better by
    above = min(round(majority + max(least, SAFE_SHARE * (trees - majority)), 3), round(below - 0.001, 3))
    why = f"the commonest class is right in {majority:.3f}, quick trees in {trees:.3f}"
    if texts:
        return GateDraft(above, None, f"{why}, without {', '.join(texts)}, which they cannot read")
    return GateDraft(above, below if below < 1 and not by_heart else None, why)


def number_gate(found: Mapping[str, float]) -> GateDraft:
    """A bound for the error, half the way from the best single number to the quick trees; `found`: the errors of both.

    Where trees are no better, only that a model is, which every gate asks.
    """
    if not found:
        return GateDraft(why="Too few rows to say what is good: set `checks` when there are more", decides=OF_NUMBERS)
    naive = found["constant"]
    trees, margin = found.get("trees", naive), float(f"{MARGIN * naive:.2g}")
    why = "A model has to be better than one number, always, whatever the checks say"
    if trees >= naive:
        return GateDraft(why=f"{why}. Quick trees are not, so nothing more is asked", decides=OF_NUMBERS, margin=margin)
    bound = float(f"{naive - SAFE_SHARE * (naive - trees):.3g}")
    words = {"metric": OF_NUMBERS, "below": bound}
    check = CheckDraft(OF_NUMBERS, naive, trees, words, "how far numbers are off, on average")
    return GateDraft(why=why, decides=OF_NUMBERS, checks=(check,), margin=margin)


def ranking_gate(names: Sequence[str], labels: np.ndarray, trees: ModelAnswers | None) -> GateDraft:
    """Bounds for how rows are ranked, where the commonest class is `LARGE_MAJORITY` of them or more.

    `names` are the classes', `labels` those of the train rows, and `trees` the quick trees' answers on held-out ones;
    None: there are none, or too few rows for them.
    """
    counts = np.bincount(labels, minlength=len(names))
    common = int(counts.argmax())
    why = (
        f"{counts[common] / counts.sum():.1%} of the rows are `{names[common]}`. Always answering that is right as "
        "often, and a useful model hardly more: accuracy says little. What counts is whether the rare rows are told "
        "from the others by their probabilities"
    )
    if trees is None:
        return GateDraft(why=f"{why}. How well is not known yet: add `checks` after the first training",
                         decides=RANKED_BY)  # fmt: skip
    naive = ModelAnswers(trees.labels, np.broadcast_to(counts / counts.sum(), trees.probabilities.shape))
    rare = 1 - common if len(names) == 2 else None
    checks = tuple(_measured(names, rare, naive, trees))
    return GateDraft(why=why, decides=RANKED_BY, checks=checks)


def _measured(names: Sequence[str], rare: int | None, naive: ModelAnswers, trees: ModelAnswers) -> Iterator[CheckDraft]:
    for metric in ABOUT:
        of = rare if METRICS[metric].can_be_of_class else None
        chance, reached = (measure_metric(METRICS[metric], answers, of) for answers in (naive, trees))
        bound = _bound(chance, reached)
        words = {"metric": metric} | ({} if of is None else {"of": names[of]}) | bound
        title = f"{metric} of {names[of]}" if of is not None else metric
        about = ABOUT[metric].format(rare=f"`{names[of]}`" if of is not None else "a class")
        if bound:
            MetricCheck.model_validate(words)
        yield CheckDraft(title, chance.value, reached.value, words if bound else {}, about)


def _bound(chance: Measured, trees: Measured) -> dict[str, float]:
    """A part of the way from chance to what the trees reach for sure; nothing where that is no better than chance.

    Rare rows are few, so what the trees reach for sure is the near end of their interval. Probabilities must be better
    than those of an answer that knows no row, and that is all: how much better depends on how rare the rare ones are.
    """
    if not trees.metric.higher_is_better:
        return {"below": round(chance.value, 3)} if trees.interval[1] < chance.value else {}
    sure = trees.interval[0]
    if sure <= chance.value:
        return {}
    return {"above": round(chance.value + SAFE_SHARE * (sure - chance.value), 3)}
