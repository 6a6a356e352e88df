"""What stands in each column of a sample: type, gaps, range, how many different values, and which."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakeloop.contract.columns import LARGEST_INT
from lakeloop.contract.read import Spelling
from lakeloop.delivered_values import without_unit
from operations.new_use_case.dialect import MISSING
from operations.new_use_case.sample import Sample
from operations.new_use_case.units import unit_of

SampleKind = Literal["empty", "bool", "int", "float", "string"]
UNREADABLE_SHARE = 0.02
"""Of the values of a column of numbers that may be something else."""
FEWEST_COUNTED = 100
CODE = r"^0[0-9]+$"
LONG_CODE = r"^[+-]?[0-9]{16,}$"
MOST_MARKS, MARKED_SHARE, ENOUGH_NUMBERS = 3, 0.4, 20
"""Different texts between numbers that may mean: no value; their share of the rows; different numbers beside them."""
PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class NumberStyle:
    """Decimal sign and thousands separator, and the pattern of a number written so; `trim`: blanks around are none."""

    decimal: str
    thousands: str
    pattern: str
    trim: bool = False


STYLES = (
    NumberStyle(".", "", PLAIN),
    NumberStyle(",", "", r"^[+-]?[0-9]*(,[0-9]+)?$"),
    NumberStyle(",", ".", r"^[+-]?([0-9]{1,3}(\.[0-9]{3})*|[0-9]+)(,[0-9]+)?$"),
    NumberStyle(".", ",", r"^[+-]?([0-9]{1,3}(,[0-9]{3})*|[0-9]+)(\.[0-9]+)?$"),
)


@dataclass(frozen=True)
class Column:
    """One column. `values` are the different texts, most frequent first, with how often each stands; `codes` is the
    place among them of every row, -1 where nothing stands or a text that means no value.

    `numbers` are those of `values`, NaN where one is none, and `unit` stands beside them. Texts that were there and are
    no values: `missing_texts` are usual ones, `unreadable` stood between numbers, `placeholders` look like values.
    """

    name: str
    kind: SampleKind
    rows: int
    missing: int
    values: tuple[str, ...]
    counts: np.ndarray
    codes: np.ndarray
    numbers: np.ndarray | None = None
    missing_texts: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    unit: str = ""

    @property
    def distinct(self) -> int:
        """Different values."""
        return len(self.values)

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def gaps(self) -> float:
        """Share of rows without a value."""
        return self.missing / max(1, self.rows)

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return not self.missing and self.distinct == self.rows

    @property
    def counts_rows(self) -> bool:
        """Whether it is a whole number a row, rising or with hardly a gap: a number that rows were given."""
        if self.kind != "int" or not self.unique or self.rows < 2:
            return False
        dense = self.rows > FEWEST_COUNTED and np.ptp(self.row_numbers) < 2 * self.rows
        return bool(dense or np.all(np.diff(self.row_numbers) == 1))

    @property
    def own_gaps(self) -> tuple[str, ...]:
        """The texts that mean no value in this column, and perhaps something in another."""
        return tuple(dict.fromkeys(text.strip() for text in (*self.unreadable, *self.placeholders)))

    def without(self, placeholders: Sequence[str]) -> "Column":
        """The same, with some of its values taken for gaps."""
        if not placeholders:
            return self
        kept = np.array([text not in placeholders for text in self.values])
        place_of = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        codes, numbers = place_of[self.codes], self.numbers
        kind = self.kind
        if numbers is not None:
            numbers = numbers[kept]
            kind = "int" if _whole(numbers) else "float"
        return replace(
            self, kind=kind, missing=int((codes < 0).sum()), counts=self.counts[kept], codes=codes, numbers=numbers,
            values=tuple(text for text, one in zip(self.values, kept, strict=True) if one),
            placeholders=tuple(placeholders),
        )  # fmt: skip

    @cached_property
    def row_numbers(self) -> np.ndarray:
        """The number of every row, NaN where there is none."""
        assert self.numbers is not None
        return np.append(self.numbers, np.nan)[self.codes]

    @cached_property
    def words(self) -> float:
        """Mean number of words of the different values."""
        looked_at = self.values[:2_000]
        return sum(len(re.findall(r"\w+", text)) for text in looked_at) / max(1, len(looked_at))


def columns_of(sample: Sample) -> tuple[dict[str, Column], NumberStyle]:
    """Every column by its delivered name, and how numbers are written in this file."""
    encoded = {name: _encoded(sample.table[name]) for name in sample.names}
    units = {name: unit_of(_somethings(_bare(column.dictionary))) for name, column in encoded.items()}
    style = _style(_bare(column.dictionary, units[name]) for name, column in encoded.items())
    if any(_has_blanks(column.dictionary) for column in encoded.values()):
        style = replace(style, trim=True)
    return {name: encoded_column(name, column, style, units[name]) for name, column in encoded.items()}, style


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    found = column.combine_chunks().dictionary_encode()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _has_blanks(values: pa.Array) -> bool:
    """Whether most texts begin or end with a blank, as in `a, b, c`."""
    some = values[:2_000]
    blank = pc.or_(pc.starts_with(some, " "), pc.ends_with(some, " "))
    return bool(2 * (pc.sum(blank).as_py() or 0) > len(some)) and len(some) > 1


def _style(bare: Iterable[pa.Array]) -> NumberStyle:
    """The style by which most columns are numbers; dots and no thousands where that makes no difference."""
    texts = [present for values in bare if len(present := _somethings(values))]
    counts = [
        sum(pc.all(pc.match_substring_regex(one[:2_000], style.pattern)).as_py() for one in texts) for style in STYLES
    ]
    return STYLES[max(range(len(STYLES)), key=lambda place: (counts[place], -place))]


def _bare(values: pa.Array, unit: str = "") -> pa.Array:
    """Texts without blanks around them, numbers without their unit."""
    return without_unit(pc.utf8_trim_whitespace(values), Spelling(unit=unit))


def _somethings(values: pa.Array) -> pa.Array:
    """The texts that may be values."""
    return values.filter(pc.invert(_means_nothing(values)))


def _means_nothing(values: pa.Array) -> pa.Array:
    return pc.or_(pc.is_in(values, pa.array(MISSING)), pc.equal(values, ""))


def encoded_column(name: str, encoded: pa.DictionaryArray, style: NumberStyle, unit: str = "") -> Column:
    """A column of the sample from its different texts, and which of them each row has; `unit`: if it is of numbers."""
    if style.trim:
        encoded = _encoded(pa.chunked_array([pc.utf8_trim(encoded.dictionary_decode(), " ")]))
    texts = encoded.dictionary
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = len(places)
    counts = np.bincount(places[places >= 0], minlength=len(texts))
    bare = _bare(texts, unit)
    nothing = _means_nothing(bare).to_numpy(zero_copy_only=False)
    numeric = pc.match_substring_regex(bare, style.pattern).to_numpy(zero_copy_only=False) & ~nothing
    numeric &= bare.is_valid().to_numpy(zero_copy_only=False) & (
        pc.utf8_length(bare).to_numpy(zero_copy_only=False) > 0
    )
    numeric[numeric] = np.isfinite(_numbers(bare.filter(pa.array(numeric)), style))  # 1e400 is no number
    present = int(counts[~nothing].sum())
    if not present:
        return Column(name, "empty", rows, rows, (), np.array([], int), np.full(rows, -1))
    odd = ~numeric & ~nothing
    is_number = counts[odd].sum() <= UNREADABLE_SHARE * present and odd.sum() <= 5
    is_number = is_number or _are_marks(bare.filter(pa.array(odd)), counts[odd].sum() / present, int(numeric.sum()))
    is_code = is_number and _are_codes(bare.filter(pa.array(numeric)))
    left_out = nothing | odd if is_number and not is_code else nothing
    order = np.lexsort((np.arange(len(texts)), -counts))
    order = order[~left_out[order] & (counts[order] > 0)]
    place_of = np.full(len(texts) + 1, -1)
    place_of[order] = np.arange(len(order))
    codes = place_of[places]
    values = tuple(texts.take(pa.array(order)).to_pylist())
    listed = texts.to_pylist() if left_out.any() else []
    missing_texts = tuple(listed[place] for place in np.flatnonzero(nothing) if listed[place].strip())
    unreadable = tuple(listed[place] for place in np.flatnonzero(left_out & odd))
    about: dict[str, Any] = {"missing_texts": missing_texts, "unreadable": unreadable}
    kind: SampleKind = "string"
    numbers = None
    if is_number and not is_code:
        numbers = _numbers(bare.take(pa.array(order)), style)
        kind = "int" if _whole(numbers) else "float"
        about["unit"] = unit
    elif {text.strip().lower() for text in values[:3]} <= {"true", "false"}:
        kind = "bool"
    return Column(name, kind, rows, int((codes < 0).sum()), values, counts[order], codes, numbers, **about)


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.all(numbers == np.floor(numbers)) and np.max(np.abs(numbers)) < LARGEST_INT)


def _are_marks(texts: pa.Array, share: float, numbers: int) -> bool:
    """Whether what stands between numbers is a mark or two for a gap, such as `k.A.`: few words without a digit."""
    return (
        len(texts) <= MOST_MARKS
        and share <= MARKED_SHARE
        and numbers > ENOUGH_NUMBERS
        and not pc.any(pc.match_substring_regex(texts, "[0-9]")).as_py()
    )


def _are_codes(texts: pa.Array) -> bool:
    """Whether digits name something: with a zero before them, or so many that a float cannot tell them apart."""
    if pc.any(pc.match_substring_regex(texts, CODE)).as_py():
        return True
    longest = texts.filter(pc.match_substring_regex(texts, LONG_CODE))
    return any(abs(int(text)) > LARGEST_INT for text in longest.to_pylist())


def _numbers(texts: pa.Array, style: NumberStyle) -> np.ndarray:
    if style.thousands:
        texts = pc.replace_substring(texts, style.thousands, "")
    if style.decimal != ".":
        texts = pc.replace_substring(texts, style.decimal, ".")
    return pc.utf8_ltrim(texts, "+").cast(pa.float64()).to_numpy(zero_copy_only=False)


def missing_texts(columns: Sequence[Column]) -> tuple[str, ...]:
    """Every usual text that means no value, in any column."""
    return tuple(dict.fromkeys(text.strip() for column in columns for text in column.missing_texts))
