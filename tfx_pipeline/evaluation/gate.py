"""The quality gate: checks over a model's answers, by classes or numbers, pure numpy.

Which rows count: accuracy is checked on each set by itself. Class shares and highest probabilities are taken over
all checked rows together (train and eval): they say how the model behaves on this data, not how well it generalises,
and on a small eval set alone they are too noisy to refuse a model for. Where rows have weights (how much they count
among what is asked now), named checks, the naive answer's and the champion's go by them; the accuracy, class shares
and highest probabilities do not: they are asked for on the model's own data.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from lakeloop.contract import Gate
from lakeloop.contract.metrics import METRICS
from lakeloop.contract.persistence import Persistence
from lakeloop.frozen_model import FrozenModel
from lakeloop.gate_check import GateCheck
from lakeloop.interval import wilson_interval
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, Answers, ModelAnswers
from tfx_pipeline.evaluation.measured import Measured
from tfx_pipeline.evaluation.metric_checks import checks_again, metric_checks
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.naive import naive_answers, persistence_answers

SHARE = "share_"
NAIVE, CHAMPION = "better_than_naive", "not_worse_than_champion"
NO_ROW = "an answer that knows no row"
WEIGHTED = ", weighted"
ROUNDING = 1e-9  # .87 - .01 is not .86 in binary; a margin of exactly the bound must pass


class GateReport(FrozenModel, extra="ignore"):
    """All checks of one model. `interval` is the 95 % interval of the accuracy on `interval_set`.

    With weights `weighted_accuracy` is by set too, and `champion_accuracy` is the champion's weighted one.
    `champion_score` is the champion's by the metric that decides. Of numbers there is no accuracy: `scores` by set and
    `interval` are of `metric`, the one that decides; so they are where errors have a cost. `rows` by set are those that
    tell how good what was answered is. Where of classes another one than the accuracy `decides`, `decided` is by it, by
    set. `own`: the names of the use case's own checks.
    """

    checks: tuple[GateCheck, ...]
    metric: str = "accuracy"
    accuracy: dict[str, float] = {}
    scores: dict[str, float] = {}
    rows: dict[str, int]
    weighted_accuracy: dict[str, float] = {}
    champion_accuracy: float | None = None
    champion_score: float | None = None
    decides: str = Field("", exclude_if=lambda name: name == "")
    decided: dict[str, float] = Field({}, exclude_if=lambda scores: scores == {})
    own: tuple[str, ...] = ()
    interval_set: str
    interval: tuple[float, float]

    @property
    def by_set(self) -> dict[str, float]:
        """`metric` by set of rows."""
        return self.scores or self.accuracy

    @property
    def by_deciding(self) -> dict[str, float]:
        """The metric that decides by set of rows."""
        return self.decided or self.by_set

    @property
    def shown(self) -> str:
        """`metric` in words."""
        return self.metric.replace("_", " ")

    @property
    def champions(self) -> float | None:
        """The champion's `metric` on the same rows; None: it was not compared."""
        return self.champion_score if self.scores else self.champion_accuracy

    def better_than(self, score: float) -> float:
        """How much better the model is on eval rows than what has this score there."""
        return METRICS[self.metric].gain(self.by_set[EVAL], score)

    def decided_better_than(self, score: float) -> float:
        """The same by the metric that decides, where that is another one."""
        return METRICS[self.decides].gain(self.decided[EVAL], score)

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    def with_own(self, checks: tuple[GateCheck, ...]) -> "GateReport":
        """The same with the use case's own checks behind the others."""
        return self.model_copy(update={"checks": (*self.checks, *checks), "own": tuple(one.name for one in checks)})


def check_gate(
    gate: Gate,
    rows: Mapping[str, Answers],
    champion: Answers | None = None,
    class_names: Sequence[str] = (),
    period_column: str = "",
    persistence: Persistence | None = None,
) -> GateReport:
    """Every check the gate asks for, over one or more named sets of rows.

    With the sets `train` and `eval` the gap between them is checked, and that the model beats an answer that knows no
    row and `persistence`, whose feature is one of the answers' columns; a single set (a period, say) omits what needs
    two. `champion`: its answers on the same eval rows (or the same single set); none: not compared. `period_column` is
    the one of the answers' columns that tells their period.

    Raises:
        ValueError: there is no set of rows.
    """
    if not rows:
        raise ValueError("there is no set of rows to evaluate")
    held_out = EVAL if EVAL in rows else next(iter(rows))
    by_class = {name: answers for name, answers in rows.items() if isinstance(answers, ModelAnswers)}
    names = tuple(class_names or _numbered(by_class))
    report = GateReport(
        checks=(),
        rows={name: _telling(answers) for name, answers in rows.items()},
        champion_score=None if champion is None else measure_metric(gate.the_metric, champion).value,
        interval_set=held_out,
        **_decided(gate, rows),
        **((_accuracies(by_class, champion, held_out) if by_class else {}) | _scores(gate, rows, held_out)),
    )
    checks = [
        *_accuracy_checks(gate, report),
        *check_gap(gate, report.by_deciding),
        *(_class_checks(gate, by_class, names) if by_class else ()),
        *metric_checks(gate.checks, rows, names, period_column),
        *_check_naive(gate, rows, persistence),
        *_check_champion(gate, rows[held_out], champion),
    ]
    return report.model_copy(update={"checks": tuple(checks)})


