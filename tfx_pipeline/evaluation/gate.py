"""The quality gate: named checks over a model's answers, pure numpy.

Which rows count: accuracy is checked on each set by itself. Class shares and highest probabilities are taken over
all checked rows together (train and eval): they say how the model behaves on this data, not how well it generalises,
and on a small eval set alone they are too noisy to refuse a model for. Where rows have weights (how much they count
among what is asked now), the comparison with the champion goes by them; what the contract requires of a model on its
own data does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lakeloop.contract import Gate
from lakeloop.frozen_model import FrozenModel
from lakeloop.gate_check import GateCheck
from lakeloop.interval import wilson_interval

TRAIN, EVAL = "train", "eval"
SHARE = "share_"
ROUNDING = 1e-9  # .87 - .01 is not .86 in binary; a margin of exactly the bound must pass


@dataclass(frozen=True)
class ModelAnswers:
    """A model's answers on one set of rows: labels (n,) int, probabilities (n, classes), perhaps weights (n,)."""

    labels: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.probabilities.ndim != 2 or len(self.labels) != len(self.probabilities):
            raise ValueError(
                f"labels {self.labels.shape} and probabilities {self.probabilities.shape} must be (n,) and (n, classes)"
            )
        if len(self.labels) == 0:
            raise ValueError("there are no rows to evaluate")

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is the label."""
        return float(np.mean(self.right))

    @property
    def weighted_accuracy(self) -> float:
        """The same, each row counting by its weight; the plain accuracy where there are none."""
        return float(np.average(self.right, weights=self.weights))

    @property
    def right(self) -> np.ndarray:
        """Whether each row's most probable class is the label, (n,) bool."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels)


class GateReport(FrozenModel, extra="ignore"):
    """All checks of one model. `interval` is the 95 % interval of the accuracy on `interval_set`.

    With weights `weighted_accuracy` is by set too, and `champion_accuracy` is the champion's weighted one.
    """

    checks: tuple[GateCheck, ...]
    accuracy: dict[str, float]
    rows: dict[str, int]
    weighted_accuracy: dict[str, float] = {}
    champion_accuracy: float | None = None
    interval_set: str
    interval: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)


def check_gate(
    gate: Gate,
    rows: Mapping[str, ModelAnswers],
    champion_accuracy: float | None = None,
    class_names: Sequence[str] = (),
) -> GateReport:
    """Every check the gate asks for, over one or more named sets of rows.

    With the sets `train` and `eval` the gap between them is checked; a single set (a period, say) omits what needs
    two. `champion_accuracy` is the champion's `weighted_accuracy` on the same eval rows (or the same single set); none:
    not compared.
    """
    if not rows:
        raise ValueError("there is no set of rows to evaluate")
    together = np.concatenate([answers.probabilities for answers in rows.values()])
    accuracy = {name: answers.accuracy for name, answers in rows.items()}
    held_out = EVAL if EVAL in rows else next(iter(rows))
    names = class_names or [str(i) for i in range(together.shape[1])]
    checks: list[GateCheck] = []
    for name, value in accuracy.items():
        checks += check_accuracy(gate, name, value)
    checks += check_gap(gate, accuracy)
    checks += check_class_shares(gate, together, names)
    checks += check_max_probability(gate, together)
    weighted = {name: one.weighted_accuracy for name, one in rows.items() if one.weights is not None}
    checks += check_champion(gate, weighted.get(held_out, accuracy[held_out]), champion_accuracy, bool(weighted))
    return GateReport(
        checks=tuple(checks),
        accuracy=accuracy,
        rows={name: len(answers.labels) for name, answers in rows.items()},
        weighted_accuracy=weighted,
        champion_accuracy=champion_accuracy,
        interval_set=held_out,
        interval=wilson_interval(accuracy[held_out], len(rows[held_out].labels)),
    )


