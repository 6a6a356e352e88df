"""What a model has to beat: answers that need no model, and a quick one of another kind on the same split."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.fallback import load_rules
from lakeloop.model_input import request_rows
from lakeloop.time_parts import part_columns
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.runs.run_record import RunRecord, save_run

RANDOM, MAJORITY, RULES, TREES = "random", "majority", "rules", "trees"
MEANINGS = {
    RANDOM: "a class at random",
    MAJORITY: "the commonest class, always",
    RULES: "the use case's rules",
    TREES: "gradient-boosted trees with scikit-learn's own settings",
}
MOST_CATEGORIES = 254
"""Values of a category that the trees tell apart; rarer ones are as if missing. Scikit-learn's own bound is 255."""


def baselines(use_case: UseCase, frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy of what needs no model: a random class (expected), the commonest class, the use case's rules."""
    labels = frame[use_case.contract.label.name]
    found = {RANDOM: 1 / len(use_case.contract.label.classes)}
    return found | {MAJORITY: float(labels.value_counts(normalize=True).iloc[0])} | _rules(use_case, frame)


def run_baselines(use_case: UseCase, run: RunRecord, known: Mapping[str, float] | None = None) -> RunRecord:
    """The run with its model's baselines, which go on its record; as it is before the gate has checked it.

    `known`: those of another run on the same export.
    """
    if run.gate is None or run.baselines:
        return run
    found = known or split_baselines(use_case, Path(run.parameters.manifest))
    return save_run(use_case, run.model_copy(update={"baselines": dict(found)}))


def split_baselines(use_case: UseCase, manifest: Path) -> dict[str, float]:
    """Accuracy on the eval rows of an export, as the model's own is measured.

    The commonest class is the train rows', and `trees` are scikit-learn's gradient-boosted trees with its own settings,
    trained on the train rows: how far a model stays behind them is how much is left in the table.
    """
    train, held_out = (exported_rows(use_case.contract, manifest, split) for split in ("train", "eval"))
    return frame_baselines(use_case, train, held_out, tree_answers(use_case.contract, train, held_out))


def frame_baselines(
    use_case: UseCase, train: pd.DataFrame, held_out: pd.DataFrame, trees: ModelAnswers | None
) -> dict[str, float]:
    """The same of rows that are there already, with their class ids and names, and the trees' answers on them."""
    contract = use_case.contract
    label = contract.label.name
    commonest = train[label].mode().iloc[0]
    return {
        RANDOM: 1 / len(contract.label.classes),
        MAJORITY: float((held_out[label] == commonest).mean()),
        **_rules(use_case, held_out),
        **({} if trees is None else {TREES: trees.accuracy}),
    }


def tree_answers(contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> ModelAnswers | None:
    """The quick trees' answers on held-out rows; None where the train rows are all of one class, or only texts could
    tell them apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second that `--help` need not take
    from threadpoolctl import threadpool_limits

    label = contract.label.name
    if train[label].nunique() < 2 or all(feature.role == "text" for feature in contract.features.values()):
        return None
    categories = {
        name: train[name].value_counts().index[:MOST_CATEGORIES]
        for name, feature in contract.features.items()
        if feature.role == "categorical"
    }
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=contract.model.seed)
    with threadpool_limits(1):  # where cores are busy, its threads wait for one another ten times longer than they work
        model.fit(_inputs(contract, train, categories), train[label])
        known = model.predict_proba(_inputs(contract, held_out, categories))
    probabilities = np.zeros((len(held_out), len(contract.label.classes)))
    probabilities[:, model.classes_] = known  # a class that no train row has gets none
    return ModelAnswers(held_out[label].to_numpy(), probabilities)


def difference_words(accuracy: float, found: Mapping[str, float]) -> str:
    """How far a model's accuracy is from each baseline, as words: `majority 0.387 (+0.483), trees 0.861 (+0.009)`."""
    return ", ".join(f"{name} {value:.3f} ({accuracy - value:+.3f})" for name, value in found.items())


def _rules(use_case: UseCase, frame: pd.DataFrame) -> dict[str, float]:
    rules = load_rules(use_case)
    if rules is None:
        return {}
    contract = use_case.contract
    answers = [rules(row) for row in request_rows(contract.features, frame)]
    return {RULES: float((frame[contract.label.name_column] == answers).mean())}


def _inputs(contract: Contract, frame: pd.DataFrame, categories: Mapping[str, pd.Index]) -> pd.DataFrame:
    wanted = [name for name, feature in contract.features.items() if feature.role != "text"]
    inputs = part_columns(contract, frame[wanted])
    return inputs.assign(**{name: pd.Categorical(inputs[name], known) for name, known in categories.items()})
