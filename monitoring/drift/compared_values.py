"""What of a feature's values is compared: categories as texts, the words of a text, and of many the common ones."""

import re
from typing import Any

import pandas as pd

from lakeloop.contract import Contract, Feature
from lakeloop.time_parts import compared_times

MOST_COMPARED = 50
COMMON_SHARE = 0.005
"""So many words of a text, or learnt categories, at most, and those of so large a share of all, are compared singly."""
OTHERS = "all others"
WORD = re.compile(r"[^\W_]+")


def compared_columns(
    contract: Contract, name: str, reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """A feature's values in two frames as they are compared, of a time its parts; missing ones stay missing."""
    if contract.features[name].role == "time":
        return compared_times(contract, name, reference, current)
    return compared(contract.features[name], reference[name], current[name])


def category_texts(values: pd.Series) -> pd.Series:
    """The categories that are there, as texts; a whole number is one without a point, though a gap made it a float."""
    there = values.dropna()
    if there.dtype.kind == "f":
        there = there[there.abs() < float("inf")].astype("int64")
    return there.astype(str)


def compared(feature: Feature, reference: pd.Series, current: pd.Series) -> tuple[pd.Series, pd.Series]:
    """A feature's values as they are compared: of a text its words, each a value; missing ones stay missing.

    Words and learnt categories that are not among the reference's commonest count as one: each alone is too rare to
    say anything, and chance among hundreds of them adds up to a distance.
    """
    if not feature.learnt:
        return reference, current
    if feature.role == "text":
        before, now = (values.map(words, na_action="ignore").explode() for values in (reference, current))
    else:
        before, now = (values.map(_category, na_action="ignore") for values in (reference, current))
    shares = before.value_counts(normalize=True)
    common = shares[shares >= COMMON_SHARE].index[:MOST_COMPARED]
    return tuple(found.where(found.isna() | found.isin(common), OTHERS) for found in (before, now))  # type: ignore[return-value]


def _category(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def words(text: str) -> list[str]:
    """The words of a text in lower case: what stands between anything but letters and digits."""
    return WORD.findall(text.lower())
