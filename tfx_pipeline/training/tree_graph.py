"""Boosted trees of scikit-learn as a graph of plain TensorFlow operations, as many for a thousand trees as for one.

No tree is walked down. All nodes of all trees are compared at once, and the leaf that a row falls into follows from
the comparisons by bits (QuickScorer, Lucchese et al. 2015): a tree's leaves are numbered from left to right; a node
where the row goes right rules out every leaf left of it; the first leaf that no node rules out is the row's.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tfx_pipeline.training.tree_inputs import TreeInputs

BoostedTrees: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor
LARGEST = float(np.finfo(np.float32).max)
COMPARED_AT_ONCE = 300_000
"""Of more rows, as many at a time as make so many comparisons: these stay where the processor is quick."""


@dataclass(frozen=True)
class TreeTables:
    """The trees as arrays: `nodes` comparisons of each of `trees` trees, filled up with such that rule nothing out.

    `inputs` (nodes, trees) int32: what a node looks at. First come the numbers, whose gaps (NaN) go left; then the
    numbers again, whose gaps go right; then the `ways` of rows by their categories. `thresholds` (nodes, trees)
    float32: a row goes left where its value is at most that. `masks` (words, nodes, trees): bits of the leaves that
    stay where a row goes right. `values` (trees, leaves) float64: what a leaf adds. `start` (outputs,): the answer of
    no tree; one output for a number or for two classes, else one each, and the trees are in turn about them. `columns`
    (classes,): where the probability of each class is; that of a class without training rows is behind the others. A
    number has none; of `counts` the trees add up to its logarithm.
    """

    seen: TreeInputs
    inputs: np.ndarray
    thresholds: np.ndarray
    ways: "CategoryWays"
    masks: np.ndarray
    values: np.ndarray
    start: np.ndarray
    columns: np.ndarray
    counts: bool

    @property
    def bits(self) -> int:
        """Leaves that one word of a mask is about: all of its bits but the sign."""
        return 8 * self.masks.itemsize - 1

    def thresholds_of(self, number: int) -> np.ndarray:
        """Where the so-manieth number is split, float32."""
        count = len(self.seen.numbers)
        here = np.isfinite(self.thresholds) & (self.inputs < 2 * count) & (self.inputs % max(1, count) == number)
        return np.unique(self.thresholds[here])


@dataclass(frozen=True)
class CategoryWays:
    """Which way rows go by a category, for each of `ways` sets of its values that nodes ask for.

    `category` (ways,) int32: which one. `first` (ways,) int32: where in `left` it begins, at the way of no value;
    `left` float32: -1 for left, 1 for right.
    """

    category: np.ndarray
    first: np.ndarray
    left: np.ndarray


def tree_tables(model: BoostedTrees, seen: TreeInputs, classes: int) -> TreeTables:
    """The tables of trees fitted on what they see, for labels below `classes`; 0: they answer a number."""
    trees = [tree for iteration in model._predictors for tree in iteration]
    leaves = max(int(tree.nodes["is_leaf"].sum()) for tree in trees)
    shape = (max(1, leaves - 1), len(trees))
    word: type[np.signedinteger[Any]] = np.int32 if leaves <= 31 else np.int64
    bits = 8 * word().itemsize - 1
    inputs, thresholds = np.zeros(shape, np.int32), np.full(shape, np.inf, np.float32)
    masks = np.full((-(-leaves // bits), *shape), np.iinfo(word).max, word)
    values = np.zeros((len(trees), leaves))
    ways, numbers, known = _Ways(), len(seen.numbers), _known_values(model, seen)
    for column, tree in enumerate(trees):
        nodes = tree.nodes
        order, splits = _in_order(nodes)
        values[column, : len(order)] = nodes["value"][order]
        for position, (node, first, end) in enumerate(splits):
            feature, gap_goes_left = int(nodes["feature_idx"][node]), bool(nodes["missing_go_to_left"][node])
            if nodes["is_categorical"][node]:
                bitset = tree.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                way = ways.number(feature, _left(seen.values[feature], known[feature], bitset, gap_goes_left))
                inputs[position, column], thresholds[position, column] = 2 * numbers + way, 0
            else:
                inputs[position, column] = feature - len(seen.categories) + (0 if gap_goes_left else numbers)
                thresholds[position, column] = _rounded_down(nodes["num_threshold"][node])
            masks[:, position, column] = [_stay(first - at, end - at, bits) for at in range(0, leaves, bits)]
    labels = [int(label) for label in model.classes_] if classes else []
    columns = np.array([labels.index(label) if label in labels else len(labels) for label in range(classes)], np.int32)
    start = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    counts = isinstance(model, HistGradientBoostingRegressor) and model.loss == "poisson"
    return TreeTables(seen, inputs, thresholds, ways.table(), masks, values, start, columns, counts)


class _Ways:
    """Collects the ways of rows by their categories, each once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, tuple[bool, ...]], int] = {}

    def number(self, category: int, left: tuple[bool, ...]) -> int:
        return self._found.setdefault((category, left), len(self._found))

    def table(self) -> CategoryWays:
        sizes = [len(left) for _, left in self._found]
        flat = [-1 if goes_left else 1 for _, left in self._found for goes_left in left]
        return CategoryWays(
            np.array([category for category, _ in self._found], np.int32),
            np.cumsum([0, *sizes[:-1]], dtype=np.int32)[: len(sizes)],
            np.array(flat, np.float32),
        )


