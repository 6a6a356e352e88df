"""Answers that know no row: what a model has to beat, by any metric."""

from dataclasses import replace

import numpy as np

from lakeloop.contract.metrics import CLASS_DISTANCE, MEAN_COST, Metric
from lakeloop.label_sets import has_labels, set_ids
from tfx_pipeline.evaluation.answers import Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.metrics import class_distances, measure_metric
from tfx_pipeline.evaluation.number_metrics import constant_numbers


def naive_answers(metric: Metric, train: Answers, rows: Answers) -> Answers:
    """Answers that know no row, the best there are by a metric: what a model has to beat."""
    if isinstance(train, NumberAnswers) and isinstance(rows, NumberAnswers):
        return constant_numbers(metric, train, rows)
    assert isinstance(train, ModelAnswers) and isinstance(rows, ModelAnswers)
    if isinstance(train, SetAnswers):
        return _constant_set(metric, train, rows)
    constant = constant_answers(train, rows)
    shares = constant.probabilities[0]
    if metric.name == MEAN_COST:
        costs = np.array(rows.costs)
    elif metric.name == CLASS_DISTANCE:
        costs = class_distances(len(shares))
    else:
        return constant
    return replace(constant, class_ids=np.full(len(rows.labels), np.argmin(shares @ costs)))


def constant_answers(train: ModelAnswers, rows: ModelAnswers) -> ModelAnswers:
    """For each row the shares that the classes have in train."""
    classes = train.probabilities.shape[1]
    shares = np.bincount(train.labels, weights=train.weights, minlength=classes)
    probabilities = np.broadcast_to(shares / shares.sum(), (len(rows.labels), classes))
    return ModelAnswers(rows.labels, probabilities, rows.weights, calibrated=rows.calibrated, costs=rows.costs)


def _constant_set(metric: Metric, train: SetAnswers, rows: ModelAnswers) -> SetAnswers:
    """For each row the shares that the labels have in train; answered is the set that is best in train by the metric:
    the commonest labels, however many of them that is, or the commonest set.
    """
    labels = train.probabilities.shape[1]
    shares = np.average(has_labels(train.labels, labels), axis=0, weights=train.weights)

    def constant(answers: ModelAnswers, set_id: int) -> SetAnswers:
        probabilities = np.broadcast_to(shares, (len(answers.labels), labels))
        ids = np.full(len(answers.labels), set_id)
        return SetAnswers(answers.labels, probabilities, answers.weights, class_ids=ids, calibrated=answers.calibrated)

    if not metric.of_answer:
        return constant(rows, int(set_ids(shares[None, :])[0]))
    commonest_first = np.cumsum(2 ** np.argsort(-shares, kind="stable"))
    different, counts = np.unique(train.labels, return_counts=True)
    sets = [0, *commonest_first.tolist(), int(different[counts.argmax()])]
    scores = [measure_metric(metric, constant(train, one)).value for one in sets]
    best = int((np.argmax if metric.higher_is_better else np.argmin)(scores))
    return constant(rows, sets[best])
