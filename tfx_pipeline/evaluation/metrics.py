"""Named metrics of answers by classes, with their influence (`measured`): values are scikit-learn's of these names.

`measure` and `measure_metric` are the way to those of numbers, too.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lakeloop.contract import MetricCheck
from lakeloop.contract.metrics import CLASS_DISTANCE, KAPPA, MEAN_COST, METRICS, Metric
from tfx_pipeline.evaluation.answers import Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.measured import Found, Measured, WeightedRows
from tfx_pipeline.evaluation.number_metrics import measure_number

BINS = 10
"""Of the calibration error, of the same width."""
SMALLEST = float(np.finfo(np.float64).eps)


def measure(check: MetricCheck, answers: Answers, class_names: tuple[str, ...]) -> Measured:
    """What a check asks for, whole or on the rows of one slice."""
    if isinstance(answers, NumberAnswers):
        return measure_metric(check.the_metric, answers)
    of = len(class_names) - 1 if check.of is None else class_names.index(check.of)
    metric = check.the_metric
    if check.at:
        return _at(metric, answers, of, next(iter(check.at.values())))
    two = len(class_names) == 2 and not isinstance(answers, SetAnswers)
    one_class = metric.of_class or check.of is not None or two
    return measure_metric(metric, answers, of if one_class else None)


def measure_metric(metric: Metric, answers: Answers, of: int | None = None) -> Measured:
    """A metric of all classes, of one class id, or of numbers, on the rows that tell of it."""
    answers = rows_that_tell(metric, answers)
    if isinstance(answers, NumberAnswers):
        return measure_number(metric, answers)
    rows = _rows_of(answers)
    if isinstance(rows, _SetRows) and metric.name in _OF_SETS:
        value, influence, counted = _OF_SETS[metric.name](rows)
    elif metric.name in _OF_CLASS:
        value, influence, counted = _OF_CLASS[metric.name](rows, rows.classes - 1 if of is None else of)
    elif metric.name in _RANKED:
        value, influence, counted = _ranked(rows, _RANKED[metric.name], of)
    else:
        value, influence, counted = _OF_ALL[metric.name](rows)
    return Measured(metric, value, influence, counted)


def rows_that_tell(metric: Metric, answers: Answers) -> Answers:
    """Of a metric of what was learnt from some of the rows the others; of any other metric all of them."""
    return answers.telling if metric.of_answer else answers


class _Rows(WeightedRows):
    """Answers, and how much each row weighs."""

    def __init__(self, answers: ModelAnswers) -> None:
        super().__init__(len(answers.labels), answers.weights)
        self.labels, self.probabilities = answers.labels, answers.probabilities
        self.classes = answers.probabilities.shape[1]
        self.answered, self.costs = answers.answered, answers.costs

    def has(self, class_id: int) -> np.ndarray:
        return np.asarray(self.labels == class_id)

    def gets(self, class_id: int) -> np.ndarray:
        return np.asarray(self.answered == class_id)

    @property
    def all_had(self) -> np.ndarray:
        """Whether each row has each class, (n, classes)."""
        return np.stack([self.has(of) for of in range(self.classes)], axis=1)

    @property
    def all_gotten(self) -> np.ndarray:
        """Whether each row was answered with each class, (n, classes)."""
        return np.stack([self.gets(of) for of in range(self.classes)], axis=1)

    @property
    def present(self) -> list[int]:
        """Classes that any row has."""
        return np.unique(self.labels).tolist()

    @property
    def present_or_answered(self) -> list[int]:
        return np.union1d(self.labels, self.answered).tolist()


class _SetRows(_Rows):
    """The same of several labels, each a class that a row has or not, and is answered with or not."""

    def has(self, class_id: int) -> np.ndarray:
        return np.asarray(self.labels.astype(np.int64) >> class_id & 1, bool)

    def gets(self, class_id: int) -> np.ndarray:
        return np.asarray(self.answered.astype(np.int64) >> class_id & 1, bool)

    @property
    def present(self) -> list[int]:
        """Labels that any row has."""
        return [of for of in range(self.classes) if self.has(of).any()]

    @property
    def present_or_answered(self) -> list[int]:
        """All labels: one that no row has and none was answered with has an f1 of 0, as scikit-learn says it."""
        return list(range(self.classes))


def _rows_of(answers: ModelAnswers) -> _Rows:
    return (_SetRows if isinstance(answers, SetAnswers) else _Rows)(answers)


def _f1_micro(rows: _SetRows) -> Found:
    had, gotten = rows.all_had, rows.all_gotten
    both = 2.0 * (had & gotten).sum(axis=1)
    value, influence, _ = rows.ratio(both, had.sum(axis=1).astype(float) + gotten.sum(axis=1))
    return value, influence, None


def _hamming_loss(rows: _SetRows) -> Found:
    return rows.mean_found((rows.all_had != rows.all_gotten).mean(axis=1))


def _log_loss_of_sets(rows: _SetRows) -> Found:
    known = rows.probabilities.astype(np.float64)
    given = np.where(rows.all_had, known, 1 - known)
    return rows.mean_found(-np.log(np.clip(given, SMALLEST, 1.0)).mean(axis=1))


def _brier_score_of_sets(rows: _SetRows) -> Found:
    return rows.mean_found(((rows.probabilities.astype(np.float64) - rows.all_had) ** 2).mean(axis=1))


def _precision(rows: _Rows, of: int) -> Found:
    return rows.ratio(rows.has(of) & rows.gets(of), rows.gets(of))


def _recall(rows: _Rows, of: int) -> Found:
    return rows.ratio(rows.has(of) & rows.gets(of), rows.has(of))


def _f1(rows: _Rows, of: int) -> Found:
    both = 2.0 * (rows.has(of) & rows.gets(of))
    value, influence, counted = rows.ratio(both, rows.has(of).astype(float) + rows.gets(of))
    return value, influence, 0 if counted == 0 else None


def _accuracy(rows: _Rows) -> Found:
    return rows.share(rows.labels == rows.answered)


def _balanced_accuracy(rows: _Rows) -> Found:
    return _mean_of([_recall(rows, of) for of in rows.present])


def _f1_macro(rows: _Rows) -> Found:
    return _mean_of([_f1(rows, of) for of in rows.present_or_answered])


def _f1_weighted(rows: _Rows) -> Found:
    """The f1 of each class, or label, counting by how many rows have it."""
    found = [_f1(rows, of) for of in range(rows.classes)]
    shares = np.array([rows.mean(rows.has(of)) for of in range(rows.classes)])
    whole = shares.sum()
    if whole == 0:
        return 0.0, np.zeros(len(rows.labels)), None
    each = np.array([one[0] for one in found])
    value = float(shares @ each / whole)
    pulls = sum(share * one[1] for share, one in zip(shares, found, strict=True))
    pulls = pulls + rows.weights * (rows.all_had @ each - value * rows.all_had.sum(axis=1))
    return value, pulls / whole, None


def _mean_cost(rows: _Rows) -> Found:
    if rows.costs is None:
        raise ValueError("what errors cost was not said")
    return rows.mean_found(np.array(rows.costs)[rows.labels, rows.answered])


def class_distances(classes: int) -> np.ndarray:
    """How many classes each lies from each, (classes, classes)."""
    places = np.arange(classes)
    return np.abs(places[:, None] - places)


def _mean_class_distance(rows: _Rows) -> Found:
    return rows.mean_found(class_distances(rows.classes)[rows.labels, rows.answered])


def _cohen_kappa_score(rows: _Rows) -> Found:
    """By quadratic weights: 1 less the squared distance there is over that of answers dealt out by chance; 0 where
    labels and answers are all one class.
    """
    squares = class_distances(rows.classes).astype(float) ** 2
    each = squares[rows.labels, rows.answered]
    of_labels, of_answers = (
        np.bincount(ids, weights=rows.weights, minlength=rows.classes) / len(ids)
        for ids in (rows.labels, rows.answered)
    )
    there, by_chance = rows.mean(each), float(of_labels @ squares @ of_answers)
    if by_chance == 0:
        return 0.0, np.zeros(len(each)), 0
    pulls_at_chance = (squares @ of_answers)[rows.labels] + (of_labels @ squares)[rows.answered] - 2 * by_chance
    pulls = there * pulls_at_chance / by_chance - (each - there)
    return 1 - there / by_chance, rows.weights * pulls / by_chance, None


def _log_loss(rows: _Rows) -> Found:
    given = rows.probabilities[np.arange(len(rows.labels)), rows.labels].astype(np.float64)
    return rows.mean_found(-np.log(np.clip(given, SMALLEST, 1.0)))


def _brier_score(rows: _Rows) -> Found:
    """Of two classes, as everywhere, that of one of them."""
    distance = rows.probabilities.astype(np.float64)
    distance[np.arange(len(rows.labels)), rows.labels] -= 1.0
    squares = np.sum(distance**2, axis=1)
    return rows.mean_found(squares / 2 if rows.classes == 2 else squares)


def _calibration_error(rows: _Rows) -> Found:
    highest = rows.probabilities.max(axis=1).astype(np.float64)
    distance = highest - (rows.labels == rows.probabilities.argmax(axis=1))
    places = np.minimum((highest * BINS).astype(int), BINS - 1)
    signs = np.sign(np.bincount(places, weights=rows.weights * distance, minlength=BINS))
    return rows.mean_found(signs[places] * distance)


def _mean_of(found: list[Found]) -> Found:
    return float(np.mean([one[0] for one in found])), np.mean([one[1] for one in found], axis=0), None


def _ranked(rows: _Rows, measured: Callable[[_Rows, int], Found], of: int | None) -> Found:
    """Of one class, or the mean over those that some rows have and others have not."""
    if of is not None:
        return measured(rows, of)
    there = [one for one in rows.present if not rows.has(one).all()]
    return _mean_of([measured(rows, one) for one in there]) if there else _undefined(rows)


def _undefined(rows: _Rows) -> Found:
    """Where all rows are of one class nothing can be ranked: as good as a guess."""
    return 0.5, np.zeros(len(rows.labels)), 0


def _roc_auc(rows: _Rows, of: int) -> Found:
    has = rows.has(of)
    if has.all() or not has.any():
        return _undefined(rows)
    place, steps = _steps(rows.probabilities[:, of])
    with_class = np.bincount(place, weights=rows.weights * has, minlength=steps)
    without = np.bincount(place, weights=rows.weights * ~has, minlength=steps)
    below = (np.cumsum(without) - without / 2) / without.sum()
    above = 1 - (np.cumsum(with_class) - with_class / 2) / with_class.sum()
    value = float(np.sum(with_class * below) / with_class.sum())
    share = with_class.sum() / (with_class.sum() + without.sum())
    pulls = np.where(has, (below[place] - value) / share, (above[place] - value) / (1 - share))
    return value, rows.weights * pulls, None


def _average_precision(rows: _Rows, of: int) -> Found:
    has = rows.has(of)
    if not has.any():
        return 0.0, np.zeros(len(has)), 0
    place, steps = _steps(rows.probabilities[:, of])
    n = len(has)
    with_class = np.bincount(place, weights=rows.weights * has, minlength=steps) / n
    share = with_class.sum()
    answered = np.cumsum((np.bincount(place, weights=rows.weights, minlength=steps) / n)[::-1])[::-1]
    precision = np.cumsum(with_class[::-1])[::-1] / answered
    value = float(np.sum(with_class * precision) / share)
    reached = with_class / share / answered
    pulls = has * (precision[place] - value) / share
    pulls = pulls + has * np.cumsum(reached)[place] - np.cumsum(reached * precision)[place]
    return value, rows.weights * pulls, None


def _at(metric: Metric, answers: ModelAnswers, of: int, wanted: float) -> Measured:
    """Recall where precision is `wanted` at least, or the other way round; the threshold is taken as given."""
    rows = _rows_of(answers)
    has = rows.has(of)
    place, steps = _steps(rows.probabilities[:, of])
    with_class = np.cumsum(np.bincount(place, weights=rows.weights * has, minlength=steps)[::-1])[::-1]
    answered = np.cumsum(np.bincount(place, weights=rows.weights, minlength=steps)[::-1])[::-1]
    precision = with_class / answered
    recall = with_class / with_class[0] if with_class[0] else np.zeros(steps)
    fixed, measured = (precision, recall) if metric.name == "recall" else (recall, precision)
    reached = fixed >= wanted
    if not reached.any():
        return Measured(metric, metric.lowest, np.zeros(len(has)), reached=False)
    best = int(np.argmax(np.where(reached, measured, -1.0)))
    gets = place >= best
    return Measured(metric, *rows.ratio(has & gets, has if metric.name == "recall" else gets))


def _steps(scores: np.ndarray) -> tuple[np.ndarray, int]:
    """Each row's place among the different scores, from the lowest, and how many there are."""
    different, place = np.unique(scores, return_inverse=True)
    return place, len(different)


