"""The metrics a gate can ask for, by scikit-learn's names: of which task, which way is better, and what they need."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from lakeloop.contract.section import mistake

Better = Literal["higher", "lower"]
Task = Literal["classification", "regression", "multilabel"]
"""What a model does: it says which of some classes a row is of, or a number, or which of several labels it has."""


MEAN_COST = "mean_cost"
"""The one that needs to be told what errors cost."""


POISSON = "mean_poisson_deviance"
"""The one that is of counts, and other numbers that are never below 0."""


CLASS_DISTANCE, KAPPA = "mean_class_distance", "cohen_kappa_score"
"""Those that need to be told that classes are ordered."""


@dataclass(frozen=True)
class Metric:
    """One metric, from `lowest` to `highest`. `of_class`: it is about one class; `can_be_of_class`: it is, where a
    check names one. `at`: other metrics that can be held fixed meanwhile. `task`: what a model does that it is of;
    `instead` is the nearest of the other task. `can_decide`: champion and candidates can be compared by it.
    `of_answer`: it is of the class that was answered, which a threshold moves, and not of its probability; or of the
    interval: of what is learnt from some of the held-out rows, so that the others tell.
    `of_labels`: a metric of classes that is of several labels, too; `instead_of_labels` is the nearest that is.
    """

    name: str
    about: str
    better: Better = "higher"
    of_class: bool = False
    can_be_of_class: bool = False
    at: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0
    task: Task = "classification"
    instead: str = "mean_absolute_error"
    can_decide: bool = True
    of_answer: bool = False
    of_labels: bool = False
    instead_of_labels: str = "hamming_loss"

    def fits(self, task: Task) -> bool:
        """Whether it is of what a model does."""
        return self.task == task or (task == "multilabel" and self.of_labels)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self.better == "higher"

    @property
    def worst(self) -> float:
        """The worst value it can have."""
        return self.lowest if self.higher_is_better else self.highest

    def gain(self, one: float, other: float) -> float:
        """How much better one value of it is than another; below 0 where it is worse."""
        return one - other if self.higher_is_better else other - one

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value of it is better than another."""
        return self.gain(one, other) > 0


def _of_numbers(
    name: str, about: str, better: Better = "lower", highest: float = inf, instead: str = "accuracy", **said: Any
) -> Metric:
    return Metric(name, about, better, highest=highest, task="regression", instead=instead, **said)


