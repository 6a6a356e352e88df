"""What a model has to beat: the scores of answers that need no model, and of a quick one of another kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.metrics import MEAN_COST
from lakeloop.exceptions import LakeloopError
from lakeloop.fallback import class_id_of, load_rules
from lakeloop.model_input import request_rows
from lakeloop.threshold import class_ids_at
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from operations.quick_trees import number_answers, number_tree_answers, tree_answers
from tfx_pipeline.evaluation.answers import EVAL, Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.naive import naive_answers, persistence_answers
from tfx_pipeline.evaluation.number_metrics import constant_numbers
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.training.calibration_rows import which_calibrate
from tfx_pipeline.training.decision_threshold import choose_threshold

RANDOM, MAJORITY, CHEAPEST, CONSTANT = "random", "majority", "cheapest", "constant"
SHARES, PERSISTENCE, RULES, TREES = "shares", "persistence", "rules", "trees"
MEANINGS = {
    RANDOM: "a class at random",
    MAJORITY: "the commonest class, always",
    CHEAPEST: "the class that costs least, always",
    SHARES: "the shares of the classes, whatever the row",
    CONSTANT: "one number, always: the best of the training rows'",
    PERSISTENCE: "what the row has now, as it is",
    RULES: "the use case's rules",
    TREES: "gradient-boosted trees with scikit-learn's own settings",
}


def baselines(use_case: UseCase, frame: pd.DataFrame) -> dict[str, float]:
    """The score of what needs no model: of classes the accuracy of a random one (expected), of the commonest and of
    the use case's rules; of numbers the metric that decides, of one number and of the rules; where errors have a cost
    the mean cost, of a random class, of the cheapest and of the rules. Of any what the rows have now, where a feature
    says it.
    """
    task = _task(use_case)
    return task.without_model(frame, frame) | task.persistence(frame, frame) | task.rules(frame)


def persistence_score(use_case: UseCase, train: pd.DataFrame, rows: pd.DataFrame) -> float | None:
    """The score of what rows have now; None where no feature says it."""
    return _task(use_case).persistence(train, rows).get(PERSISTENCE)


@dataclass(frozen=True)
class SplitBaselines:
    """Scores on eval rows by name: by the metric that is told first, and by the one that decides, if it is another."""

    shown: Mapping[str, float]
    decided: Mapping[str, float]


def split_baselines(use_case: UseCase, manifest: Path) -> SplitBaselines:
    """Scores on the eval rows of an export, as the model's own is measured: without those its threshold was chosen on.

    The commonest class, or the number, is the train rows', and `trees` are scikit-learn's gradient-boosted trees with
    its own settings, trained on the train rows: how far a model stays behind them is how much is left in the table.
    """
    contract = use_case.contract
    train, held_out = (exported_rows(contract, manifest, split) for split in ("train", "eval"))
    trees = _task(use_case).trees(train, held_out)
    tell = held_out
    if contract.label.decision is not None and not (learnt := which_calibrate(held_out[contract.key.column])).all():
        tell = held_out[~learnt].reset_index(drop=True)
    decided_on = tell if contract.gate.the_metric.of_answer else held_out
    return SplitBaselines(
        frame_baselines(use_case, train, tell, trees), decided_baselines(use_case, train, decided_on, trees)
    )


def decided_baselines(
    use_case: UseCase, train: pd.DataFrame, held_out: pd.DataFrame, trees: Answers | None
) -> dict[str, float]:
    """Scores by the metric that decides, where of classes it is another one than the accuracy; else none.

    Rules answer without probabilities: they have a score where the metric needs none.
    """
    contract, metric = use_case.contract, use_case.contract.gate.the_metric
    if contract.gate.decides == contract.gate.shown:
        return {}
    label, classes = contract.label.name, len(contract.label.classes)
    kind = SetAnswers if contract.label.several else ModelAnswers
    known, rows = (kind(one[label].to_numpy(), np.zeros((len(one), classes))) for one in (train, held_out))
    answers: dict[str, Answers] = {SHARES: naive_answers(metric, known, rows)}
    if (same := _same_as_now(contract, train, held_out, known, rows)) is not None:
        answers[PERSISTENCE] = same
    rules = load_rules(use_case)
    if rules is not None and metric.of_answer:
        ids = [class_id_of(contract, rules(row)) for row in request_rows(contract.features, held_out)]
        answers[RULES] = replace(rows, class_ids=np.array(ids))
    if trees is not None:
        answers[TREES] = trees
    return {name: measure_metric(metric, one).value for name, one in answers.items()}


def frame_baselines(
    use_case: UseCase, train: pd.DataFrame, held_out: pd.DataFrame, trees: Answers | None
) -> dict[str, float]:
    """The same of rows that are there already, with their labels, and the trees' answers on them."""
    task = _task(use_case)
    known = {} if trees is None else {TREES: task.score_of(trees)}
    return task.without_model(train, held_out) | task.persistence(train, held_out) | task.rules(held_out) | known


