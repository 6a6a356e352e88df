"""What a model looks at: how much worse it is by the metric that decides when one feature's values are shuffled.

Permutation importance (Breiman 2001) as scikit-learn computes it, over the raw features that the model takes, on rows
that it was not trained on. What two features tell alike is counted for neither, as the other one is still there.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.validate import answers_by, open_model, serving_folder
from tfx_pipeline.runs.run_record import FeatureImportance, PermutationImportance, RunRecord, save_run

REPEATS = 5
MOST_ROWS, FEWEST_ROWS = 1_500, 200
MOST_ANSWERS = 150_000
"""Answers of a model that its importance may cost; of more features than 20 fewer rows are drawn."""


def run_importance(use_case: UseCase, run: RunRecord) -> RunRecord:
    """The run with its model's permutation importance, which goes on its record; as it is before the gate.

    Raises:
        LakeloopError: its model or the rows it was evaluated on are gone.
    """
    if run.gate is None or run.importance is not None:
        return run
    rows = exported_rows(use_case.contract, Path(run.parameters.manifest), "eval")
    found = permutation_importance(use_case.contract, serving_folder(run), rows)
    return save_run(use_case, run.model_copy(update={"importance": found}))


def permutation_importance(contract: Contract, model: Path, rows: pd.DataFrame) -> PermutationImportance:
    """How much worse a model is on labelled rows without each feature, the most needed first.

    Of many rows some are drawn, always the same.

    Raises:
        LakeloopError: the model cannot be loaded, or a row is not complete.
    """
    from sklearn.inspection import permutation_importance as permuted  # a second that `--help` need not take

    began = time.perf_counter()
    names = list(contract.features)
    most = min(MOST_ROWS, max(FEWEST_ROWS, MOST_ANSWERS // (len(names) * REPEATS)))
    drawn = rows.sample(most, random_state=contract.model.seed) if len(rows) > most else rows
    score = _scorer(contract, model, drawn[contract.label.name])
    features = drawn[names].reset_index(drop=True)
    found = permuted(
        _Model(), features, None, scoring=lambda _, frame, __: score(frame), n_repeats=REPEATS,
        random_state=contract.model.seed,
    )  # fmt: skip
    listed = [
        FeatureImportance(feature=name, mean=mean, spread=spread)
        for name, mean, spread in zip(
            names, found.importances_mean.tolist(), found.importances_std.tolist(), strict=True
        )
    ]
    return PermutationImportance(
        metric=contract.gate.decides,
        rows=len(drawn),
        of_rows=len(rows),
        repeats=REPEATS,
        seconds=round(time.perf_counter() - began, 2),
        features=tuple(sorted(listed, key=lambda one: one.mean, reverse=True)),
    )


def importance_words(found: PermutationImportance, most: int = 3) -> str:
    """The features a model needs most, with how much worse it is without each: `age 0.213, miles 0.101`."""
    needed = [f"{one.feature} {one.mean:.3f}" for one in found.features if not one.is_noise]
    more = f" and {len(needed) - most} more" if len(needed) > most else ""
    return f"{', '.join(needed[:most])}{more}" if needed else "no feature that it would miss"


class _Model:
    """What scikit-learn takes for a model: it is asked nothing, since the score is asked for at once."""

    def fit(self) -> None:
        """Nothing."""


def _scorer(contract: Contract, model: Path, labels: pd.Series) -> Callable[[pd.DataFrame], float]:
    """Frame of features, in the order of the labels -> the metric that decides, more is better."""
    opened, metric = open_model(model), contract.gate.the_metric
    known = {contract.label.name: labels.to_numpy()}

    def score(frame: pd.DataFrame) -> float:
        return metric.gain(measure_metric(metric, answers_by(opened, contract, frame.assign(**known))).value, 0.0)

    return score
