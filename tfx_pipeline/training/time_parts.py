"""Dates and times as parts of them: seconds since 1970 -> what a clock and a calendar show, as model inputs.

The calendar is counted as Howard Hinnant's `civil_from_days` does (http://howardhinnant.github.io/date_algorithms.html),
in whole numbers, so that every year is right.
"""

from collections.abc import Mapping
from math import pi

import tensorflow as tf

from lakeloop.contract import Feature
from lakeloop.contract.time_features import CYCLES, DAY_SECONDS, Part, zone_offsets

ERA_DAYS, EPOCH_OF_ERA = 146_097, 719_468
"""The days of 400 years, and those from 1 March of the year 0 to 1970."""


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
