"""What a model must show before it is pushed: bounds on named metrics, on named rows."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lakeloop.contract.metrics import DECIDES, MEAN_COST, METRICS, WATCHED_ERRORS, Metric, metric_named
from lakeloop.contract.section import Name, Section, Share, Text, Value, mistake, sequences_as_tuples, unless

CheckedOn = Literal["train", "eval", "newest"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
MIN_ROWS = 30
"""Rows of a slice below which a metric of it is noise, where a check does not say it."""


class Between(Section):
    """Open bounds: the value must lie strictly between them. Without `below` nothing is too good."""

    above: Share
    below: Share | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.above, self.below)
        return self


class MaxProbability(Section):
    """Bounds on the highest class probability over all evaluated rows."""

    min_above: Share
    mean_above: Share
    max_above: Share


class MetricCheck(Section):
    """One check by a named metric: `{metric: recall, of: "yes", at: {precision: 0.5}, above: 0.3, slice: region}`.

    `of` is the class that a metric is about; of two classes the last, where it is not said. `at` moves the probability
    from which on the class is answered to where the other metric reaches the given value. `on` says which rows count:
    `train`, `eval`, or `newest`, the eval rows of the newest period. `slice` makes the check on the rows of each value
    of a feature by itself, or of one value (`{region: north}`); a value of fewer than `min_rows` rows is left out.
    `gap_below` bounds how far the best and the worst slice are apart.
    """

    metric: Name
    of: Text | None = unless(None)
    at: dict[Name, Share] = unless({})
    above: Finite | None = unless(None)
    below: Finite | None = unless(None)
    gap_below: Finite | None = unless(None)
    on: CheckedOn = unless("eval")
    slice: Name | dict[Name, Value] | None = unless(None)
    min_rows: Annotated[int, Field(ge=1)] = unless(MIN_ROWS)

    @model_validator(mode="before")
    @classmethod
    def _a_metric_there_is(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("metric"), str):
            metric_named(given["metric"])
        return given

    @model_validator(mode="after")
    def _says_what_its_metric_has(self) -> Self:
        metric = self.the_metric
        if self.of is not None and not (metric.of_class or metric.can_be_of_class):
            able = ", ".join(m.name for m in METRICS.values() if m.of_class or m.can_be_of_class)
            raise mistake(f"`{metric.name}` is about all classes; leave `of` out, or take a metric of one: {able}")
        if self.at and (len(self.at) > 1 or next(iter(self.at)) not in metric.at):
            allowed = "; ".join(f"`{m.name}` at {' or '.join(m.at)}" for m in METRICS.values() if m.at)
            raise mistake(f"`at` fixes one other metric while this one is measured; there are: {allowed}")
        return self

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.above is None and self.below is None and self.gap_below is None:
            raise mistake("a check needs a bound: `above`, `below`, or with `slice` `gap_below`")
        if self.gap_below is not None and not isinstance(self.slice, str):
            raise mistake("`gap_below` is about the distance between slices; say `slice: FEATURE`")
        if self.gap_below is not None and (self.above is not None or self.below is not None):
            raise mistake("`gap_below` is a check of its own; give `above` and `below` in another one")
        if isinstance(self.slice, dict) and len(self.slice) != 1:
            raise mistake("`slice` is a feature, or one value of it: `{FEATURE: VALUE}`")
        _check_order(self.above, self.below)
        for name in ("above", "below"):
            bound = getattr(self, name)
            if bound is not None and not self.the_metric.lowest <= bound <= self.the_metric.highest:
                raise mistake(f"`{name}` is {bound:g}; `{self.metric}` is from {self.the_metric.lowest:g} to "
                              f"{self.the_metric.highest:g}")  # fmt: skip
        return self

    @property
    def the_metric(self) -> Metric:
        """What is measured."""
        return METRICS[self.metric]

    @property
    def sliced_by(self) -> str:
        """The feature whose values are looked at by themselves; '' where all rows count together."""
        if self.slice is None:
            return ""
        return self.slice if isinstance(self.slice, str) else next(iter(self.slice))

    @property
    def title(self) -> str:
        """What is measured, on which rows, in words: `recall of yes at precision 0.5 on eval`."""
        of = f" of {self.of}" if self.of is not None else ""
        at = "".join(f" at {name} {value:g}" for name, value in self.at.items())
        gap = f" gap over {self.slice}" if self.gap_below is not None else ""
        return f"{self.metric}{of}{at}{gap} on {self.on}"


class Gate(Section):
    """The quality gate's requirements. A check that is not named here is not made, but that a model must be better
    than an answer that knows no row: `beats_naive`.

    `decides` is the metric by which candidates and champion are compared; `champion_margin` is in its unit, and so is
    `train_eval_gap_below`, how far apart it may be on train and eval rows. `class_share_tolerance` 0.2 means: each
    predicted class' share within ±20 % of 1/classes. A label of numbers has no `accuracy`, class shares and
    probabilities.
    """

    accuracy: Between | None = unless(None)
    train_eval_gap_below: Annotated[Finite, Field(ge=0)] | None = None
    class_share_tolerance: Share | None = None
    max_probability: MaxProbability | None = None
    champion_margin: Annotated[Finite, Field(ge=0)] | None = None
    decides: Name = unless("accuracy")
    checks: tuple[MetricCheck, ...] = unless(())
    beats_naive: bool = unless(True)

    @model_validator(mode="before")
    @classmethod
    def _is_decided_by_a_metric_there_is(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("decides"), str):
            metric = metric_named(given["decides"])
            if not metric.can_decide:
                about = "one class" if metric.of_class else "the interval alone"
                able = [m.name for m in METRICS.values() if m.can_decide and m.task == metric.task]
                raise mistake(f"`{metric.name}` is about {about} and cannot decide; take one of "
                              f"{'all classes' if metric.of_class else 'the answer'}: {', '.join(able)}")  # fmt: skip
        return sequences_as_tuples(given)

    @model_validator(mode="after")
    def _checks_a_thing_once(self) -> Self:
        things = [(check.title, check.slice) for check in self.checks]
        if twice := next((title for title, sliced in things if things.count((title, sliced)) > 1), ""):
            raise mistake(f"two `checks` are of {twice}, on the same rows; give `above` and `below` in one")
        return self

    @model_validator(mode="after")
    def _margins_are_some_of_its_metric(self) -> Self:
        most = self.the_metric.highest
        for name in ("champion_margin", "train_eval_gap_below"):
            margin = getattr(self, name)
            if margin is not None and margin > most:
                raise mistake(f"`{name}` is {margin:g}; `{self.decides}` is at most {most:g}")
        return self

    @property
    def the_metric(self) -> Metric:
        """The metric that decides."""
        return METRICS[self.decides]

    @property
    def shown(self) -> str:
        """The metric that is told of a model before any other: the accuracy; of numbers, and where errors have a cost,
        the one that decides.
        """
        of_all = self.the_metric.task == "regression" or self.decides == MEAN_COST
        return self.decides if of_all else DECIDES["classification"]

    @property
    def bounds(self) -> dict[str, float]:
        """Every bound it has by its place in the contract: `accuracy.above`, `checks.0.above`."""
        return dict(_numbers(self.model_dump(exclude_none=True, include=_WITH_BOUNDS)))

    @property
    def sliced_by(self) -> tuple[str, ...]:
        """The features that checks slice the rows by, each once."""
        return tuple(dict.fromkeys(check.sliced_by for check in self.checks if check.sliced_by))

    @property
    def by_period(self) -> bool:
        """Whether a check is about the newest period alone."""
        return any(check.on == "newest" for check in self.checks)

    @property
    def least_accuracy(self) -> float | None:
        """What the accuracy must lie above; None where the gate does not ask for one."""
        return self.accuracy.above if self.accuracy is not None else None

    @property
    def watched_error(self) -> str:
        """The metric that numbers are watched by in production: the one that decides, where that is an error."""
        return self.decides if self.decides in WATCHED_ERRORS else WATCHED_ERRORS[0]

    @property
    def error_bound(self) -> float | None:
        """What the watched error must lie below on eval rows; None where no check asks for that."""
        return self._bound_of(self.watched_error)

    @property
    def bound_shown(self) -> float | None:
        """What the metric that is told first must keep to on eval rows; None where nothing asks for that."""
        return self.least_accuracy if self.shown == "accuracy" else self._bound_of(self.shown)

    def _bound_of(self, metric: str) -> float | None:
        """The tightest bound that checks without slice have of a metric on eval rows, on its bad side."""
        asked = [
            check for check in self.checks if check.metric == metric and check.slice is None and check.on == "eval"
        ]
        if METRICS[metric].higher_is_better:
            return max((check.above for check in asked if check.above is not None), default=None)
        return min((check.below for check in asked if check.below is not None), default=None)

    def title_of(self, bound: str) -> str:
        """What a bound is of, in words: its place, and of a named check what is measured."""
        section, _, rest = bound.partition(".")
        if section != "checks":
            return bound
        position, _, name = rest.partition(".")
        return f"{self.checks[int(position)].title}: {name.replace('_', ' ')}"


OF_CLASSES = ("accuracy", "class_share_tolerance", "max_probability")
"""What of a gate means nothing where a number is predicted."""
OF_EXCLUSIVE_CLASSES = ("class_share_tolerance", "max_probability")
"""What of it means nothing where a row may have several labels."""
_WITH_BOUNDS: Any = {
    **dict.fromkeys((*OF_CLASSES, "train_eval_gap_below", "champion_margin"), True),
    "checks": {"__all__": {"above", "below", "gap_below"}},
}


def notes_on_checks(gate: Gate) -> Iterator[str]:
    """What is good but should be known: checks that every model passes whose metric is bad enough."""
    for position, check in enumerate(gate.checks):
        better, least, most = "more", "above", "below"
        if not check.the_metric.higher_is_better:
            better, least, most = "less", most, least
        if getattr(check, least) is None and getattr(check, most) is not None:
            yield (
                f"gate.checks.{position}: {better} of `{check.metric}` is better, and its one bound is `{most}`, so "
                f"the worst model passes; what it must reach is said by `{least}`"
            )


def _numbers(value: Any, at: str = "") -> Any:
    if isinstance(value, dict | tuple):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(inner, f"{at}.{name}" if at else str(name))
    else:
        yield at, value


def _check_order(above: float | None, below: float | None) -> None:
    if above is not None and below is not None and above >= below:
        raise mistake(f"`above` ({above:g}) must be smaller than `below` ({below:g})")
