"""A quick model to compare with: scikit-learn's gradient-boosted trees with its own settings, on the same split."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.time_parts import part_columns
from tfx_pipeline.evaluation.answers import ModelAnswers, NumberAnswers, SetAnswers

MOST_CATEGORIES = 254
"""Values of a category that the trees tell apart; rarer ones are as if missing. Scikit-learn's own bound is 255."""


def tree_answers(contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> ModelAnswers | None:
    """The quick trees' answers by class on held-out rows; None where the train rows are all of one class, or only texts
    could tell them apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second that `--help` need not take

    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=contract.model.seed)
    label = contract.label.name
    if contract.label.several:
        return _set_answers(model, contract, train, held_out)
    known = _asked(model, "predict_proba", contract, train, held_out)
    if known is None:
        return None
    probabilities = np.zeros((len(held_out), len(contract.label.classes)))
    probabilities[:, model.classes_] = known  # a class that no train row has gets none
    return ModelAnswers(held_out[label].to_numpy(), probabilities, costs=contract.label.costs)


def _set_answers(model: Any, contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> ModelAnswers | None:
    """Trees for each of several labels by itself; None where there is one that all train rows have, or none."""
    label, known = contract.label.name, []
    for place in range(len(contract.label.classes)):
        one = train.assign(**{label: train[label].to_numpy() >> place & 1})
        if (given := _asked(model, "predict_proba", contract, one, held_out)) is None:
            return None
        known.append(given[:, 1])
    return SetAnswers(held_out[label].to_numpy(), np.column_stack(known))


def number_tree_answers(contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> NumberAnswers | None:
    """The same of numbers, without intervals."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    loss, seed = contract.label.loss, contract.model.seed
    model = HistGradientBoostingRegressor(loss=loss, categorical_features="from_dtype", random_state=seed)
    known = _asked(model, "predict", contract, train, held_out)
    return None if known is None else number_answers(contract, held_out, known)


def _asked(
    model: Any, method: str, contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame
) -> np.ndarray | None:
    """What trees answer on held-out rows that are fitted on train rows; None where there is nothing to learn from."""
    from threadpoolctl import threadpool_limits

    label = contract.label.name
    if train[label].nunique() < 2 or all(feature.role == "text" for feature in contract.features.values()):
        return None
    categories = {
        name: train[name].value_counts().index[:MOST_CATEGORIES]
        for name, feature in contract.features.items()
        if feature.role == "categorical"
    }
    with threadpool_limits(1):  # where cores are busy, its threads wait for one another ten times longer than they work
        model.fit(_inputs(contract, train, categories), train[label])
        return np.asarray(getattr(model, method)(_inputs(contract, held_out, categories)))


def number_answers(contract: Contract, frame: pd.DataFrame, answers: np.ndarray) -> NumberAnswers:
    """Numbers without intervals, which no metric that decides asks for."""
    truth, given = frame[contract.label.name].to_numpy(np.float64), answers.astype(np.float64)
    return NumberAnswers(truth, given, given, given, contract.label.interval)


def _inputs(contract: Contract, frame: pd.DataFrame, categories: Mapping[str, pd.Index]) -> pd.DataFrame:
    wanted = [name for name, feature in contract.features.items() if feature.role != "text"]
    inputs = part_columns(contract, frame[wanted])
    return inputs.assign(**{name: pd.Categorical(inputs[name], known) for name, known in categories.items()})
