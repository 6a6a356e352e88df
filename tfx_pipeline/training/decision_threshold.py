"""The threshold of a class: of every one that tells some held-out rows apart the best by what the contract says.

A row is answered with the class where its probability reaches the threshold, as in scikit-learn's curves of precision
and recall. It lies halfway between two probabilities that were seen, so that a server whose sums end in another last
digit answers the same rows alike.
"""

from collections.abc import Mapping

import numpy as np

from lakeloop.contract import DecisionThreshold
from lakeloop.exceptions import LakeloopError
from lakeloop.threshold import Threshold

NEVER = float(np.nextafter(np.float32(1), np.float32(2)))
"""A threshold that no probability reaches."""
Curve = Mapping[str, np.ndarray]
"""Metrics by name, each at every threshold (steps,)."""


def choose_threshold(
    wanted: DecisionThreshold, of: str, probabilities: np.ndarray, has: np.ndarray, weights: np.ndarray | None = None
) -> Threshold:
    """Of rows (n,) with their probability of the class, float32, whether they have it, and how much each counts: the
    best threshold.

    Where several are as good it is the one with the better of what is held `at`, then the one that answers the class
    to the fewest rows.

    Raises:
        LakeloopError: the rows are all of one class, or no threshold reaches what is held `at`.
    """
    if not len(has) or has.all() or not has.any():
        raise LakeloopError(
            f"a threshold is chosen on held-out rows with `{of}` and without, and of these {len(has):,} have it "
            f"{int(has.sum()):,}; deliver more rows, or leave `label.decision` out of the contract"
        )
    seen, curve = _curve(probabilities, has, np.ones(len(has)) if weights is None else weights, wanted)
    aim = -curve["cost"] if wanted.cost is not None else curve[str(wanted.metric)]
    held = np.zeros(len(aim))
    for name, value in wanted.at.items():
        held = curve[name]
        if not (held >= value).any():
            raise LakeloopError(_out_of_reach(wanted, of, curve, len(has)))
        aim = np.where(held >= value, aim, -np.inf)
    best = int(np.lexsort((np.arange(len(aim)), held, aim))[-1])
    return Threshold(
        of=of, at=_between(seen, best), aim=wanted.aim, reached=_reached(wanted, curve, best), rows=len(has)
    )


def chosen_elsewhere(
    wanted: DecisionThreshold, of: str, at: float, probabilities: np.ndarray, has: np.ndarray
) -> Threshold:
    """A threshold that somebody else chose, with what comes of it on such rows (n,)."""
    seen, curve = _curve(probabilities, has, np.ones(len(has)), wanted)
    step = int(np.searchsorted(seen, np.float32(at)))
    return Threshold(of=of, at=at, aim=wanted.aim, reached=_reached(wanted, curve, step), rows=len(has))


def _reached(wanted: DecisionThreshold, curve: Curve, step: int) -> str:
    told = ("cost", *wanted.at, "precision", "recall") if wanted.cost else (str(wanted.metric), *wanted.at)
    return ", ".join(f"{_WORDS.get(name, name)} {curve[name][step]:.3f}" for name in dict.fromkeys(told))


def _curve(
    probabilities: np.ndarray, has: np.ndarray, weights: np.ndarray, wanted: DecisionThreshold
) -> tuple[np.ndarray, Curve]:
    """The probabilities seen (steps - 1,), from the lowest, and the metrics where each of them is the lowest that is
    answered with the class, the last step where none is.
    """
    seen, place = np.unique(probabilities.astype(np.float32), return_inverse=True)
    with_class, without = (np.bincount(place, weights=weights * rows, minlength=len(seen)) for rows in (has, ~has))
    right, wrong = (np.append(np.cumsum(counts[::-1])[::-1], 0.0) for counts in (with_class, without))
    positives, negatives = right[0], wrong[0]
    recall, specificity = right / positives, 1 - wrong / negatives
    answered = right + wrong
    precision = np.divide(right, answered, out=np.zeros(len(right)), where=answered > 0)
    curve = {
        "precision": precision,
        "recall": recall,
        "f1": 2 * right / (answered + positives),
        "accuracy": (right + negatives - wrong) / weights.sum(),
        "balanced_accuracy": (recall + specificity) / 2,
    }
    if wanted.cost is not None:
        errors = wrong * wanted.cost.false_positive + (positives - right) * wanted.cost.false_negative
        curve["cost"] = errors / weights.sum()
    return seen, curve


_WORDS = {"cost": "mean cost"}


def _between(seen: np.ndarray, step: int) -> float:
    """The threshold of a step, a float32: halfway between the probabilities it parts."""
    if step == 0:
        return 0.0
    if step == len(seen):
        return NEVER
    below, above = seen[step - 1], seen[step]
    halfway = np.float32((float(below) + float(above)) / 2)
    return float(halfway if halfway > below else above)


def _out_of_reach(wanted: DecisionThreshold, of: str, curve: Curve, rows: int) -> str:
    """What could be had instead, and what to do."""
    ((name, value),) = wanted.at.items()
    best = int(np.argmax(curve[name]))
    there = f"{wanted.metric} {curve[str(wanted.metric)][best]:.3f}"
    return (
        f"no threshold gives `{of}` {name} {value:g} on the {rows:,} held-out rows it is chosen on: the best that can "
        f"be had is {curve[name][best]:.3f}, with {there}. Write `label.decision.at.{name}` below that, choose by "
        "`cost`, or train a model that tells the classes better apart"
    )
