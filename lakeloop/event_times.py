"""Makes the event times that no file has in one column, from delivered texts of its parts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakeloop.contract import Contract
from lakeloop.contract.event_time import WRITTEN, TimePart

if TYPE_CHECKING:
    import pyarrow as pa

WHOLE = r"^([0-9]+)\.0*$"
"""A whole number as pandas writes it beside gaps."""
MONTHS = {
    word: str(number)
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
         "december"), 1,
    )
    for word in (name, name[:3])
}  # fmt: skip
"""A month's number by its name, as texts, in lower case."""


def with_event_time(contract: Contract, source: str, texts: "Mapping[str, pa.Array]") -> "dict[str, pa.Array]":
    """The event time by its column, where rows of this source get one that is joined; else nothing.

    Null where a part is; what the calendar does not have is joined all the same and read by nobody.
    """
    if not contract.event_time.columns or source != contract.feature_source:
        return {}
    return {contract.event_time.column: event_times(contract.event_time.columns, texts)}


def event_times(columns: Mapping[TimePart, str], texts: "Mapping[str, pa.Array]") -> "pa.Array":
    """Texts such as `2024-7-31` from those of year, month and day by column, as `event_time.format` reads them."""
    import pyarrow.compute as pc

    parts = [(_part(texts[columns[part]]), before) for part, before in joints(columns)]
    joined = parts[0][0]
    for part, before in parts[1:]:
        joined = pc.binary_join_element_wise(joined, part, before)
    return joined


def joints(columns: Mapping[TimePart, str]) -> list[tuple[TimePart, str]]:
    """The parts of a joined event time in their order, and what stands before each."""
    return [(part, form.partition("%")[0]) for part, form in WRITTEN.items() if part in columns]


def _part(texts: "pa.Array") -> "pa.Array":
    """Few different texts, so each is made once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = texts.dictionary_encode()
    bare = pc.replace_substring_regex(pc.utf8_trim(encoded.dictionary, " "), WHOLE, r"\1")
    known = pa.array([MONTHS.get((text or "").lower(), text) for text in bare.to_pylist()], pa.string())
    return known.take(encoded.indices)
