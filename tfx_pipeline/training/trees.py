"""Gradient-boosted trees, trained by scikit-learn and answered by plain TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import sklearn
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from lakeloop.contract import TreesSettings
from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.rows import IN_MEMORY_VALUES, Rows, in_memory
from tfx_pipeline.training.tree_graph import BoostedTrees, TreeGraph, tree_tables
from tfx_pipeline.training.tree_inputs import TreeInputs

HELD_BACK = 0.1
"""Share of the training rows that `stop_after` looks at."""
HISTORY_ROWS = 20_000
"""Rows that loss and accuracy after each iteration are measured on, at most: every tree is asked for each of them."""
COMPARED_ROWS = 1_000
TOLERANCE = 1e-6
"""How far the exported trees' answers may be from scikit-learn's, of numbers above 1 as a share of them: those are
float64, and these float32."""
SMALLEST = float(np.finfo(np.float64).eps)


def fit(settings: TreesSettings, data: TrainingData, log_folder: str | None) -> Fitted:
    """Train trees, and make a graph of them that answers as they do; TensorBoard's logs go to `log_folder`.

    Raises:
        LakeloopError: the rows are too many for memory or of one class alone, or the graph answers otherwise.
    """
    if data.several:
        return _fit_each(settings, data, log_folder)
    train, seen = _checked(settings, data), TreeInputs.of(data.width, data.one_hot)
    kind = HistGradientBoostingClassifier if data.classes else partial(HistGradientBoostingRegressor, loss=data.loss)
    model = kind(
        max_iter=settings.iterations,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.min_rows_per_leaf,
        learning_rate=settings.learning_rate,
        l2_regularization=settings.l2,
        early_stopping=settings.stop_after > 0,
        n_iter_no_change=max(1, settings.stop_after),
        validation_fraction=HELD_BACK,
        categorical_features=list(range(len(seen.categories))) or None,
        random_state=settings.seed,
    )
    with threadpool_limits(1):  # more threads add sums up in another order each time, and wait for busy cores
        features = seen.seen(train.features)
        model.fit(features, train.labels, train.weights)
        history = {}
        if data.validation is not None:
            validation = in_memory(data.validation, data.width)
            held_out = None if validation is None else replace(validation, features=seen.seen(validation.features))
            history = _history(model, replace(train, features=features), held_out)
    graph = TreeGraph(tree_tables(model, seen, data.classes))
    check_answers(model, graph, train.features, settings.seed)
    if log_folder is not None:
        _log(Path(log_folder), history)
    return Fitted(graph.answers, graph.variables, history)


def _fit_each(settings: TreesSettings, data: TrainingData, log_folder: str | None) -> Fitted:
    """Of several labels: trees for each of them by itself, and their answers side by side."""
    of_each = []
    for place in range(data.classes):
        try:
            of_each.append(fit(settings, _of_one_label(data, place), None))
        except LakeloopError as error:
            raise LakeloopError(
                f"of the label {place} (from 0, in the contract's order; class 1 has it): {error}"
            ) from error
    lengths = [len(values) for one in of_each for values in one.history.values()]
    history = {
        name: np.mean([_lengthened(one.history[name], max(lengths)) for one in of_each], axis=0).tolist()
        for name in of_each[0].history
    }
    if log_folder is not None:
        _log(Path(log_folder), history)

    def answer(features: tf.Tensor) -> tf.Tensor:
        return tf.concat([one.predict(features)[:, 1:] for one in of_each], axis=1)

    return Fitted(answer, [variable for one in of_each for variable in one.variables], history)


def _of_one_label(data: TrainingData, place: int) -> TrainingData:
    """The same rows with two classes: those without and with the label."""

    def of_batch(features: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return features, tf.bitwise.right_shift(ids, tf.constant(place, ids.dtype)) % 2

    train = data.train
    if isinstance(train, Rows):
        train = replace(train, labels=train.labels >> place & 1)
    validation = None if data.validation is None else data.validation.map(of_batch)
    return replace(data, train=train, validation=validation, classes=2, several=False)


def _lengthened(values: Sequence[float], length: int) -> list[float]:
    """A history that was stopped early, as if it had gone on with its last value."""
    return [*values, *[values[-1]] * (length - len(values))]


def check_answers(model: BoostedTrees, graph: TreeGraph, features: np.ndarray, seed: int) -> None:
    """Ask both about training rows, about rows that lie on the trees' thresholds and beside them, and about gaps.

    Raises:
        LakeloopError: their probabilities, or numbers, differ.
    """
    rows = _rows_to_compare(features, graph, np.random.default_rng(seed))
    wanted = _answers(model, graph.host.seen.seen(rows), len(graph.host.columns))
    off = np.abs(graph.answers(tf.constant(rows)).numpy() - wanted) / np.maximum(1.0, np.abs(wanted))
    differ = ~(off <= TOLERANCE).all(axis=1)
    if differ.any():
        raise LakeloopError(
            f"the exported trees do not answer as those of scikit-learn {sklearn.__version__} do: answers to "
            f"{int(differ.sum())} of {len(rows):,} rows differ, by up to {np.nanmax(off):.2g}. This is "
            "a mistake in Lakeloop; the model is not exported, `--set kind=network` trains another one"
        )


def _answers(model: BoostedTrees, rows: np.ndarray, classes: int) -> np.ndarray:
    """What scikit-learn answers: probabilities (n, classes), or numbers (n, 1), float64."""
    if isinstance(model, HistGradientBoostingRegressor):
        return np.asarray(model.predict(rows)).reshape(-1, 1)
    answers = np.zeros((len(rows), classes))
    answers[:, model.classes_] = model.predict_proba(rows)
    return answers


def _checked(settings: TreesSettings, data: TrainingData) -> Rows:
    """The training rows, if trees can be grown on them."""
    if not isinstance(data.train, Rows):
        raise LakeloopError(
            f"trees need all training rows in memory, and there are more than {IN_MEMORY_VALUES:,} values; train on "
            "fewer periods, or a network (`kind: network`), which reads them from disk"
        )
    if not data.classes:
        if data.loss == "poisson" and not data.train.labels.any():
            raise LakeloopError(
                f"all {len(data.train.labels):,} training rows have the number 0, and trees of counts need one above "
                "it; train on more periods"
            )
        return data.train
    known, counts = np.unique(data.train.labels, return_counts=True)
    if len(known) < 2:
        raise LakeloopError(
            f"all {len(data.train.labels):,} training rows are of class {known[0]}, and trees need rows of two; "
            "train on more periods"
        )
    if settings.stop_after and counts.min() < 2:
        raise LakeloopError(
            f"`stop_after` holds rows of every class back, and class {known[counts.argmin()]} has 1 training row; set "
            "it to 0, or train on more periods"
        )
    if settings.stop_after and counts.sum() * HELD_BACK <= len(known) - 1:
        raise LakeloopError(
            f"`stop_after` holds a tenth of the training rows back, of {counts.sum()} too few for a row of each of "
            f"{len(known)} classes; set it to 0, or train on more periods"
        )
    return data.train


def _history(model: BoostedTrees, train: Rows, validation: Rows | None) -> dict[str, list[float]]:
    """Loss and a metric after each iteration, named as Keras names them after each epoch."""
    history: dict[str, list[float]] = {}
    measured = _numbers_measured if isinstance(model, HistGradientBoostingRegressor) else _classes_measured
    for prefix, rows in (("", train), ("val_", validation)):
        if rows is None:
            continue
        some = slice(None, None, -(-len(rows.labels) // HISTORY_ROWS))
        weights = None if rows.weights is None else rows.weights[some]
        for figures in measured(model, Rows(rows.features[some], rows.labels[some], weights)):
            for name, value in figures.items():
                history.setdefault(prefix + name, []).append(float(value))
    return history


def _classes_measured(model: HistGradientBoostingClassifier, rows: Rows) -> Iterator[dict[str, float]]:
    """After each iteration."""
    column = np.searchsorted(model.classes_, rows.labels)
    known = np.isin(rows.labels, model.classes_)
    column[~known] = 0
    for answers in model.staged_predict_proba(rows.features):
        of_label = np.where(known, answers[np.arange(len(column)), column], 0.0)
        loss = -np.log(np.maximum(of_label, SMALLEST))
        right = known & (answers.argmax(axis=1) == column)
        yield {"accuracy": right.mean(), "loss": np.average(loss, weights=rows.weights)}


def _numbers_measured(model: HistGradientBoostingRegressor, rows: Rows) -> Iterator[dict[str, float]]:
    """After each iteration; the loss as Keras has it."""
    for answers in model.staged_predict(rows.features):
        off = np.abs(answers - rows.labels)
        if model.loss == "poisson":
            loss = answers - rows.labels * np.log(np.maximum(answers, SMALLEST))
        else:
            loss = off**2
        yield {"mean_absolute_error": off.mean(), "loss": np.average(loss, weights=rows.weights)}


def _log(folder: Path, history: Mapping[str, Sequence[float]]) -> None:
    """For TensorBoard, under the names of Keras' callback: so runs of both kinds are in one chart."""
    for name, prefix in (("train", ""), ("validation", "val_")):
        with tf.summary.create_file_writer(str(folder / name)).as_default():
            for figure in ("loss", "accuracy", "mean_absolute_error"):
                for step, value in enumerate(history.get(prefix + figure, ())):
                    tf.summary.scalar(f"epoch_{figure}", value, step=step)


def _rows_to_compare(features: np.ndarray, graph: TreeGraph, random: np.random.Generator) -> np.ndarray:
    """Some training rows; the same with values that trees split at, the next ones, and any category; and with gaps."""
    seen = graph.host.seen
    rows = features[random.integers(0, len(features), COMPARED_ROWS)].astype(np.float32)
    close = rows.copy()
    for number, column in enumerate(seen.numbers):
        thresholds = graph.host.thresholds_of(number)
        if len(thresholds):
            at = random.choice(thresholds, len(rows))
            beside = [at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))]
            close[:, column] = np.choose(random.integers(0, 3, len(rows)), beside)
    for start, stop in seen.categories:
        values = np.eye(stop - start + 1, stop - start, dtype=np.float32)  # the last is none of them
        close[:, start:stop] = values[random.integers(0, len(values), len(rows))]
    gaps = rows.copy()
    gone = random.random((len(rows), len(seen.numbers))) < 0.2
    gaps[:, seen.numbers] = np.where(gone, np.float32(np.nan), rows[:, seen.numbers])
    return np.concatenate([rows, close, gaps])
