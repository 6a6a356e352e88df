"""Trees answer in TensorFlow as they do in scikit-learn, whatever a row looks like."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tensorflow.core.protobuf import saved_model_pb2
from threadpoolctl import threadpool_limits

from lakeloop.contract import TreesSettings
from lakeloop.exceptions import LakeloopError
from tfx_pipeline.training.fitted import Fitted, TrainingData
from tfx_pipeline.training.rows import Rows
from tfx_pipeline.training.trainer import fit as fit_model
from tfx_pipeline.training.tree_graph import TreeGraph, tree_tables
from tfx_pipeline.training.tree_inputs import TreeInputs
from tfx_pipeline.training.trees import TOLERANCE, check_answers, fit

WIDTH = 4


def rows(count: int = 3_000, classes: int = 3, seed: int = 1) -> Rows:
    """Rows of a rule and noise; the last feature is one of five values."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, WIDTH)).astype(np.float32)
    features[:, 3] = random.integers(0, 5, count) / 7
    score = features[:, 0] * features[:, 1] + features[:, 2] + random.normal(size=count) / 2
    return Rows(features, np.digitize(score, np.linspace(-1, 1, classes + 1)[1:-1]))


def numbers(count: int = 3_000, seed: int = 1) -> Rows:
    """The same rows, and a number of about a thousand."""
    found = rows(count, seed=seed)
    score = found.features[:, 0] * found.features[:, 1] + found.features[:, 2] + found.features[:, 3]
    return Rows(found.features, (1_000 + 50 * score).astype(np.float32))


def data(train: Rows, classes: int, validation: Rows | None = None) -> TrainingData:
    batches = None if validation is None else tf.data.Dataset.from_tensors((validation.features, validation.labels))
    return TrainingData(train, batches, WIDTH, classes)


def fitted(train: Rows, classes: int = 3, settings: TreesSettings | None = None) -> Fitted:
    return fit(settings or TreesSettings(iterations=10), data(train, classes), None)


def all_of(**settings: float) -> TreesSettings:
    """Settings of which all iterations are made, so that scikit-learn is asked for the same."""
    return TreesSettings(stop_after=0, **settings)  # type: ignore[arg-type]


def sklearn_trees(train: Rows, settings: TreesSettings) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=settings.iterations, max_leaf_nodes=settings.leaves, min_samples_leaf=settings.min_rows_per_leaf,
        learning_rate=settings.learning_rate, l2_regularization=settings.l2, early_stopping=False,
        random_state=settings.seed,
    )  # fmt: skip
    with threadpool_limits(1):  # where cores are busy, its threads wait for one another
        return model.fit(train.features, train.labels, train.weights)


@pytest.mark.parametrize("leaves", [2, 31, 64, 200])
@pytest.mark.parametrize("classes", [2, 3])
def test_they_answer_as_scikit_learn_does(classes: int, leaves: int) -> None:
    train, settings = rows(classes=classes), all_of(iterations=5, leaves=leaves, min_rows_per_leaf=2, l2=0.1)
    answers = fitted(train, classes, settings).predict(tf.constant(train.features)).numpy()
    wanted = sklearn_trees(train, settings).predict_proba(train.features)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, wanted, atol=TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_answered_as_scikit_learn_does_and_in_their_own_unit(weighted: bool) -> None:
    train, settings = numbers(), all_of(iterations=20, leaves=31, min_rows_per_leaf=5)
    if weighted:
        train = Rows(train.features, train.labels, np.where(train.features[:, 0] > 0, 5.0, 1.0))
    fitted = fit_model(settings, data(train, 0, numbers(500, seed=2)))
    answers = fitted.predict(tf.constant(train.features)).numpy()
    model = HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=5, early_stopping=False)
    with threadpool_limits(1):
        model.fit(train.features, train.labels, train.weights)
    np.testing.assert_allclose(answers[:, 0], model.predict(train.features), rtol=1e-5)
    assert answers.shape == (3_000, 1) and answers.dtype == np.float32 and answers.mean() > 900
    assert set(fitted.history) == {f"{of}{name}" for of in ("", "val_") for name in ("loss", "mean_absolute_error")}
    errors = fitted.history["val_mean_absolute_error"]
    assert len(errors) == 20 and errors[-1] < 0.6 * errors[0]


