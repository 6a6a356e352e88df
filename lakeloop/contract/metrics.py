"""The metrics a gate can ask for, by scikit-learn's names: which way is better, and what they need."""

import difflib
from dataclasses import dataclass
from math import inf
from typing import Literal

from lakeloop.contract.section import mistake

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One metric, from `lowest` to `highest`. `of_class`: it is about one class; `can_be_of_class`: it is, where a
    check names one. `at`: other metrics that can be held fixed meanwhile.
    """

    name: str
    about: str
    better: Better = "higher"
    of_class: bool = False
    can_be_of_class: bool = False
    at: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self.better == "higher"

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value of it is better than another."""
        return one > other if self.higher_is_better else one < other


_ALL = (
    Metric("accuracy", "share of rows whose most probable class is the label"),
    Metric("balanced_accuracy", "mean over the classes of their recall"),
    Metric("precision", "of the rows answered with the class, the share that has it", of_class=True, at=("recall",)),
    Metric("recall", "of the rows that have the class, the share answered with it", of_class=True, at=("precision",)),
    Metric("f1", "harmonic mean of precision and recall of the class", of_class=True),
    Metric("f1_macro", "mean over the classes of their f1"),
    Metric("f1_weighted", "the same, each class counting by its rows"),
    Metric(
        "roc_auc",
        "chance that a row of the class gets a higher probability of it than another row; of all classes the mean",
        can_be_of_class=True,
    ),
    Metric(
        "average_precision",
        "area under the curve of precision and recall of the class; of all classes the mean",
        can_be_of_class=True,
    ),
    Metric("log_loss", "mean negative logarithm of the probability the label got (nats)", better="lower", highest=inf),
    Metric(
        "brier_score", "squared distance of the probabilities from the label's, its mean", better="lower", highest=2
    ),
    Metric(
        "calibration_error",
        "mean distance between the highest probability and the share that is right, in ten bins (ECE)",
        better="lower",
    ),
)
METRICS = {metric.name: metric for metric in _ALL}
SYNONYMS = {
    "auc": "roc_auc", "auroc": "roc_auc", "pr_auc": "average_precision", "auc_pr": "average_precision",
    "auprc": "average_precision", "sensitivity": "recall", "tpr": "recall", "true_positive_rate": "recall",
    "ppv": "precision", "f1_score": "f1", "f1-score": "f1", "macro_f1": "f1_macro", "brier": "brier_score",
    "brier_score_loss": "brier_score", "neg_log_loss": "log_loss", "cross_entropy": "log_loss", "logloss": "log_loss",
    "ece": "calibration_error", "expected_calibration_error": "calibration_error", "acc": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
}  # fmt: skip


def metric_named(name: str) -> Metric:
    """The metric of a name; else a contract mistake that offers the nearest."""
    if found := METRICS.get(name):
        return found
    known = name.strip().lower().replace(" ", "_").replace("-", "_")
    close = SYNONYMS.get(known) or next(iter(difflib.get_close_matches(known, [*METRICS, *SYNONYMS], n=1)), "")
    close = SYNONYMS.get(close, close)
    offer = f"did you mean `{close}`? " if close else ""
    raise mistake(f"there is no metric `{name}`; {offer}there are: {', '.join(METRICS)}")
