"""From which probability on a model of two classes answers one of them: by what errors cost, or by named metrics."""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lakeloop.contract.metrics import metric_named
from lakeloop.contract.section import Name, Section, Share, Text, mistake, unless

BEST = ("recall", "precision", "f1", "accuracy", "balanced_accuracy")
"""The metrics that a threshold can make as good as can be."""
HELD = ("precision", "recall")
"""Those that can be held to a value meanwhile."""
Costs = tuple[tuple[float, ...], ...]
"""What an answer costs by the label's class id, then the answer's."""


class Cost(Section):
    """What a row answered with the class costs that has it not, and one that has it and was not answered with it."""

    false_positive: Annotated[float, Field(ge=0)]
    false_negative: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _some_error_costs(self) -> Self:
        if self.false_positive == 0 or self.false_negative == 0:
            free, always = ("positive", "always") if self.false_positive == 0 else ("negative", "never")
            raise mistake(f"a false {free} costs nothing, so answering the class {always} would be the cheapest; "
                          "give both errors a cost above 0")  # fmt: skip
        return self


class DecisionThreshold(Section):
    """Where the threshold of the class `of` lies; of two the last, where it is not said. By `cost` errors cost as
    little as can be; by `metric` that one is as good as can be where the other, in `at`, is so high at least.
    """

    of: Text | None = unless(None)
    cost: Cost | None = unless(None)
    metric: Name | None = unless(None)
    at: dict[Name, Share] = unless({})

    @model_validator(mode="before")
    @classmethod
    def _metrics_of_a_threshold(cls, given: Any) -> Any:
        if isinstance(given, dict):
            if isinstance(given.get("metric"), str):
                _known("metric", given["metric"], BEST)
            for name in given["at"] if isinstance(given.get("at"), dict) else ():
                _known("at", str(name), HELD)
        return given

    @model_validator(mode="after")
    def _says_one_way(self) -> Self:
        if (self.cost is None) == (self.metric is None):
            both = "both are there" if self.cost is not None else "neither is there"
            raise mistake("a threshold is chosen by `cost: {false_positive: …, false_negative: …}` or by `metric: "
                          f"recall, at: {{precision: 0.8}}`; {both}, keep one")  # fmt: skip
        if self.cost is not None and self.at:
            raise mistake("`at` belongs to `metric`; leave it out, or `cost`")
        if len(self.at) > 1:
            raise mistake(f"`at` holds one other metric: {' or '.join(HELD)}")
        if self.metric is not None and self.metric in self.at:
            raise mistake(f"`{self.metric}` is what is to be best; `at` holds another: {', '.join(HELD)}")
        if self.metric in HELD and not self.at:
            other = next(name for name in HELD if name != self.metric)
            where = "always" if self.metric == "recall" else "hardly ever"
            raise mistake(f"`{self.metric}` by itself is best where the class is answered {where}; say `at: "
                          f"{{{other}: 0.8}}`, or take f1")  # fmt: skip
        return self

    def costs(self, of: int) -> Costs | None:
        """What an answer costs by the label's class id, then the answer's, of a threshold of the class id `of`; None
        where costs do not choose it.
        """
        if self.cost is None:
            return None
        positive, negative = self.cost.false_positive, self.cost.false_negative
        return ((0.0, positive), (negative, 0.0)) if of == 1 else ((0.0, negative), (positive, 0.0))

    @property
    def aim(self) -> str:
        """What the threshold is chosen by, in words: `the best recall at precision 0.8`."""
        if self.cost is not None:
            each = f"{self.cost.false_positive:g} a false positive, {self.cost.false_negative:g} a false negative"
            return f"the lowest cost ({each})"
        return f"the best {self.metric}" + "".join(f" at {name} {value:g}" for name, value in self.at.items())


def nearest(name: str, known: Iterable[str]) -> str:
    """An offer of what may have been meant: `did you mean `recall`? `; '' where nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean `{close[0]}`? " if close else ""


def _known(field: str, name: str, allowed: tuple[str, ...]) -> None:
    if name in allowed:
        return
    metric_named(name, allowed)
    raise mistake(f"`{field}` cannot be `{name}`; there {'are' if field == 'metric' else 'can be held'}: "
                  f"{', '.join(allowed)}")  # fmt: skip