def counts(count: int = 3_000, seed: int = 1) -> Rows:
    """The same rows, and how often something happened: mostly never."""
    found = rows(count, seed=seed)
    rate = np.exp(found.features[:, 0] * found.features[:, 1] / 2 + found.features[:, 3] - 1)
    return Rows(found.features, np.random.default_rng(seed).poisson(rate).astype(np.float32))


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_are_answered_as_scikit_learn_does_and_never_below_0(weighted: bool) -> None:
    train, settings = counts(), all_of(iterations=20, leaves=31, min_rows_per_leaf=5)
    if weighted:
        train = Rows(train.features, train.labels, np.where(train.features[:, 0] > 0, 5.0, 1.0))
    given = replace(data(train, 0, counts(500, seed=2)), loss="poisson")
    fitted = fit_model(settings, given)
    answers = fitted.predict(tf.constant(train.features)).numpy()
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=20, min_samples_leaf=5, early_stopping=False)
    with threadpool_limits(1):
        model.fit(train.features, train.labels, train.weights)
    np.testing.assert_allclose(answers[:, 0], model.predict(train.features), rtol=1e-4)
    assert (answers > 0).all() and answers.min() < 0.3
    assert np.average(answers[:, 0], weights=train.weights) == pytest.approx(
        np.average(train.labels, weights=train.weights), rel=0.02
    )
    losses = fitted.history["val_loss"]
    assert len(losses) == 20 and losses[-1] < losses[0]
    scaled = train.labels / np.average(train.labels, weights=train.weights)
    wanted = model.predict(train.features) / np.average(train.labels, weights=train.weights)
    loss = np.average(wanted - scaled * np.log(wanted), weights=train.weights)
    assert fitted.history["loss"][-1] == pytest.approx(loss, rel=1e-4), "as Keras measures it"


def test_trees_of_counts_need_one_above_0() -> None:
    train = counts()
    none = replace(data(Rows(train.features, np.zeros_like(train.labels)), 0), loss="poisson")
    with pytest.raises(LakeloopError, match="all 3,000 training rows have the number 0, and trees of counts need one"):
        fit_model(TreesSettings(iterations=3), none)


def test_one_number_alone_is_what_trees_of_it_answer() -> None:
    train = numbers()
    alike = Rows(train.features, np.full_like(train.labels, 7.5))
    answers = fit_model(TreesSettings(iterations=3), data(alike, 0)).predict(tf.constant(train.features)).numpy()
    np.testing.assert_allclose(answers, 7.5)


def test_rows_on_a_threshold_and_next_to_it_go_the_way_of_float64() -> None:
    """Thresholds lie between two float32 values, and are mostly none themselves."""
    train, settings = rows(), TreesSettings(iterations=5)
    model = sklearn_trees(train, settings)
    nodes = np.concatenate([tree.nodes for iteration in model._predictors for tree in iteration])
    splits = nodes[nodes["is_leaf"] == 0]
    between = splits["num_threshold"] != splits["num_threshold"].astype(np.float32)
    assert between.any(), "or this proves nothing"
    asked = []
    for threshold, feature in zip(splits["num_threshold"], splits["feature_idx"], strict=True):
        near = np.float32(threshold)
        for value in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
            asked.append(train.features[len(asked)].copy())
            asked[-1][feature] = value
    graph = TreeGraph(tree_tables(model, TreeInputs(WIDTH), 3))
    answers = graph.answers(tf.constant(asked)).numpy()
    np.testing.assert_allclose(answers, model.predict_proba(np.array(asked)), atol=TOLERANCE)


@pytest.mark.parametrize("gaps_in_training", [False, True])
def test_gaps_and_numbers_without_end_go_the_way_they_went_in_scikit_learn(gaps_in_training: bool) -> None:
    train, random = rows(), np.random.default_rng(3)
    gaps = random.random(train.features.shape) < 0.3
    asked = np.where(gaps, np.float32(np.nan), train.features)
    trained = Rows(asked, train.labels) if gaps_in_training else train
    model = sklearn_trees(trained, TreesSettings(iterations=5))
    graph = TreeGraph(tree_tables(model, TreeInputs(WIDTH), 3))
    asked[:20, 0], asked[20:40, 1] = np.inf, -np.inf
    np.testing.assert_allclose(graph.answers(tf.constant(asked)).numpy(), model.predict_proba(asked), atol=TOLERANCE)


