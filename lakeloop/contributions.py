"""How much each feature moved an answer away from the model's mean answer: Shapley values of the features' values.

Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions: KernelSHAP, as the library shap computes
it. A coalition of features is known, the others are not: they have the values of background rows, each in turn, and
the answer is the mean over these (the interventional value function). Up to eight features every coalition is asked;
of more some are drawn, and the values are estimates whose sum is exact all the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeloop.exceptions import LakeloopError

if TYPE_CHECKING:
    import numpy as np

MOST_COALITIONS = 400
COALITIONS_A_FEATURE = 4
"""Of many features so many coalitions each at least: with less the values are not determined."""
MOST_MIXTURES = 20_000
"""Rows that a model is asked about one answer; where there are more coalitions, there are fewer background rows."""

Ask = Callable[[dict[str, "np.ndarray"]], "np.ndarray"]
"""From columns of values, each (rows,), to a model's outputs (rows, outputs)."""


@dataclass(frozen=True)
class Contributions:
    """One answer in parts: `base` + the sum of `by_feature` = `answer`, each (outputs,), in the outputs' unit."""

    base: "np.ndarray"
    answer: "np.ndarray"
    by_feature: "dict[str, np.ndarray]"


def coalitions_of(features: int) -> int:
    """How many coalitions of so many features are asked, at most."""
    return max(0, min(max(MOST_COALITIONS, COALITIONS_A_FEATURE * features), 2**features - 2))


def contributions(
    ask: Ask,
    row: Mapping[str, Any],
    background: "Mapping[str, np.ndarray]",
    explained: Sequence[str],
    mixtures: int = MOST_MIXTURES,
    seed: int = 0,
) -> Contributions:
    """What each of the features that are `explained` contributed to the answer to a row; others keep their values.

    `background`: columns of every feature that the model takes, each (background rows,), of the types that `ask` takes;
    the row's values are of the same types. Of the background rows the first are taken, as many as `mixtures` allow.

    Raises:
        LakeloopError: the model's answer to a mixture of the row and a background row is no number.
    """
    import numpy as np
    import shap  # a second, which nobody else need wait for

    coalitions = coalitions_of(len(explained))
    rows = mixtures // max(1, coalitions)
    game = _Mixtures(ask, row, {name: values[: max(1, rows)] for name, values in background.items()}, explained)
    none, every = np.zeros((1, len(explained))), np.ones((1, len(explained)))
    base, answer = game.asked(none)[0], game.asked(every)[0]
    if not explained:
        return Contributions(base, answer, {})
    with _seeded(seed):
        explainer = shap.KernelExplainer(game.asked, none)
        found = explainer.shap_values(every, nsamples=coalitions, l1_reg=False, silent=True)
    return Contributions(base, answer, dict(zip(explained, found[0], strict=True)))


class _Mixtures:
    """The game: what a model answers, on average, where a coalition has the row's values and the rest others."""

    def __init__(
        self, ask: Ask, row: Mapping[str, Any], background: "Mapping[str, np.ndarray]", explained: Sequence[str]
    ) -> None:
        self._ask, self._row, self._background = ask, row, background
        self._place = {name: place for place, name in enumerate(explained)}
        self._known: dict[bytes, np.ndarray] = {}

    def asked(self, coalitions: "np.ndarray") -> "np.ndarray":
        """Coalitions (n, explained features) of 0 and 1 -> mean answers (n, outputs)."""
        import numpy as np

        taken = coalitions.astype(bool)
        keys = [coalition.tobytes() for coalition in taken]
        new = [place for place, key in enumerate(keys) if key not in self._known]
        if new:
            answers = self._answers(taken[new])
            if not np.isfinite(answers).all():
                raise LakeloopError("the model's answer to a mixture of this row and training rows is no number")
            self._known |= {keys[place]: answer for place, answer in zip(new, answers, strict=True)}
        return np.stack([self._known[key] for key in keys])

    def _answers(self, taken: "np.ndarray") -> "np.ndarray":
        import numpy as np

        rows = len(next(iter(self._background.values())))
        columns = {}
        for name, values in self._background.items():
            place = self._place.get(name)
            own = np.ones((len(taken), 1), bool) if place is None else taken[:, place, None]
            columns[name] = np.where(own, self._row[name], values).ravel()
        return self._ask(columns).reshape(len(taken), rows, -1).mean(axis=1)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """shap draws from NumPy's one generator for all: it is put back afterwards."""
    import numpy as np

    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
