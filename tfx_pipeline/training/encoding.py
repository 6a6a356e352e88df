"""How a feature becomes model inputs: gaps filled, numbers transformed and scaled, categories one-hot, times in parts.

The graph is described here once; what it needs of the training rows comes from an `Analyser`.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from lakeloop.contract import Cross, Feature
from lakeloop.contract.features import OPEN
from tfx_pipeline.training.analyser import PARTS, Analyser, instead, without
from tfx_pipeline.training.raw_features import as_column, is_missing
from tfx_pipeline.training.time_parts import RowTime, encoded_time, time_columns

LOWEST, HIGHEST = 0, 98
"""The 1st and the 99th percentile."""
DECILES = range(9, PARTS - 1, 10)
FINGERPRINTS = 2**63 - 1
BETWEEN = "\x1f"
"""Stands between the values of a cross."""
NO_WORD = r"[^\pL\pM\pN]+"


def encoded(
    name: str,
    feature: Feature,
    values: tf.Tensor,
    vocabulary: Sequence[str],
    analyser: Analyser,
    row_time: RowTime,
) -> tf.Tensor:
    """Raw values (batch,) -> model inputs (batch, width) float32; `vocabulary`: what was learnt, commonest first."""
    if feature.role == "time":
        return encoded_time(name, feature, values, row_time, analyser)
    if feature.role == "text":
        return _words(feature, values, vocabulary)
    if feature.role == "categorical":
        return _learnt_categories(feature, values, vocabulary) if feature.learnt else _categories(feature, values)
    return _number(name, feature, values, analyser)


def width(feature: Feature, vocabulary: Sequence[str]) -> int:
    """How many columns a feature's model inputs have."""
    if feature.role == "time":
        return time_columns(feature)[-1][1]
    if feature.role in OPEN:
        return _places(feature, vocabulary) + (feature.missing == "category")
    return (len(DECILES) + 1 if feature.transform == "buckets" else 1) + feature.missing_flag


def category_columns(feature: Feature, columns: int) -> list[tuple[int, int]]:
    """The ranges (start, stop) of a feature's `columns` that hold one category each, one-hot or two-valued.

    Those of a text hold none: between two texts lies one with half a word, and there are as many kinds as texts.
    """
    if feature.role == "text":
        return []
    if feature.role == "time":
        return [(start, stop) for start, stop, is_category in time_columns(feature) if is_category]
    if feature.role != "numeric":
        return [(0, columns)]
    flag = columns - feature.missing_flag
    buckets = [(0, flag)] if feature.transform == "buckets" else []
    return [*buckets, (flag, columns)] if feature.missing_flag else buckets


def crossed(
    cross: Cross, features: Mapping[str, Feature], inputs: Mapping[str, tf.Tensor], analyser: Analyser
) -> tf.Tensor:
    """Raw values (batch,) of several features -> one-hot (batch, hash_buckets) of what they are together.

    A gap is a category of its own.
    """
    tokens = [_token(name, features[name], inputs[name], analyser) for name in cross.columns]
    together = tf.strings.join(tokens, separator=BETWEEN)
    return tf.one_hot(tf.strings.to_hash_bucket_fast(together, cross.hash_buckets), cross.hash_buckets)


def _token(name: str, feature: Feature, values: tf.Tensor, analyser: Analyser) -> tf.Tensor:
    if feature.role != "numeric":
        return tokens_of(feature, values)
    missing = is_missing(values, feature)
    numbers = as_column(values)
    known = without(tf.reshape(missing, [-1, 1]), numbers) if feature.optional else numbers
    places = tf.strings.as_string(_tenth(numbers, analyser.percentiles(name, known)))
    return tf.where(missing, "", places) if feature.optional else places


def tokens_of(feature: Feature, values: tf.Tensor) -> tf.Tensor:
    """The texts (any,) by which categories or words are counted and found; the empty one is a missing value."""
    if feature.role == "text":
        return words_of(values).flat_values
    if feature.carried_as == "string":
        return values
    texts = tf.strings.as_string(values)
    return tf.where(is_missing(values, feature), "", texts) if feature.optional else texts


def words_of(texts: tf.Tensor) -> tf.RaggedTensor:
    """(batch,) -> (batch, words): what stands between anything but letters and digits, in lower case."""
    return tf.strings.split(tf.strings.regex_replace(tf.strings.lower(texts, "utf-8"), NO_WORD, " "))


