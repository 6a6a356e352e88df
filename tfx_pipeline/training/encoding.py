"""How a feature becomes model inputs: gaps filled, numbers transformed and scaled, categories one-hot, times in parts.

The graph is described here once. What it needs of the training rows comes from an `Analyser`: TensorFlow Transform's
analysers on Beam, or those of `local_transform` in this process. To both NaN is a value that is not there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from lakeloop.contract import Cross, Feature
from lakeloop.contract.features import OPEN
from lakeloop.contract.time_features import AGE, CYCLES, DAY_SECONDS
from tfx_pipeline.training.raw_features import as_column, is_missing
from tfx_pipeline.training.time_parts import calendar, cycle, days_between, local_seconds

PARTS = 100
"""Percentiles are learnt: 99 values that cut the training rows into a hundred parts."""
RANK_ERROR = 0.001
"""How far a percentile may lie from its place, as a share of the rows."""
MEDIAN, LOWEST, HIGHEST = 49, 0, 98
DECILES = range(9, PARTS - 1, 10)
FINGERPRINTS = 2**63 - 1
BETWEEN = "\x1f"
"""Stands between the values of a cross."""
NO_WORD = r"[^\pL\pM\pN]+"


class Analyser(Protocol):
    """What is learnt of a feature from the training rows, as tensors of the graph; values are (batch, 1) float32."""

    def mean(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The mean of the values that are there, a scalar."""
        ...

    def percentiles(self, name: str, known: tf.Tensor) -> tf.Tensor:
        """The 1st to 99th percentile of the values that are there, (99,)."""
        ...

    def z_score(self, name: str, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """`values` scaled by mean and deviation of those that are `known`; the same tensor where none is missing."""
        ...


@dataclass(frozen=True)
class RowTime:
    """By which times are told: the zone whose clock counts, and the rows' event times (batch,) where ages need them."""

    zone: str = "UTC"
    event: tf.Tensor | None = None


def encoded(
    name: str,
    feature: Feature,
    values: tf.Tensor,
    vocabulary: Sequence[str],
    analyser: Analyser,
    row_time: RowTime = RowTime(),
) -> tf.Tensor:
    """Raw values (batch,) -> model inputs (batch, width) float32; `vocabulary`: what was learnt, commonest first."""
    if feature.role == "time":
        return _time(name, feature, values, row_time, analyser)
    if feature.role == "text":
        return _words(feature, values, vocabulary)
    if feature.role == "categorical":
        return _learnt_categories(feature, values, vocabulary) if feature.learnt else _categories(feature, values)
    return _number(name, feature, values, analyser)


def width(feature: Feature, vocabulary: Sequence[str]) -> int:
    """How many columns a feature's model inputs have."""
    if feature.role == "time":
        return feature.width_of_parts + _tells_of_gaps(feature)
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
        return list(_cycles(feature)) + [(columns - 1, columns)] * _tells_of_gaps(feature)
    if feature.role != "numeric" or columns == 1:
        return [(0, columns)] if feature.role != "numeric" else []
    number = columns - feature.missing_flag
    return [(0, number)] * (feature.transform == "buckets") + [(number, columns)] * feature.missing_flag


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
    known = _without(tf.reshape(missing, [-1, 1]), as_column(values)) if feature.optional else as_column(values)
    places = tf.strings.as_string(_tenth(as_column(values), analyser.percentiles(name, known)))
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


def z_score(values: tf.Tensor, mean: tf.Tensor | float, variance: tf.Tensor | float) -> tf.Tensor:
    """What `tft.scale_to_z_score` does with known moments: 0 where nothing varies."""
    deviation = values - tf.convert_to_tensor(mean, tf.float32)
    scale = tf.sqrt(tf.convert_to_tensor(variance, tf.float32))
    return tf.where(tf.not_equal(scale, 0), tf.divide(deviation, scale), deviation)


def _number(name: str, feature: Feature, raw: tf.Tensor, analyser: Analyser) -> tf.Tensor:
    known = values = as_column(raw)
    if feature.optional:
        missing = tf.reshape(is_missing(raw, feature), [-1, 1])
        known = _without(missing, values)
    percentiles = None
    if feature.missing == "median" or feature.transform in ("clip", "buckets"):
        percentiles = analyser.percentiles(name, known)
    if feature.optional:
        values = tf.where(missing, _instead(name, feature, known, percentiles, analyser), values)
    if feature.transform == "buckets":
        parts = [_buckets(values, percentiles)]
    else:
        values = _transformed(feature, values, percentiles)
        if not feature.optional:
            known = values
        elif feature.transform is not None:
            known = _without(missing, _transformed(feature, known, percentiles))
        parts = [analyser.z_score(name, values, known)]
    if feature.missing_flag:
        parts.append(tf.cast(missing, tf.float32))
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]


