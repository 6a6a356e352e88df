"""Answers that need no model, and that one has to beat: such as know no row, and a row's own value as it is."""

from dataclasses import replace

import numpy as np

from lakeloop.contract.metrics import CLASS_DISTANCE, MEAN_COST, Metric
from lakeloop.contract.persistence import Persistence
from lakeloop.label_sets import has_labels, set_ids
from tfx_pipeline.evaluation.answers import Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.metrics import class_distances, measure_metric
from tfx_pipeline.evaluation.number_metrics import constant_numbers, interval_shares


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


def persistence_answers(metric: Metric, persistence: Persistence, train: Answers, rows: Answers) -> Answers:
    """For each row what it has now, by the column of the feature that says it; missing values as `naive_answers`.

    Beside a class stand the shares that the classes have in train where it was the same (and, as one row more, those
    they have at all), beside a number the interval that its errors have in train.
    """
    known, now = (persistence.answers(one.columns[persistence.feature]) for one in (train, rows))
    otherwise = naive_answers(metric, train, rows)
    if isinstance(otherwise, NumberAnswers):
        assert isinstance(train, NumberAnswers)
        return _same_numbers(otherwise, train, known, now)
    assert isinstance(train, ModelAnswers)
    there, classes = now >= 0, train.probabilities.shape[1]
    weights = np.ones(len(known)) if train.weights is None else train.weights
    shares = np.bincount(train.labels, weights=weights, minlength=classes) / weights.sum()
    counts = np.zeros((classes, classes))
    np.add.at(counts, (known[known >= 0], train.labels[known >= 0]), weights[known >= 0])
    followed = counts + shares
    followed /= followed.sum(axis=1, keepdims=True)
    probabilities = np.where(there[:, None], followed[now], otherwise.probabilities)
    return replace(otherwise, probabilities=probabilities, class_ids=np.where(there, now, otherwise.answered))


def _same_numbers(otherwise: NumberAnswers, train: NumberAnswers, known: np.ndarray, now: np.ndarray) -> NumberAnswers:
    there, errors = np.isfinite(now), (train.labels - known)[np.isfinite(known)]
    low, high = np.quantile(errors, interval_shares(otherwise.level)) if len(errors) else (0.0, 0.0)
    numbers = [(now, otherwise.predictions), (now + low, otherwise.lower), (now + high, otherwise.upper)]
    predictions, lower, upper = (np.where(there, mine, theirs) for mine, theirs in numbers)
    return replace(otherwise, predictions=predictions, lower=lower, upper=upper)


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