def _number(name: str, feature: Feature, raw: tf.Tensor, analyser: Analyser) -> tf.Tensor:
    known = values = as_column(raw)
    missing = tf.reshape(is_missing(raw, feature), [-1, 1]) if feature.optional else None
    if missing is not None:
        known = without(missing, values)
        values = tf.where(missing, instead(name, feature, known, analyser), values)
    if feature.transform == "buckets":
        parts = [_buckets(values, analyser.percentiles(name, known))]
    else:
        if feature.transform == "log":
            values = tf.sign(values) * tf.math.log1p(tf.abs(values))
        elif feature.transform == "clip":
            percentiles = analyser.percentiles(name, known)
            values = tf.clip_by_value(values, percentiles[LOWEST], percentiles[HIGHEST])
        parts = [analyser.z_score(name, values, values if missing is None else without(missing, values))]
    if feature.missing_flag:
        parts.append(tf.cast(missing, tf.float32))
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]


def _buckets(values: tf.Tensor, percentiles: tf.Tensor) -> tf.Tensor:
    """(batch, 1) -> one-hot (batch, 10) of the tenth of the training rows that a value lies in."""
    return tf.one_hot(_tenth(values, percentiles), len(DECILES) + 1)


def _tenth(values: tf.Tensor, percentiles: tf.Tensor) -> tf.Tensor:
    """(batch, 1) -> (batch,) int32: which tenth of the training rows a value lies in, from 0."""
    return tf.searchsorted(tf.gather(percentiles, list(DECILES)), tf.reshape(values, [-1]), side="right")


def _categories(feature: Feature, values: tf.Tensor) -> tf.Tensor:
    """One-hot over the contract's values; any other is all zeros, or `missing` where it is that."""
    column = tf.reshape(values, [-1, 1])
    vocabulary = tf.constant(list(feature.choices or ()), dtype=values.dtype)
    known = tf.cast(tf.equal(column, vocabulary), tf.float32)
    if feature.missing != "category":
        return known
    return tf.concat([known, tf.cast(is_missing(column, feature), tf.float32)], axis=1)


def _learnt_categories(feature: Feature, values: tf.Tensor, vocabulary: Sequence[str]) -> tf.Tensor:
    """One-hot over the learnt values, then the places of all others by their hash, then that of missing ones."""
    tokens = tokens_of(feature, values)
    places = _place(feature, tokens, vocabulary)
    if feature.optional:
        at = _places(feature, vocabulary) if feature.missing == "category" else -1
        places = tf.where(tf.equal(tokens, ""), tf.constant(at, tf.int64), places)
    return tf.one_hot(places, width(feature, vocabulary))


def _words(feature: Feature, texts: tf.Tensor, vocabulary: Sequence[str]) -> tf.Tensor:
    """1 for each word that is in a text, then the places of all others by their hash, then that of missing texts."""
    words, columns = words_of(texts), width(feature, vocabulary)
    places = _place(feature, words.flat_values, vocabulary)
    at = tf.boolean_mask(tf.stack([words.value_rowids(), places], axis=1), places >= 0)
    if feature.missing == "category":
        gone = tf.where(is_missing(texts, feature))
        at = tf.concat([at, tf.concat([gone, tf.fill(tf.shape(gone), tf.constant(columns - 1, tf.int64))], 1)], 0)
    shape = tf.stack([tf.size(texts, tf.int64), tf.constant(columns, tf.int64)])
    counts = tf.scatter_nd(at, tf.ones(tf.shape(at)[:1]), shape)
    return tf.ensure_shape(tf.minimum(counts, 1.0), [None, columns])


def _places(feature: Feature, vocabulary: Sequence[str]) -> int:
    if not feature.learnt or feature.vocabulary is None:
        return len(feature.choices or ())
    return feature.vocabulary.hash_buckets or len(vocabulary) + feature.vocabulary.out_of_vocabulary


def _place(feature: Feature, tokens: tf.Tensor, vocabulary: Sequence[str]) -> tf.Tensor:
    """The place (batch,) int64 of each token; -1 where it has none.

    Words are found by their 63-bit hashes, sorted: constants in the graph, where a table would need a file beside the
    model and an initialisation, and comparing with every word would take its time.
    """
    assert feature.vocabulary is not None
    if feature.vocabulary.hash_buckets is not None:
        return tf.strings.to_hash_bucket_fast(tokens, feature.vocabulary.hash_buckets)
    count, others = len(vocabulary), feature.vocabulary.out_of_vocabulary
    elsewhere = tf.fill(tf.shape(tokens), tf.constant(-1, tf.int64))
    if others:
        elsewhere = tf.constant(count, tf.int64) + tf.strings.to_hash_bucket_fast(tokens, others)
    if not count:
        return elsewhere
    with tf.init_scope():
        hashes = tf.strings.to_hash_bucket_fast(list(vocabulary), FINGERPRINTS).numpy()
    order = hashes.argsort()
    found = tf.strings.to_hash_bucket_fast(tokens, FINGERPRINTS)
    sorted_hashes = tf.constant(hashes[order], tf.int64)
    at = tf.minimum(tf.searchsorted(sorted_hashes, found), count - 1)
    known = tf.equal(tf.gather(sorted_hashes, at), found)
    return tf.where(known, tf.gather(tf.constant(order, tf.int64), at), elsewhere)