def in_categories(count: int = 2_000, seed: int = 1) -> tuple[Rows, list[np.ndarray]]:
    """A number, a category of 40 values (the last in no row, some rows with none), another number, one of three
    values, one of 256, one that no row has a value of; and the places of the first two, -1 for none."""
    random = np.random.default_rng(seed)
    places = [random.integers(-1, 39, count), random.integers(0, 3, count), random.integers(0, 256, count)]
    numbers = random.normal(size=(count, 2)).astype(np.float32)
    one_hot = [np.eye(width, dtype=np.float32)[place] for place, width in zip(places, (40, 3, 256), strict=True)]
    one_hot[0][places[0] < 0] = 0
    features = np.column_stack([numbers[:, :1], one_hot[0], numbers[:, 1:], *one_hot[1:], np.zeros((count, 4))])
    score = (places[0] * 7 % 11 - 5) / 3 * numbers[:, 0] + (places[1] == 1) + random.normal(size=count) / 2
    return Rows(features.astype(np.float32), np.digitize(score, [-0.5, 0.5])), places[:2]


@pytest.mark.parametrize("classes", [0, 3])
def test_a_category_is_split_by_sets_of_its_values_as_scikit_learn_does(classes: int) -> None:
    train, places = in_categories()
    train = train if classes else Rows(train.features, train.labels.astype(np.float32))
    ranges, width = ((1, 41), (42, 45), (45, 301), (301, 305)), train.features.shape[1]
    settings = all_of(iterations=6, leaves=31)
    answers = fit(settings, TrainingData(train, None, width, classes, ranges), None).predict(
        tf.constant(train.features)
    )
    known = np.column_stack([np.where(p < 0, np.nan, p) for p in places] + [np.full(len(places[0]), np.nan)])
    others = train.features[:, [0, 41, *range(45, 301)]]
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(max_iter=6, early_stopping=False, categorical_features=[0, 1, 2], random_state=1)
    with threadpool_limits(1):
        model.fit(asked := np.column_stack([known, others]), train.labels)
    wanted = model.predict_proba(asked) if classes else model.predict(asked).reshape(-1, 1)
    np.testing.assert_allclose(answers, wanted, atol=TOLERANCE)
    splits = np.concatenate([tree.nodes for iteration in model._predictors for tree in iteration])
    assert splits["is_categorical"].any(), "or this proves nothing"


def test_a_value_that_no_training_row_had_is_answered_like_none() -> None:
    train, _ = in_categories()
    answer = fit(TreesSettings(iterations=20), TrainingData(train, None, 305, 3, ((1, 41), (42, 45))), None).predict
    asked = np.repeat(train.features[:50], 2, axis=0)
    asked[:, 1:41] = 0
    asked[::2, 40] = 1
    answers = answer(tf.constant(asked)).numpy()
    np.testing.assert_array_equal(answers[::2], answers[1::2])


def test_trees_that_see_nothing_but_categories_are_trees() -> None:
    train, places = in_categories()
    only = Rows(train.features[:, 1:41].copy(), (places[0] % 2 == 1).astype(int))
    answers = fit(TreesSettings(iterations=5), TrainingData(only, None, 40, 2, ((0, 40),)), None).predict(
        tf.constant(only.features)
    )
    assert (np.argmax(answers, axis=1) == only.labels).all()


@pytest.mark.parametrize("count", [1, 7, 20_001])
def test_any_number_of_rows_is_answered(count: int) -> None:
    answer = fitted(rows()).predict
    asked = rows(count, seed=2).features
    answers = answer(tf.constant(asked)).numpy()
    assert answers.shape == (count, 3)
    np.testing.assert_array_equal(answers[-1], answer(tf.constant(asked[-1:])).numpy()[0])
    assert answer(tf.constant(asked[:0])).shape == (0, 3)