def _same_as_now(
    contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame, known: Answers, rows: Answers
) -> Answers | None:
    """What held-out rows have now, as answers; `known`, `rows`: any answers on both. None: no feature says it."""
    persistence = contract.persistence
    if persistence is None:
        return None
    name, metric = persistence.feature, contract.gate.the_metric
    both = (replace(one, columns={name: of[name].to_numpy()}) for one, of in ((known, train), (rows, held_out)))
    return persistence_answers(metric, persistence, *both)


def beside_words(run: RunRecord) -> str:
    """How much better a run's model is than each baseline; first by the metric that is told first, then by the one that
    decides, where that is another: `…; by log_loss, which decides, it has 0.310: shares 0.690 (+0.380)`.
    """
    if run.gate is None:
        return ""
    words, report, found = difference_words(run.gate, run.baselines), run.gate, run.baselines_decided
    if not found or not report.decided:
        return words
    beside = ", ".join(
        f"{name} {score:.3f} ({report.decided_better_than(score):+.3f})" for name, score in found.items()
    )
    return f"{words}; by {report.decides}, which decides, it has {report.decided[EVAL]:.3f}: {beside}"


def difference_words(report: GateReport, found: Mapping[str, float]) -> str:
    """How much better a model is on eval rows than each baseline: `majority 0.387 (+0.483), trees 0.861 (+0.009)`."""
    return ", ".join(f"{name} {value:.3f} ({report.better_than(value):+.3f})" for name, value in found.items())