_ALL = (
    Metric(
        "accuracy",
        "share of rows that were answered with their label; of several labels, with exactly those they have (subset "
        "accuracy)",
        of_answer=True,
        of_labels=True,
    ),
    Metric(
        "balanced_accuracy",
        "mean over the classes of their recall",
        of_answer=True,
        instead_of_labels="f1_macro",
    ),
    Metric(
        "precision",
        "of the rows answered with the class, the share that has it",
        of_class=True,
        at=("recall",),
        can_decide=False,
        of_answer=True,
        of_labels=True,
    ),
    Metric(
        "recall",
        "of the rows that have the class, the share answered with it",
        of_class=True,
        at=("precision",),
        can_decide=False,
        of_answer=True,
        of_labels=True,
    ),
    Metric(
        "f1",
        "harmonic mean of precision and recall of the class",
        of_class=True,
        can_decide=False,
        of_answer=True,
        of_labels=True,
    ),
    Metric("f1_macro", "mean over the classes of their f1", of_answer=True, of_labels=True),
    Metric("f1_weighted", "the same, each class counting by its rows", of_answer=True, of_labels=True),
    Metric(
        "f1_micro",
        "harmonic mean of precision and recall over all labels of all rows, where rows have several",
        of_answer=True,
        task="multilabel",
        instead="f1_macro",
        of_labels=True,
    ),
    Metric(
        "hamming_loss",
        "share of all labels of all rows that were answered wrongly, where rows have several",
        better="lower",
        of_answer=True,
        task="multilabel",
        instead="accuracy",
        of_labels=True,
    ),
    Metric(
        MEAN_COST,
        "mean over the rows of what their answer costs, by the label's decision",
        better="lower",
        highest=inf,
        of_answer=True,
    ),
    Metric(
        CLASS_DISTANCE,
        "how many classes an answer lies from the label, its mean, where classes are ordered",
        better="lower",
        highest=inf,
        of_answer=True,
    ),
    Metric(
        KAPPA,
        "agreement of answers and labels beyond chance, an error counting by the square of its distance (quadratic "
        "weights), where classes are ordered",
        lowest=-1.0,
        of_answer=True,
    ),
    Metric(
        "roc_auc",
        "chance that a row of the class gets a higher probability of it than another row; of all classes the mean",
        can_be_of_class=True,
        instead="r2_score",
        of_labels=True,
    ),
    Metric(
        "average_precision",
        "area under the curve of precision and recall of the class; of all classes the mean",
        can_be_of_class=True,
        instead="r2_score",
        of_labels=True,
    ),
    Metric(
        "log_loss",
        "mean negative logarithm of the probability the label got (nats); of several labels their mean",
        better="lower",
        highest=inf,
        instead="mean_pinball_loss",
        of_labels=True,
    ),
    Metric(
        "brier_score",
        "squared distance of the probabilities from the label's, its mean",
        better="lower",
        highest=2,
        instead="root_mean_squared_error",
        of_labels=True,
    ),
    Metric(
        "calibration_error",
        "mean distance between the highest probability and the share that is right, in ten bins (ECE)",
        better="lower",
        instead="interval_coverage",
        instead_of_labels="brier_score",
    ),
    _of_numbers("mean_absolute_error", "mean distance of the answer from the label, in its unit (MAE)"),
    _of_numbers(
        "root_mean_squared_error",
        "square root of the mean squared distance, in the label's unit (RMSE)",
        instead="brier_score",
    ),
    _of_numbers(
        "mean_absolute_percentage_error",
        "mean distance as a share of the label (MAPE); useless where labels are 0 or near it",
    ),
    _of_numbers(
        POISSON,
        "how far the answers lie from counts, an error of a small one counting more; for labels that are never below 0",
        instead="log_loss",
    ),
    _of_numbers(
        "r2_score",
        "share of the labels' variance that the answers explain (R²); below 0 where their mean explains more",
        better="higher",
        lowest=-inf,
        highest=1.0,
        instead="roc_auc",
    ),
    _of_numbers(
        "mean_pinball_loss",
        "pinball loss of the interval's two ends, their mean, in the label's unit",
        instead="log_loss",
        can_decide=False,
        of_answer=True,
    ),
    _of_numbers(
        "interval_coverage",
        "share of rows whose label lies in the interval that was answered",
        better="higher",
        highest=1.0,
        instead="calibration_error",
        can_decide=False,
        of_answer=True,
    ),
    _of_numbers(
        "mean_interval_width", "mean width of the interval, in the label's unit", can_decide=False, of_answer=True
    ),
)
METRICS = {metric.name: metric for metric in _ALL}
DECIDES: dict[Task, str] = {
    "classification": "accuracy", "regression": "mean_absolute_error", "multilabel": "f1_micro"
}  # fmt: skip
"""The metric that decides where a contract does not say one."""
ANSWERED: dict[Task, str] = {
    "classification": "classes", "regression": "numbers", "multilabel": "several labels of a row"
}  # fmt: skip
WHAT: dict[Task, str] = {
    "classification": "classification", "regression": "regression", "multilabel": "several labels"
}  # fmt: skip
"""Tasks in words."""
WATCHED_ERRORS = ("mean_absolute_error", "root_mean_squared_error")
"""Metrics of numbers that production is watched by: means over rows, so they can be estimated row by row."""
SYNONYMS = {
    "auc": "roc_auc", "auroc": "roc_auc", "pr_auc": "average_precision", "auc_pr": "average_precision",
    "auprc": "average_precision", "sensitivity": "recall", "tpr": "recall", "true_positive_rate": "recall",
    "ppv": "precision", "f1_score": "f1", "f1-score": "f1", "macro_f1": "f1_macro", "brier": "brier_score",
    "brier_score_loss": "brier_score", "neg_log_loss": "log_loss", "cross_entropy": "log_loss", "logloss": "log_loss",
    "ece": "calibration_error", "expected_calibration_error": "calibration_error", "acc": "accuracy",
    "accuracy_score": "accuracy", "precision_score": "precision", "recall_score": "recall",
    "recall_at_precision": "recall", "precision_at_recall": "precision",
    "sparse_categorical_accuracy": "accuracy", "categorical_accuracy": "accuracy", "binary_accuracy": "accuracy",
    "sparse_categorical_crossentropy": "log_loss", "categorical_crossentropy": "log_loss",
    "binary_crossentropy": "log_loss", "auc_precision_recall": "average_precision", "cost": "mean_cost",
    "expected_cost": "mean_cost",
    "quadratic_weighted_kappa": "cohen_kappa_score", "weighted_kappa": "cohen_kappa_score",
    "qwk": "cohen_kappa_score", "kappa": "cohen_kappa_score", "cohen_kappa": "cohen_kappa_score",
    "mean_absolute_class_distance": "mean_class_distance", "class_distance": "mean_class_distance",
    "mae": "mean_absolute_error", "rmse": "root_mean_squared_error", "mse": "root_mean_squared_error",
    "mean_squared_error": "root_mean_squared_error", "mape": "mean_absolute_percentage_error", "r2": "r2_score",
    "pinball": "mean_pinball_loss", "pinball_loss": "mean_pinball_loss", "quantile_loss": "mean_pinball_loss",
    "poisson_deviance": "mean_poisson_deviance", "poisson": "mean_poisson_deviance",
    "micro_f1": "f1_micro", "hamming": "hamming_loss", "subset_accuracy": "accuracy", "exact_match": "accuracy",
    "coverage": "interval_coverage", "interval_width": "mean_interval_width",
}  # fmt: skip
"""Other names of them: of TFMA, of scikit-learn's functions, and short ones."""
_RUN_TOGETHER = {name.replace("_", ""): meant for name, meant in {**{one: one for one in METRICS}, **SYNONYMS}.items()}
"""The same as TFMA writes names: `MeanAbsoluteError`."""


def metric_named(name: str, able: Iterable[str] = ()) -> Metric:
    """The metric of a name; else a contract mistake that offers the nearest, and lists those that are `able`."""
    if found := METRICS.get(name):
        return found
    known = name.strip().lower().replace(" ", "_").replace("-", "_")
    near = difflib.get_close_matches(known, [*METRICS, *SYNONYMS], n=1)
    close = _RUN_TOGETHER.get(known.replace("_", "")) or next((SYNONYMS.get(one, one) for one in near), "")
    offer = f"did you mean `{close}`? " if close else ""
    raise mistake(f"there is no metric `{name}`; {offer}there are: {', '.join(able or METRICS)}")


def misfit(metric: Metric, task: Task) -> str:
    """Why a metric is not of a task, with the nearest that is; '' where it is."""
    if metric.fits(task):
        return ""
    instead = METRICS[metric.instead]
    of_labels = metric.instead_of_labels if metric.task == "classification" else instead.instead_of_labels
    near = next(name for name in (metric.instead, of_labels, instead.instead) if METRICS[name].fits(task))
    said = f"`{metric.name}` is of {ANSWERED[metric.task]}, and the label is of {WHAT[task]}"
    return f"{said}; the nearest that fits is `{near}`"