def _time(name: str, feature: Feature, raw: tf.Tensor, row_time: RowTime, analyser: Analyser) -> tf.Tensor:
    missing = is_missing(raw, feature) if feature.optional else None
    seconds = raw
    if missing is not None:
        instead = tf.constant(0, tf.int64)
        if feature.missing != "category":
            days = _without(tf.reshape(missing, [-1, 1]), as_column(tf.cast(raw, tf.float64) / DAY_SECONDS))
            percentiles = analyser.percentiles(name, days) if feature.missing == "median" else None
            instead = tf.cast(tf.cast(_instead(name, feature, days, percentiles, analyser), tf.float64) * DAY_SECONDS,
                              tf.int64)  # fmt: skip
        seconds = tf.where(missing, instead, raw)
    shown = calendar(local_seconds(seconds, row_time.zone) if feature.type == "timestamp" else seconds)
    parts = []
    for part in feature.parts or ():
        if part in CYCLES:
            found = cycle(feature, part, shown[part])
        else:
            values = as_column(days_between(seconds, row_time.event) if part == AGE else shown[part])
            known = values
            if missing is not None:
                known = _without(tf.reshape(missing, [-1, 1]), values)
            found = analyser.z_score(f"{name} {part}", values, known)
        if feature.missing == "category":
            found = tf.where(tf.reshape(missing, [-1, 1]), 0.0, found)
        parts.append(found)
    if _tells_of_gaps(feature):
        parts.append(tf.reshape(tf.cast(missing, tf.float32), [-1, 1]))
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]


def _tells_of_gaps(feature: Feature) -> bool:
    """Whether a column of its own says that a number or time is missing."""
    return feature.missing_flag or feature.missing == "category"


def _cycles(feature: Feature) -> Iterator[tuple[int, int]]:
    """The ranges of the parts that come round again; of each the columns belong together."""
    start = 0
    for part in feature.parts or ():
        stop = start + (1 if part not in CYCLES else 2 if feature.cyclic else CYCLES[part][0])
        if part in CYCLES:
            yield start, stop
        start = stop


def _without(missing: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(missing, tf.constant(float("nan"), tf.float32), values)


def _instead(
    name: str, feature: Feature, known: tf.Tensor, percentiles: tf.Tensor | None, analyser: Analyser
) -> tf.Tensor:
    """What the model gets for a missing number."""
    if feature.missing == "median":
        return percentiles[MEDIAN]  # type: ignore[index]
    return analyser.mean(name, known) if feature.missing == "mean" else tf.constant(0.0, tf.float32)


def _transformed(feature: Feature, values: tf.Tensor, percentiles: tf.Tensor | None) -> tf.Tensor:
    if feature.transform == "log":
        return tf.sign(values) * tf.math.log1p(tf.abs(values))
    if feature.transform == "clip":
        return tf.clip_by_value(values, percentiles[LOWEST], percentiles[HIGHEST])  # type: ignore[index]
    return values


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
