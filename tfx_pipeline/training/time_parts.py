"""Dates and times as parts of them: seconds since 1970 -> what a clock and a calendar show, as model inputs.

The calendar is counted as Howard Hinnant's `civil_from_days` does (http://howardhinnant.github.io/date_algorithms.html),
in whole numbers, so that every year is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import tensorflow as tf

from lakeloop.contract import Feature
from lakeloop.contract.time_features import AGE, CYCLES, DAY_SECONDS, Part, zone_offsets
from tfx_pipeline.training.analyser import Analyser, instead, without
from tfx_pipeline.training.raw_features import as_column, is_missing

ERA_DAYS, EPOCH_OF_ERA = 146_097, 719_468
"""The days of 400 years, and those from 1 March of the year 0 to 1970."""


@dataclass(frozen=True)
class RowTime:
    """By which times are told: the zone whose clock counts, and the rows' event times (batch,) where ages need them."""

    zone: str = "UTC"
    event: tf.Tensor | None = None


def encoded_time(name: str, feature: Feature, raw: tf.Tensor, row_time: RowTime, analyser: Analyser) -> tf.Tensor:
    """Seconds since 1970 (batch,) int64 -> model inputs (batch, width) float32, as `time_columns` says."""
    missing = tf.reshape(is_missing(raw, feature), [-1, 1]) if feature.optional else None
    seconds = raw if missing is None else _filled(name, feature, raw, missing, analyser)
    shown = calendar(local_seconds(seconds, row_time.zone) if feature.type == "timestamp" else seconds)
    columns = []
    for part in feature.parts or ():
        if part in CYCLES:
            found = cycle(feature, part, shown[part])
        else:
            values = as_column(days_between(seconds, row_time.event) if part == AGE else shown[part])
            known = values if missing is None else without(missing, values)
            found = analyser.z_score(f"{name} {part}", values, known)
        columns.append(tf.where(missing, 0.0, found) if feature.missing == "category" else found)
    if _tells_of_gaps(feature):
        columns.append(tf.cast(missing, tf.float32))
    return tf.concat(columns, axis=1) if len(columns) > 1 else columns[0]


def time_columns(feature: Feature) -> list[tuple[int, int, bool]]:
    """Where each part stands among the model inputs: start, stop, and whether it comes round again, or is a flag."""
    found: list[tuple[int, int, bool]] = []
    for part in feature.parts or ():
        width = 1 if part not in CYCLES else 2 if feature.cyclic else CYCLES[part][0]
        start = found[-1][1] if found else 0
        found.append((start, start + width, part in CYCLES))
    if _tells_of_gaps(feature):
        found.append((found[-1][1], found[-1][1] + 1, True))
    return found


def _tells_of_gaps(feature: Feature) -> bool:
    """Whether a column of its own says that the time is missing."""
    return feature.missing_flag or feature.missing == "category"


def _filled(name: str, feature: Feature, raw: tf.Tensor, missing: tf.Tensor, analyser: Analyser) -> tf.Tensor:
    """The seconds with median or mean where a time is missing; 0 where the parts are left out then."""
    if feature.missing == "category":
        return tf.where(is_missing(raw, feature), tf.constant(0, tf.int64), raw)
    days = without(missing, as_column(tf.cast(raw, tf.float64) / DAY_SECONDS))
    usual = tf.cast(instead(name, feature, days, analyser), tf.float64) * DAY_SECONDS
    return tf.where(is_missing(raw, feature), tf.cast(usual, tf.int64), raw)


def local_seconds(seconds: tf.Tensor, zone: str) -> tf.Tensor:
    """Seconds since 1970 (any,) int64 -> what the zone's clock shows, counted as if it were UTC."""
    since, ahead = zone_offsets(zone)
    if len(since) == 1:
        return seconds + ahead[0]
    place = tf.searchsorted(tf.constant(since, tf.int64), tf.reshape(seconds, [-1]), side="right")
    offsets = tf.gather(tf.constant(ahead, tf.int64), tf.maximum(place - 1, 0))
    return seconds + tf.reshape(offsets, tf.shape(seconds))


def calendar(local: tf.Tensor) -> Mapping[Part, tf.Tensor]:
    """Local seconds (any,) int64 -> its parts but the age, each int64 as `CYCLES` counts them."""
    days = tf.math.floordiv(local, DAY_SECONDS)
    shifted = days + EPOCH_OF_ERA
    era = tf.math.floordiv(shifted, ERA_DAYS)
    of_era = shifted - era * ERA_DAYS
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)  # from 1 March
    month_from_march = (5 * day_of_year + 2) // 153
    month = tf.where(month_from_march < 10, month_from_march + 3, month_from_march - 9)
    return {
        "hour": tf.math.floormod(local, DAY_SECONDS) // 3600,
        "weekday": tf.math.floormod(days + 3, 7),
        "day": day_of_year - (153 * month_from_march + 2) // 5 + 1,
        "month": month,
        "quarter": (month + 2) // 3,
        "year": year_of_era + era * 400 + tf.cast(month <= 2, tf.int64),
    }


def cycle(feature: Feature, part: Part, values: tf.Tensor) -> tf.Tensor:
    """A part that comes round again (batch,) -> one-hot, or sine and cosine: (batch, values or 2) float32."""
    count, first = CYCLES[part]
    if not feature.cyclic:
        return tf.one_hot(values - first, count)
    angle = tf.cast(values - first, tf.float32) * (2 * pi / count)
    return tf.stack([tf.sin(angle), tf.cos(angle)], axis=1)


def days_between(seconds: tf.Tensor, event: tf.Tensor) -> tf.Tensor:
    """From a time to the row's event time, in days; negative where that was before. float32."""
    return tf.cast(tf.cast(event - seconds, tf.float64) / DAY_SECONDS, tf.float32)
