"""Which columns become model inputs, and as what; why the others do not."""

import re
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract.time_formats import pieces
from operations.new_use_case.columns import Column
from operations.new_use_case.label import wide
from operations.new_use_case.times import UNIX, TimeColumn

MOSTLY_GAPS = 0.98
FEW_VALUES = 32
"""Different whole numbers up to which they are taken for categories; above they are numbers."""
VOCABULARY = 1_000
ENORMOUS = 20_000
"""Different texts in a sample above which a vocabulary is hashed."""
TEXT_WORDS = 3.0
ID_SHARE = 0.9
ID_NAME = re.compile(
    r"(^|[_ .-])(id|uuid|guid|key|nr|no|number|nummer|index|instant|hash)$|^(id|index|unnamed.*)$|[a-z]I[dD]$"
)
CODE_NAME = re.compile(
    r"(^|[_ .-])(code|zip|plz|postcode|tract|area|district|kreis|region|type|class|category|zone)([_ .-]|$)"
)
DAY = re.compile(r"\s*(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](\d{4}|\d{2}))([T ].*)?")
DIGITS = re.compile(r"\d+")
SKEWED = 8.0
FAR_OUT = 100.0
"""Times the width of the middle 98 % of the rows."""
LONGEST_EXAMPLE = 60
A_YEAR = 365
"""In days."""
LATER_SHARE = 0.02
"""Of the rows in which a time lies after the event: a few may be slips."""