def test_a_class_without_training_rows_gets_no_probability() -> None:
    train = rows()
    kept = train.labels != 1
    answers = fitted(Rows(train.features[kept], train.labels[kept])).predict(tf.constant(train.features)).numpy()
    assert (answers[:, 1] == 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)


def test_weights_count_and_one_seed_gives_one_model() -> None:
    train = rows()
    heavy = Rows(train.features, train.labels, np.where(train.labels == 2, 20.0, 1.0))
    answers = [fitted(r).predict(tf.constant(train.features)).numpy() for r in (train, train, heavy)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert answers[2][:, 2].mean() > answers[0][:, 2].mean() + 0.1


def test_each_iteration_is_on_record_and_training_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    train, validation = rows(), rows(500, seed=2)
    settings = TreesSettings(iterations=40, learning_rate=0.5)
    found = {}
    for stop_after in (0, 3):
        changed = settings.model_copy(update={"stop_after": stop_after})
        history = fit(changed, data(train, 3, validation), str(tmp_path / str(stop_after))).history
        assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        assert history["loss"][0] > history["loss"][-1] and history["accuracy"][-1] > 0.5
        found[stop_after] = [len(values) for values in history.values()]
        assert list((tmp_path / str(stop_after) / "validation").glob("events.out.tfevents.*"))
    assert found[0] == [40] * 4 and 3 < found[3][0] < 40


def test_rows_that_trees_cannot_grow_on_are_refused() -> None:
    train = rows()
    one = Rows(train.features, np.zeros_like(train.labels))
    with pytest.raises(LakeloopError, match="all 3,000 training rows are of class 0, and trees need rows of two"):
        fitted(one)
    with pytest.raises(LakeloopError, match=r"`stop_after` holds rows of every class back, and class 2 has 1"):
        lonely = Rows(train.features, np.where(np.arange(3_000) == 0, 2, train.labels % 2))
        fitted(lonely, settings=TreesSettings(stop_after=3))
    with pytest.raises(LakeloopError, match=r"holds a tenth .* back, of 20 too few for a row of each of 3 classes"):
        fitted(train.only(np.arange(20)))
    from_disk = TrainingData(tf.data.Dataset.from_tensors((train.features, train.labels)), None, WIDTH, 3)
    with pytest.raises(LakeloopError, match=r"trees need all training rows in memory.*`kind: network`"):
        fit(TreesSettings(), from_disk, None)


def test_a_graph_that_answers_otherwise_is_not_exported() -> None:
    train = rows()
    model = sklearn_trees(train, TreesSettings(iterations=3))
    tables = tree_tables(model, TreeInputs(WIDTH), 3)
    check_answers(model, TreeGraph(tables), train.features, seed=1)
    tables.thresholds[0, 0] = np.nextafter(tables.thresholds[0, 0], np.float32(np.inf))
    with pytest.raises(LakeloopError, match=r"do not answer as those of scikit-learn .* do: answers to \d+ of"):
        check_answers(model, TreeGraph(tables), train.features, seed=1)


def test_the_saved_graph_has_plain_operations_alone_and_as_many_for_many_trees(tmp_path: Path) -> None:
    sizes = []
    for iterations in (1, 40):
        model = fitted(rows(), settings=TreesSettings(iterations=iterations))
        module = tf.Module()
        module.variables_of = list(model.variables)  # type: ignore[attr-defined]
        answer = tf.function(model.predict, input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)])
        folder = tmp_path / str(iterations)
        tf.saved_model.save(module, str(folder), signatures={"serving_default": answer})
        graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
        used = [node.op for function in graph.library.function for node in function.node_def]
        assert not {op for op in used if "Py" in op or "Func" in op or "XlaCall" in op}
        assert not {op for op in used if "While" in op}, "a model server runs a graph with loops on a thread of its own"
        sizes.append(len(used))
        loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
        (answers,) = loaded(tf.constant(rows().features)).values()
        np.testing.assert_array_equal(answers, model.predict(tf.constant(rows().features)))
    assert sizes[0] == sizes[1], json.dumps(sizes)