class _Baselines(ABC):
    """What a model of a task has to beat."""

    def __init__(self, use_case: UseCase) -> None:
        self.use_case, self.contract = use_case, use_case.contract
        self.label = use_case.contract.label

    @abstractmethod
    def without_model(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        """Scores on `held_out` of answers that know no row."""

    @abstractmethod
    def trees(self, train: pd.DataFrame, held_out: pd.DataFrame) -> Answers | None:
        """The quick trees' answers."""

    @abstractmethod
    def score_of(self, answers: Any) -> float:
        """How good answers are."""

    @abstractmethod
    def rules_score(self, frame: pd.DataFrame, answers: list[Any]) -> float:
        """How good what the rules said of each row is."""

    @abstractmethod
    def labelled(self, frame: pd.DataFrame) -> Answers:
        """The rows' labels, with any answers."""

    def persistence(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        """The score of what the rows have now; nothing where no feature says it."""
        known, rows = self.labelled(train), self.labelled(held_out)
        same = _same_as_now(self.contract, train, held_out, known, rows)
        return {} if same is None else {PERSISTENCE: self.score_of(same)}

    def rules(self, frame: pd.DataFrame) -> dict[str, float]:
        """The score of the use case's rules; nothing where it has none."""
        rules = load_rules(self.use_case)
        if rules is None:
            return {}
        answers = [rules(row) for row in request_rows(self.contract.features, frame)]
        return {RULES: self.rules_score(frame, answers)}


class _OfClasses(_Baselines):
    """By the accuracy; the trees with a threshold of their own where a model has one, chosen and measured on the rows
    of a model's.
    """

    def without_model(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        name = self.label.name
        commonest = train[name].mode().iloc[0]
        return {RANDOM: 1 / len(self.label.classes), MAJORITY: float((held_out[name] == commonest).mean())}

    def trees(self, train: pd.DataFrame, held_out: pd.DataFrame) -> ModelAnswers | None:
        answers, wanted, of = tree_answers(self.contract, train, held_out), self.label.decision, self.label.positive
        if answers is None or wanted is None:
            return answers
        theirs = which_calibrate(held_out[self.contract.key.column])
        known, has = answers.probabilities[:, of], answers.labels == of
        try:
            found = choose_threshold(wanted, self.label.class_names[of], known[theirs], has[theirs])
        except LakeloopError:  # a model of this split had none either
            return answers
        ids = class_ids_at(found.at, of, answers.probabilities)
        return replace(answers, class_ids=ids, calibrated=theirs)

    def labelled(self, frame: pd.DataFrame) -> ModelAnswers:
        nothing = np.zeros((len(frame), len(self.label.classes)))
        return ModelAnswers(frame[self.label.name].to_numpy(), nothing, costs=self.label.costs)

    def score_of(self, answers: ModelAnswers) -> float:
        return answers.accuracy

    def rules_score(self, frame: pd.DataFrame, answers: list[Any]) -> float:
        return float((frame[self.label.name_column] == answers).mean())


class _OfSets(_OfClasses):
    """By exactly the right labels: the commonest set, and trees for each label."""

    def without_model(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        name = self.label.name
        return {MAJORITY: float((held_out[name] == train[name].mode().iloc[0]).mean())}

    def rules_score(self, frame: pd.DataFrame, answers: list[Any]) -> float:
        ids = [class_id_of(self.contract, answer) for answer in answers]
        return float((frame[self.label.name] == ids).mean())


class _OfCosts(_OfClasses):
    """By what errors cost."""

    def without_model(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        costs = self.costs
        shares = [(frame[self.label.name].to_numpy()[:, None] == (0, 1)).mean(axis=0) for frame in (held_out, train)]
        there, known = (share @ costs for share in shares)
        return {RANDOM: float(there.mean()), CHEAPEST: float(there[known.argmin()])}

    def score_of(self, answers: ModelAnswers) -> float:
        return measure_metric(self.contract.gate.the_metric, answers).value

    def rules_score(self, frame: pd.DataFrame, answers: list[Any]) -> float:
        given = [self.label.class_names.index(answer) for answer in answers]
        return float(self.costs[frame[self.label.name].to_numpy(), given].mean())

    @property
    def costs(self) -> np.ndarray:
        """What an answer costs by the label's class id, then the answer's."""
        return np.array(self.label.costs)


class _OfNumbers(_Baselines):
    def without_model(self, train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
        rows, known = (number_answers(self.contract, one, one[self.label.name].to_numpy()) for one in (held_out, train))
        return {CONSTANT: self.score_of(constant_numbers(self.contract.gate.the_metric, known, rows))}

    def labelled(self, frame: pd.DataFrame) -> NumberAnswers:
        return number_answers(self.contract, frame, frame[self.label.name].to_numpy())

    def trees(self, train: pd.DataFrame, held_out: pd.DataFrame) -> NumberAnswers | None:
        return number_tree_answers(self.contract, train, held_out)

    def score_of(self, answers: NumberAnswers) -> float:
        return measure_metric(self.contract.gate.the_metric, answers).value

    def rules_score(self, frame: pd.DataFrame, answers: list[Any]) -> float:
        return self.score_of(number_answers(self.contract, frame, np.array(answers, np.float64)))


def _task(use_case: UseCase) -> _Baselines:
    contract = use_case.contract
    if contract.gate.shown == MEAN_COST:
        return _OfCosts(use_case)
    if contract.label.several:
        return _OfSets(use_case)
    return (_OfClasses if contract.label.classes else _OfNumbers)(use_case)