def _telling(answers: Answers) -> int:
    return len(answers.telling.labels if isinstance(answers, ModelAnswers) else answers.labels)


def _accuracies(rows: Mapping[str, ModelAnswers], champion: Answers | None, held_out: str) -> dict[str, Any]:
    """What a report says of answers by classes."""
    accuracy = {name: answers.accuracy for name, answers in rows.items()}
    return {
        "accuracy": accuracy,
        "weighted_accuracy": {n: one.weighted_accuracy for n, one in rows.items() if one.weights is not None},
        "champion_accuracy": champion.weighted_accuracy if isinstance(champion, ModelAnswers) else None,
        "interval": wilson_interval(accuracy[held_out], _telling(rows[held_out])),
    }


def _scores(gate: Gate, rows: Mapping[str, Answers], held_out: str) -> dict[str, Any]:
    """What a report says where the metric that decides is told of before any other: of numbers, and of costs."""
    if gate.shown != gate.decides or gate.shown == "accuracy":
        return {}
    measured = {name: measure_metric(gate.the_metric, answers) for name, answers in rows.items()}
    scores = {name: one.value for name, one in measured.items()}
    return {"metric": gate.decides, "scores": scores, "interval": measured[held_out].interval}


def _decided(gate: Gate, rows: Mapping[str, Answers]) -> dict[str, Any]:
    """How good the answers are by the metric that decides, where another one is told first."""
    if gate.decides == gate.shown:
        return {}
    scores = {name: measure_metric(gate.the_metric, answers).value for name, answers in rows.items()}
    return {"decides": gate.decides, "decided": scores}


def _accuracy_checks(gate: Gate, report: GateReport) -> Iterator[GateCheck]:
    """Those of the accuracy on each set of rows."""
    for name, value in report.accuracy.items():
        yield from check_accuracy(gate, name, value, report.rows[name])


def _class_checks(gate: Gate, rows: Mapping[str, ModelAnswers], names: Sequence[str]) -> Iterator[GateCheck]:
    """Those of the classes that were answered, and of their probabilities."""
    together = np.concatenate([answers.probabilities for answers in rows.values()])
    answered = np.concatenate([answers.answered for answers in rows.values()])
    yield from check_class_shares(gate, answered, names)
    yield from check_max_probability(gate, together)


def _numbered(rows: Mapping[str, ModelAnswers]) -> list[str]:
    """Class ids for names."""
    return [str(i) for i in range(max((one.probabilities.shape[1] for one in rows.values()), default=0))]


def check_again(gate: Gate, report: GateReport) -> GateReport:
    """The same measured values by a changed gate. A check that was not made then was not measured, and is not made.

    The use case's own checks have no bound in the contract: they stay as they are.
    """
    made = {check.name: check for check in report.checks}
    values = {name: check.value for name, check in made.items()}
    shares = {name: value for name, value in values.items() if name.startswith(SHARE)}
    highest = [values.get(f"max_probability_{name}") for name in ("min", "mean", "max")]
    checks = [*_accuracy_checks(gate, report), *check_gap(gate, report.by_deciding)]
    checks += _check_shares(gate, shares)
    if all(value is not None for value in highest):
        checks += _check_highest(gate, *(value for value in highest if value is not None))
    checks += checks_again(gate.checks, made)
    if gate.beats_naive and NAIVE in made:
        checks.append(made[NAIVE])
    if CHAMPION in made:
        known = report.champion_accuracy if report.champion_score is None else report.champion_score
        weighted = WEIGHTED in made[CHAMPION].bound
        checks += _within_margin(gate, made[CHAMPION].value, known, weighted, made[CHAMPION].note)
    checks += [made[name] for name in report.own]
    return report.model_copy(update={"checks": tuple(checks)})