def _known_values(model: BoostedTrees, seen: TreeInputs) -> list[dict[int, int]]:
    """Of each category, scikit-learn's number for each value that training rows had."""
    if not seen.categories:
        return []
    encoder = model._preprocessor.named_transformers_["encoder"]
    return [{int(v): n for n, v in enumerate(values[~np.isnan(values)])} for values in encoder.categories_]


def _left(values: int, known: dict[int, int], bitset: np.ndarray, gap_goes_left: bool) -> tuple[bool, ...]:
    """Whether no value goes left, then whether each does; one that no training row had goes the way of none."""
    numbers = (known.get(value) for value in range(values))
    ways = (gap_goes_left if n is None else bool(bitset[n // 32] >> np.uint32(n % 32) & 1) for n in numbers)
    return (gap_goes_left, *ways)


def _stay(first: int, end: int, bits: int) -> int:
    """A word of so many bits, without those from the first to before the end."""
    first, end = min(max(first, 0), bits), min(max(end, 0), bits)
    return (1 << bits) - 1 - ((1 << end) - (1 << first))


def _in_order(nodes: np.ndarray) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The leaves from left to right, and each split with the leaves left of it as (node, first, end)."""
    leaves: list[int] = []
    splits: list[tuple[int, int, int]] = []
    waiting: list[tuple[int, int]] = [(0, -1)]  # (node, first leaf left of it once that is known, else -1)
    while waiting:
        node, first = waiting.pop()
        if first >= 0:
            splits.append((node, first, len(leaves)))
            waiting.append((int(nodes["right"][node]), -1))
        elif nodes["is_leaf"][node]:
            leaves.append(node)
        else:
            waiting += [(node, len(leaves)), (int(nodes["left"][node]), -1)]
    return leaves, splits


def _rounded_down(threshold: float) -> np.float32:
    """The largest float32 that is not above: a float32 value is at most the one where it is at most the other.

    No threshold is above the largest number, so that a gap can be.
    """
    rounded = np.float32(min(float(threshold), LARGEST))
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded


class TreeGraph:
    """The tables as variables, and the graph that answers from them."""

    def __init__(self, tables: TreeTables) -> None:
        self.host = tables
        self._nodes, self._trees = tables.inputs.shape
        self._inputs = tf.Variable(tables.inputs.reshape(-1), trainable=False)
        self._thresholds = tf.Variable(tables.thresholds.reshape(-1, 1), trainable=False)
        self._ways = [tf.Variable(array, trainable=False) for array in vars(tables.ways).values()]
        self._masks = [tf.Variable(word.reshape(-1, 1), trainable=False) for word in tables.masks]
        self._values = tf.Variable(tables.values.reshape(-1), trainable=False)
        self._rows_at_once = max(1, COMPARED_AT_ONCE // (self._nodes * self._trees))

    @property
    def variables(self) -> list[tf.Variable]:
        """What has to be saved with the graph."""
        return [self._inputs, self._thresholds, *self._ways, *self._masks, self._values]

    def answers(self, features: tf.Tensor) -> tf.Tensor:
        """(batch, width) float32 -> probabilities (batch, classes), or numbers (batch, 1), float32."""
        outputs, width = len(self.host.columns) or 1, self.host.seen.width
        count, most = tf.shape(features)[0], self._rows_at_once

        def in_chunks() -> tf.Tensor:
            chunks = -(-count // most)
            padded = tf.pad(features, [[0, chunks * most - count], [0, 0]])
            one_chunk = tf.function(self._answers, autograph=False).get_concrete_function(
                tf.TensorSpec([most, width], tf.float32)
            )
            # A model server gives graphs with a loop (`tf.map_fn`) a thread of their own, so that a run can be stopped.
            (answers,) = tf.raw_ops.MapDefun(
                arguments=[tf.reshape(padded, [chunks, most, width])],
                captured_inputs=one_chunk.captured_inputs,
                output_types=[tf.float32],
                output_shapes=[[most, outputs]],
                f=one_chunk,
                max_intra_op_parallelism=1,
            )
            return tf.reshape(answers, [-1, outputs])[:count]

        return tf.cond(count <= most, lambda: self._answers(features), in_chunks)

    def _answers(self, features: tf.Tensor) -> tf.Tensor:
        tables = self.host
        leaves = self._leaves(features) + (np.arange(self._trees) * tables.values.shape[1]).astype(np.int32)[:, None]
        added = tf.reshape(tf.gather(self._values, leaves), [-1, len(tables.start), tf.shape(features)[0]])
        raw = tf.transpose(tf.reduce_sum(added, axis=0)) + tables.start
        if not len(tables.columns):
            return tf.cast(tf.exp(raw) if tables.counts else raw, tf.float32)
        if len(tables.start) == 1:
            positive = tf.sigmoid(raw)
            probabilities = tf.concat([1 - positive, positive], axis=1)
        else:
            probabilities = tf.nn.softmax(raw)
        if len(tables.columns) > probabilities.shape[1]:
            probabilities = tf.gather(tf.pad(probabilities, [[0, 0], [0, 1]]), tables.columns, axis=1)
        return tf.cast(probabilities, tf.float32)

    def _leaves(self, features: tf.Tensor) -> tf.Tensor:
        """(batch, width) -> the number of each row's leaf in each tree (trees, batch) int32."""
        left = tf.gather(self._compared(features), self._inputs) <= self._thresholds
        found = None
        for number, masks in enumerate(self._masks):
            stay = tf.bitwise.bitwise_or(masks, -tf.cast(left, masks.dtype))  # -1, which is every bit, where left
            word = _all_of(tf.reshape(stay, [self._nodes, self._trees, -1]))
            first = _first_bit(word) + number * self.host.bits
            if len(self._masks) > 1:
                first = tf.where(word != 0, first, self.host.values.shape[1])
            found = first if found is None else tf.minimum(found, first)
        return found

    def _compared(self, features: tf.Tensor) -> tf.Tensor:
        """(batch, width) -> what nodes look at (inputs, batch) float32."""
        seen, infinite, compared = self.host.seen, np.float32(np.inf), []
        if len(seen.numbers):
            numbers = tf.transpose(tf.gather(features, seen.numbers, axis=1) if seen.categories else features)
            gaps, finite = tf.math.is_nan(numbers), tf.minimum(numbers, tf.float32.max)
            compared += [tf.where(gaps, -infinite, finite), tf.where(gaps, infinite, finite)]
        if len(self.host.ways.category):
            category, first, left = self._ways
            compared.append(tf.gather(left, tf.gather(seen.places(features), category) + first[:, None]))
        return tf.concat(compared, axis=0)


def _all_of(words: tf.Tensor) -> tf.Tensor:
    """The bits (trees, batch) that all words (nodes, trees, batch) have; by halves, as TensorFlow has no such sum."""
    count, odd = words.shape[0], []
    while count > 1:
        half, rest = divmod(count, 2)
        one, other, *over = tf.split(words, [half, half, *([1] * rest)])  # one operation, where slices are three
        odd += over
        words, count = tf.bitwise.bitwise_and(one, other), half
    return tf.squeeze(reduce(tf.bitwise.bitwise_and, odd, words), 0)


def _first_bit(words: tf.Tensor) -> tf.Tensor:
    """The place of the lowest bit that is set, int32: as many bits are below it."""
    lowest = tf.bitwise.bitwise_and(words, -words)
    return tf.cast(tf.raw_ops.PopulationCount(x=lowest - 1), tf.int32)