@dataclass(frozen=True)
class FeatureDraft:
    """A feature as the contract says it; `words` are its keys and values, `comment` what was assumed."""

    column: str
    words: dict[str, Any]
    comment: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A column that is no feature, and why."""

    column: str
    why: str


def feature_of(column: Column) -> FeatureDraft | LeftOut:
    """What a column is for a model, with an ordinary value of it."""
    found = _feature_of(column)
    if isinstance(found, LeftOut) or (example := _example(column, found.words)) is None:
        return found
    return replace(found, words={**found.words, "example": example})


def time_feature_of(
    time: TimeColumn, event: TimeColumn | None, known: bool = False, aged: bool = False
) -> FeatureDraft | LeftOut:
    """What a column of dates or times is for a model, beside the row's event time.

    `known`: it is known before that; `aged`: the model is told the event time, too, so it can have the time between.
    The event time itself is a feature where it says the hour, or where `aged`.
    """
    column, name = time.column, time.name
    if column.gaps > MOSTLY_GAPS:
        return LeftOut(name, f"is missing in {column.gaps:.1%} of the rows")
    if (bad := time.unreadable[column.codes[time.unreadable] >= 0]).size:
        text = column.values[column.codes[bad[0]]]
        return LeftOut(name, f"is a time that cannot be read in {bad.size:,} rows, first {text!r}")
    if not time.times.notna().any():
        return LeftOut(name, "has no value in any row")
    directives = {directive for directive, _ in pieces(time.format)} if "%" in time.format else set()
    if directives and not {"d"} <= directives:
        return LeftOut(name, "is a time that says no day, which is no input as it is")
    moment = time.format in ("timestamp", *UNIX) or bool({"H", "I"} & directives)
    if time.times.nunique() == 1 and not column.missing:
        return LeftOut(name, f"is {column.values[0]!r} in every row")
    if time is event and not moment and not aged:
        return LeftOut(name, "is when a row happened, and says no hour")
    words: dict[str, Any] = {"type": "timestamp" if moment or time is event else "date", "role": "time"}
    comment = "taken in parts"
    if time is event:
        words["parts"] = ["hour", "weekday"] if moment else ["weekday"]
        comment = "the event time, taken in parts: those that come round soon"
    elif event is not None:
        later = time.times > event.times
        both = (time.times.notna() & event.times.notna()).to_numpy()
        share = float(later[both].mean()) if both.any() else 0.0
        if share > LATER_SHARE and not known:
            return LeftOut(
                name, f"is later than `{event.name}` in {share:.1%} of the rows, so it is not known then; if it is, "
                f"make the draft again with --keep {quote(name)}"
            )  # fmt: skip
        if aged:
            words["parts"] = _parts_with_age(moment, event.times - time.times)
    if time is not event and time.format not in ("timestamp", "date"):
        words["format"] = time.format
    words |= {} if time is event else _gaps(column, "category")
    middle = time.times.dropna().sort_values(ignore_index=True)
    example = middle.iloc[len(middle) // 2]
    words["example"] = example.isoformat() if words["type"] == "timestamp" else example.date().isoformat()
    first, last = middle.iloc[0], middle.iloc[-1]
    return FeatureDraft(name, words, f"{comment}; {first:%Y-%m-%d} to {last:%Y-%m-%d} in the sample")


def _parts_with_age(moment: bool, ages: pd.Series) -> list[str]:
    """How long before the event it was, and where that is not years what a calendar shows of it."""
    calendar = [*(["hour"] if moment else []), "weekday", "month"]
    return ["age_days", *([] if float(ages.dt.days.median()) > A_YEAR else calendar)]


def _example(column: Column, words: dict[str, Any]) -> float | int | str | None:
    """The median of a number, the commonest of other values; none where the contract lists them, or of a long text."""
    if "values" in words or words["type"] == "bool":
        return None
    if column.numbers is None:
        return column.values[0] if len(column.values[0]) <= LONGEST_EXAMPLE else None
    whole = words["type"] == "int"
    if words["role"] == "numeric":
        middle = float(np.nanmedian(column.row_numbers))
        return _plain(round(middle) if whole else float(f"{middle:.6g}"), whole)
    return _plain(float(column.numbers[0]), whole)


def _feature_of(column: Column) -> FeatureDraft | LeftOut:
    if column.kind == "empty":
        return LeftOut(column.name, "has no value in any row")
    if column.distinct == 1 and not column.missing:
        return LeftOut(column.name, f"is {column.values[0]!r} in every row")
    if column.gaps > MOSTLY_GAPS:
        return LeftOut(column.name, f"is missing in {column.gaps:.1%} of the rows")
    if all(text.startswith("[") and text.endswith("]") for text in column.values[:100]):
        return LeftOut(column.name, "has lists, and a feature is one value")
    if column.kind == "bool":
        return FeatureDraft(column.name, {"type": "bool", "role": "binary"} | _gaps(column, "zero"))
    if column.numbers is not None:
        return _number(column)
    return _text(column)


def _number(column: Column) -> FeatureDraft | LeftOut:
    assert column.numbers is not None
    whole = column.kind == "int"
    named_id = bool(ID_NAME.search(column.name))
    if whole and column.distinct > ID_SHARE * column.present and (named_id or column.distinct == column.present > 100):
        rising = bool(np.all(np.diff(column.row_numbers[column.codes >= 0]) > 0))
        if named_id or rising or column.counts_rows:
            return LeftOut(
                column.name, f"looks like an identifier: {column.distinct:,} different numbers in {column.rows:,} rows"
            )
    if whole and set(column.numbers.tolist()) == {0.0, 1.0}:
        return FeatureDraft(column.name, {"type": "int", "role": "binary", "values": [0, 1]} | _gaps(column, "zero"))
    if (
        whole
        and not column.unit
        and (column.distinct <= FEW_VALUES or named_id or CODE_NAME.search(column.name) or _codes(column))
    ):
        codes = {"type": "int", "role": "categorical"} | _vocabulary(column) | _gaps(column, "category")
        return FeatureDraft(
            column.name, codes, f"{column.distinct:,} different whole numbers, taken for categories; amounts have "
            "`role: numeric`"
        )  # fmt: skip
    low, high = float(column.numbers.min()), float(column.numbers.max())
    valid = wide(column.numbers)
    words: dict[str, Any] = {"type": column.kind, "role": "numeric"} | ({"unit": column.unit} if column.unit else {})
    words |= {"valid": [_plain(bound, whole) for bound in valid]} | _gaps(column, "median")
    if low >= 0 and _skew(column) > SKEWED:
        words["transform"] = "log"
    elif _has_slips(column):
        words["transform"] = "clip"
    return FeatureDraft(column.name, words, f"{low:g} to {high:g} in the sample; `valid` is what is possible at all")


def _codes(column: Column) -> bool:
    """Large whole numbers that come back again and again, such as districts: 17031320100."""
    assert column.numbers is not None
    return float(column.numbers.min()) >= 10_000 and column.distinct < column.present / 10


def _text(column: Column) -> FeatureDraft | LeftOut:
    forms = {DIGITS.sub("9", text) for text in column.values if DAY.fullmatch(text)}
    if len(forms) > 1 and column.distinct > FEW_VALUES and all(DAY.fullmatch(text) for text in column.values[:1_000]):
        first = ", ".join(
            next(repr(text) for text in column.values if DIGITS.sub("9", text) == form) for form in sorted(forms)
        )
        return LeftOut(column.name, f"has dates in several forms, such as {first}; in one form they can be read")
    if column.words >= TEXT_WORDS and column.distinct > column.present / 2:
        words: dict[str, Any] = {"type": "string", "role": "text", "vocabulary": {"top": 5_000}}
        return FeatureDraft(column.name, words | _gaps(column, "category"), "taken for free text: a bag of words")
    if column.distinct > ID_SHARE * column.present and column.present > 20:
        return LeftOut(
            column.name, f"looks like an identifier: {column.distinct:,} different texts in {column.rows:,} rows"
        )
    words = {"type": "string", "role": "categorical"} | _vocabulary(column) | _gaps(column, "category")
    often = ", ".join(repr(text) for text in column.values[:3])
    return FeatureDraft(column.name, words, f"{column.distinct:,} different texts, most often {often}")


def _vocabulary(column: Column) -> dict[str, Any]:
    if column.distinct > ENORMOUS:
        return {"vocabulary": {"hash_buckets": VOCABULARY}}
    return {"vocabulary": {"top": min(VOCABULARY, max(50, 2 * column.distinct))}}


def _gaps(column: Column, instead: str) -> dict[str, Any]:
    """What the model gets where there is no value; a flag beside it for numbers that are often missing."""
    if not column.missing:
        return {}
    words: dict[str, Any] = {"missing": instead}
    if instead != "category" and column.gaps > 0.01:
        words["missing_flag"] = True
    return words


def _has_slips(column: Column) -> bool:
    """Whether few numbers lie so far out that scaled by them all others would be one."""
    low, middle, high = np.nanpercentile(column.row_numbers, [1, 50, 99])
    away = np.nanmax(np.abs(column.row_numbers - middle))
    return bool(high > low and away > FAR_OUT * (high - low))


def _skew(column: Column) -> float:
    numbers = column.row_numbers[column.codes >= 0]
    spread = float(numbers.std())
    return float(((numbers - numbers.mean()) ** 3).mean() / spread**3) if spread > 0 else 0.0


def _plain(number: float, whole: bool) -> float | int:
    return int(number) if whole or (number == int(number) and abs(number) < 1e15) else float(f"{number:.12g}")
