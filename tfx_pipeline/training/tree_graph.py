"""Boosted trees of scikit-learn as a graph of plain TensorFlow operations, as many for a thousand trees as for one.

No tree is walked down. All nodes of all trees are compared at once, and the leaf that a row falls into follows from
the comparisons by bits (QuickScorer, Lucchese et al. 2015): a tree's leaves are numbered from left to right; a node
where the row goes right rules out every leaf left of it; the first leaf that no node rules out is the row's.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

BoostedTrees = HistGradientBoostingClassifier | HistGradientBoostingRegressor
LARGEST = float(np.finfo(np.float32).max)
COMPARED_AT_ONCE = 300_000
"""Of more rows, as many at a time as make so many comparisons: these stay where the processor is quick."""


@dataclass(frozen=True)
class TreeTables:
    """The trees as arrays: `nodes` comparisons of each of `trees` trees, filled up with such that rule nothing out.

    `inputs` (nodes, trees) int32: the feature that a node looks at, where a gap (NaN) goes left; `width` more where it
    goes right. `thresholds` (nodes, trees) float32: a row goes left where its value is at most that.
    `masks` (words, nodes, trees): bits of the leaves that stay where a row goes right. `values` (trees, leaves)
    float64: what a leaf adds. `start` (outputs,): the answer of no tree; one output for a number or for two classes,
    else one each, and the trees are in turn about them. `columns` (classes,): where the probability of each class is;
    that of a class without training rows is behind the others. A number has none.
    """

    inputs: np.ndarray
    thresholds: np.ndarray
    masks: np.ndarray
    values: np.ndarray
    start: np.ndarray
    columns: np.ndarray
    width: int

    @property
    def bits(self) -> int:
        """Leaves that one word of a mask is about: all of its bits but the sign."""
        return 8 * self.masks.itemsize - 1

    def thresholds_of(self, feature: int) -> np.ndarray:
        """Where a feature is split, float32."""
        here = np.isfinite(self.thresholds) & (self.inputs % self.width == feature)
        return np.unique(self.thresholds[here])


def tree_tables(model: BoostedTrees, width: int, classes: int) -> TreeTables:
    """The tables of fitted trees on so many features, for labels below `classes`; 0: they answer a number."""
    trees = [tree.nodes for iteration in model._predictors for tree in iteration]
    leaves = max(int(nodes["is_leaf"].sum()) for nodes in trees)
    shape = (max(1, leaves - 1), len(trees))
    word: type[np.signedinteger[Any]] = np.int32 if leaves <= 31 else np.int64
    bits = 8 * word().itemsize - 1
    inputs, thresholds = np.zeros(shape, np.int32), np.full(shape, np.inf, np.float32)
    masks = np.full((-(-leaves // bits), *shape), np.iinfo(word).max, word)
    values = np.zeros((len(trees), leaves))
    for number, nodes in enumerate(trees):
        order, splits = _in_order(nodes)
        values[number, : len(order)] = nodes["value"][order]
        for position, (node, first, end) in enumerate(splits):
            gap = 0 if nodes["missing_go_to_left"][node] else width
            inputs[position, number] = nodes["feature_idx"][node] + gap
            thresholds[position, number] = _rounded_down(nodes["num_threshold"][node])
            for leaf in range(first, end):
                masks[leaf // bits, position, number] &= ~word(1 << (leaf % bits))
    known = [int(label) for label in model.classes_] if classes else []
    columns = np.array([known.index(label) if label in known else len(known) for label in range(classes)], np.int32)
    start = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    return TreeTables(inputs, thresholds, masks, values, start, columns, width)


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
        self._masks = [tf.Variable(word.reshape(-1, 1), trainable=False) for word in tables.masks]
        self._values = tf.Variable(tables.values.reshape(-1), trainable=False)
        self._rows_at_once = max(1, COMPARED_AT_ONCE // (self._nodes * self._trees))

    @property
    def variables(self) -> list[tf.Variable]:
        """What has to be saved with the graph."""
        return [self._inputs, self._thresholds, *self._masks, self._values]

    def answers(self, features: tf.Tensor) -> tf.Tensor:
        """(batch, width) float32 -> probabilities (batch, classes), or numbers (batch, 1), float32."""
        outputs, width = len(self.host.columns) or 1, self.host.width
        count, most = tf.shape(features)[0], self._rows_at_once

        def in_chunks() -> tf.Tensor:
            chunks = -(-count // most)
            padded = tf.pad(features, [[0, chunks * most - count], [0, 0]])
            answers = tf.map_fn(
                self._answers,
                tf.reshape(padded, [chunks, most, width]),
                fn_output_signature=tf.TensorSpec([most, outputs], tf.float32),
            )
            return tf.reshape(answers, [-1, outputs])[:count]

        return tf.cond(count <= most, lambda: self._answers(features), in_chunks)

    def _answers(self, features: tf.Tensor) -> tf.Tensor:
        tables = self.host
        leaves = self._leaves(features) + (np.arange(self._trees) * tables.values.shape[1]).astype(np.int32)[:, None]
        added = tf.reshape(tf.gather(self._values, leaves), [-1, len(tables.start), tf.shape(features)[0]])
        raw = tf.transpose(tf.reduce_sum(added, axis=0)) + tables.start
        if not len(tables.columns):
            return tf.cast(raw, tf.float32)
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
        gaps, infinite = tf.math.is_nan(features), np.float32(np.inf)
        finite = tf.minimum(features, tf.float32.max)
        both = tf.concat([tf.where(gaps, -infinite, finite), tf.where(gaps, infinite, finite)], axis=1)
        left = tf.gather(tf.transpose(both), self._inputs) <= self._thresholds
        found = None
        for number, masks in enumerate(self._masks):
            stay = tf.bitwise.bitwise_or(masks, -tf.cast(left, masks.dtype))  # -1, which is every bit, where left
            word = _all_of(tf.reshape(stay, [self._nodes, self._trees, -1]))
            first = _first_bit(word) + number * self.host.bits
            if len(self._masks) > 1:
                first = tf.where(word != 0, first, self.host.values.shape[1])
            found = first if found is None else tf.minimum(found, first)
        return found


def _all_of(words: tf.Tensor) -> tf.Tensor:
    """The bits (trees, batch) that all words (nodes, trees, batch) have; by halves, as TensorFlow has no such sum."""
    count, odd = words.shape[0], []
    while count > 1:
        if count % 2:
            odd.append(words[count - 1])
        count //= 2
        words = tf.bitwise.bitwise_and(words[:count], words[count : 2 * count])
    return reduce(tf.bitwise.bitwise_and, odd, words[0])


def _first_bit(words: tf.Tensor) -> tf.Tensor:
    """The place of the lowest bit that is set, int32: as many bits are below it."""
    lowest = tf.bitwise.bitwise_and(words, -words)
    return tf.cast(tf.raw_ops.PopulationCount(x=lowest - 1), tf.int32)