_OF_CLASS: Mapping[str, Callable[[_Rows, int], Found]] = {"precision": _precision, "recall": _recall, "f1": _f1}
_RANKED: Mapping[str, Callable[[_Rows, int], Found]] = {"roc_auc": _roc_auc, "average_precision": _average_precision}
_OF_ALL: Mapping[str, Callable[[_Rows], Found]] = {
    "accuracy": _accuracy, "balanced_accuracy": _balanced_accuracy, "f1_macro": _f1_macro, "f1_weighted": _f1_weighted,
    MEAN_COST: _mean_cost,
    CLASS_DISTANCE: _mean_class_distance,
    KAPPA: _cohen_kappa_score,
    "log_loss": _log_loss, "brier_score": _brier_score, "calibration_error": _calibration_error,
}  # fmt: skip
_OF_SETS: Mapping[str, Callable[[_SetRows], Found]] = {
    "f1_micro": _f1_micro, "hamming_loss": _hamming_loss,
    "log_loss": _log_loss_of_sets, "brier_score": _brier_score_of_sets,
}  # fmt: skip
"""Of several labels what is computed otherwise than of classes."""
assert {*_OF_CLASS, *_RANKED, *_OF_ALL} == {m.name for m in METRICS.values() if m.task == "classification"}
assert {m.name for m in METRICS.values() if m.task == "multilabel"} <= {*_OF_SETS}