def check_again(gate: Gate, report: GateReport) -> GateReport:
    """The same measured values by a changed gate. A check that was not made then was not measured, and is not made."""
    values = {check.name: check.value for check in report.checks}
    shares = {name: value for name, value in values.items() if name.startswith(SHARE)}
    highest = [values.get(f"max_probability_{name}") for name in ("min", "mean", "max")]
    checks: list[GateCheck] = []
    for name, value in report.accuracy.items():
        checks += check_accuracy(gate, name, value)
    checks += check_gap(gate, report.accuracy)
    checks += _check_shares(gate, shares)
    if all(value is not None for value in highest):
        checks += _check_highest(gate, *(value for value in highest if value is not None))
    if "not_worse_than_champion" in values:
        weighted = bool(report.weighted_accuracy)
        checks += check_champion(gate, values["not_worse_than_champion"], report.champion_accuracy, weighted)
    return report.model_copy(update={"checks": tuple(checks)})


def check_accuracy(gate: Gate, name: str, value: float) -> Iterator[GateCheck]:
    """Good enough and, where the gate has such a bound, not too good to be true; both bounds exclusive."""
    yield _above(f"accuracy_{name}", value, gate.accuracy.above)
    if gate.accuracy.below is not None:
        yield _below(f"accuracy_{name}_plausible", value, gate.accuracy.below)


def check_gap(gate: Gate, accuracy: Mapping[str, float]) -> Iterator[GateCheck]:
    """Train and eval accuracy lie close together: the model has not learned its rows by heart."""
    if gate.train_eval_gap_below is not None and TRAIN in accuracy and EVAL in accuracy:
        yield _below("train_eval_gap", abs(accuracy[TRAIN] - accuracy[EVAL]), gate.train_eval_gap_below)


def check_class_shares(gate: Gate, probabilities: np.ndarray, names: Sequence[str]) -> Iterator[GateCheck]:
    """Each class is predicted for about the same share of rows: within tolerance of 1/classes, inclusive."""
    if gate.class_share_tolerance is None:
        return
    classes = probabilities.shape[1]
    shares = np.bincount(probabilities.argmax(axis=1), minlength=classes) / len(probabilities)
    yield from _check_shares(gate, {f"{SHARE}{n}": s for n, s in zip(names, shares.tolist(), strict=True)})


def _check_shares(gate: Gate, shares: Mapping[str, float]) -> Iterator[GateCheck]:
    if gate.class_share_tolerance is None or not shares:
        return
    low, high = ((1 + sign * gate.class_share_tolerance) / len(shares) for sign in (-1, 1))
    for name, share in shares.items():
        inside = low - ROUNDING <= share <= high + ROUNDING
        yield GateCheck(name=name, value=share, bound=f"{low:.3f} to {high:.3f}", passed=inside)


def check_max_probability(gate: Gate, probabilities: np.ndarray) -> Iterator[GateCheck]:
    """The highest class probability of a row: never a guess, sure on average, and at times very sure."""
    highest = probabilities.max(axis=1)
    yield from _check_highest(gate, float(highest.min()), float(highest.mean(dtype=np.float64)), float(highest.max()))


def _check_highest(gate: Gate, lowest: float, mean: float, highest: float) -> Iterator[GateCheck]:
    bounds = gate.max_probability
    if bounds is None:
        return
    yield _above("max_probability_min", lowest, bounds.min_above)
    yield _above("max_probability_mean", mean, bounds.mean_above)
    yield _above("max_probability_max", highest, bounds.max_above)


def check_champion(
    gate: Gate, accuracy: float, champion_accuracy: float | None, weighted: bool = False
) -> Iterator[GateCheck]:
    """Not worse than the champion by more than the margin on the same rows; exactly the margin passes."""
    if gate.champion_margin is None or champion_accuracy is None:
        return
    bound = champion_accuracy - gate.champion_margin
    text = f">= {bound:.3f} (champion {champion_accuracy:.3f}{', weighted' if weighted else ''})"
    yield GateCheck(name="not_worse_than_champion", value=accuracy, bound=text, passed=accuracy >= bound - ROUNDING)


def _above(name: str, value: float, bound: float) -> GateCheck:
    return GateCheck(name=name, value=value, bound=f"> {bound:g}", passed=value > bound)


def _below(name: str, value: float, bound: float) -> GateCheck:
    return GateCheck(name=name, value=value, bound=f"< {bound:g}", passed=value < bound)