def check_accuracy(gate: Gate, name: str, value: float, rows: int) -> Iterator[GateCheck]:
    """Good enough and, where the gate has such a bound, not too good to be true; both bounds exclusive."""
    if gate.accuracy is None:
        return
    interval = wilson_interval(value, rows)
    yield _above(f"accuracy_{name}", value, gate.accuracy.above, interval, rows)
    if gate.accuracy.below is not None:
        yield _below(f"accuracy_{name}_plausible", value, gate.accuracy.below)


def check_gap(gate: Gate, scores: Mapping[str, float]) -> Iterator[GateCheck]:
    """By the metric that decides train and eval lie close together: the model has not learned its rows by heart."""
    if gate.train_eval_gap_below is not None and TRAIN in scores and EVAL in scores:
        yield _below("train_eval_gap", abs(scores[TRAIN] - scores[EVAL]), gate.train_eval_gap_below)


def check_class_shares(gate: Gate, answered: np.ndarray, names: Sequence[str]) -> Iterator[GateCheck]:
    """Each class is predicted for about the same share of rows: within tolerance of 1/classes, inclusive."""
    if gate.class_share_tolerance is None:
        return
    shares = np.bincount(answered, minlength=len(names)) / len(answered)
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


def _check_naive(gate: Gate, rows: Mapping[str, Answers], persistence: Persistence | None) -> Iterator[GateCheck]:
    """Better, beyond chance, than the best that needs no model: the same answer for every row, by what train says of
    classes, or of the number; or what the row has now.
    """
    if not gate.beats_naive or TRAIN not in rows or EVAL not in rows:
        return
    train, held_out = rows[TRAIN], rows[EVAL]
    mine = measure_metric(gate.the_metric, held_out)
    others = {NO_ROW: naive_answers(gate.the_metric, train, held_out)}
    if persistence is not None:
        others[persistence.in_words] = persistence_answers(gate.the_metric, persistence, train, held_out)
    measured = {name: measure_metric(gate.the_metric, answers) for name, answers in others.items()}
    best = max(measured, key=lambda name: gate.the_metric.gain(measured[name].value, 0.0))
    naive = measured[best]
    _, (low, _) = mine.better_by(naive)
    beside = "".join(f"; {name} has {one.value:.3f}" for name, one in measured.items() if name != best)
    yield GateCheck(
        name=NAIVE,
        value=mine.value,
        bound=f"better than {naive.value:.3f}{'' if best == NO_ROW else f', {best}'}",
        passed=low > 0,
        interval=mine.interval,
        rows=_telling(held_out),
        note=f"{gate.decides} is {_apart(mine, naive)} than that of {best}{beside}",
    )


def _check_champion(gate: Gate, mine: Answers, champion: Answers | None) -> Iterator[GateCheck]:
    """Not worse than the champion by more than the margin on the same rows, by the metric that decides."""
    if champion is None:
        return
    new, old = (measure_metric(gate.the_metric, answers) for answers in (mine, champion))
    note = f"{gate.decides} is {_apart(new, old)} than the champion's on the same rows"
    yield from _within_margin(gate, new.value, old.value, mine.weights is not None, note)


def _within_margin(
    gate: Gate, score: float, champion_score: float | None, weighted: bool, note: str
) -> Iterator[GateCheck]:
    """Exactly the margin passes."""
    if gate.champion_margin is None or champion_score is None:
        return
    higher = gate.the_metric.higher_is_better
    bound = champion_score - gate.champion_margin if higher else champion_score + gate.champion_margin
    text = f"{'>=' if higher else '<='} {bound:.3f} (champion {champion_score:.3f}{WEIGHTED if weighted else ''})"
    passed = gate.the_metric.gain(score, bound) >= -ROUNDING
    yield GateCheck(name=CHAMPION, value=score, bound=text, passed=passed, note=note)


def _apart(new: Measured, old: Measured) -> str:
    gain, (low, high) = new.better_by(old)
    word = "better" if gain >= 0 else "worse"
    ends = (low, high) if gain >= 0 else (-high, -low)
    return f"{abs(gain):.3f} ({ends[0]:+.3f} to {ends[1]:+.3f} with 95 % confidence) {word}"


def _above(
    name: str, value: float, bound: float, interval: tuple[float, float] | None = None, rows: int | None = None
) -> GateCheck:
    return GateCheck(name=name, value=value, bound=f"> {bound:g}", passed=value > bound, interval=interval, rows=rows)


def _below(name: str, value: float, bound: float) -> GateCheck:
    return GateCheck(name=name, value=value, bound=f"< {bound:g}", passed=value < bound)
