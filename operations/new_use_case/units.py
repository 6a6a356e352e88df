"""The unit that stands beside the numbers of a column: `$1,234.50`, `64%`, `12,50 EUR`."""

import re
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

CURRENCIES = (
    "$", "US$", "A$", "C$", "R$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₪", "Rs.", "Rs", "kr", "zł", "Kč",
    "EUR", "USD", "GBP", "JPY", "CHF", "CNY", "INR", "AUD", "CAD", "BRL", "SEK", "NOK", "DKK", "PLN", "CZK", "TRY",
)  # fmt: skip
MEASURES = (
    "%", "‰", "°", "°C", "°F", "mg", "g", "kg", "t", "oz", "lb", "lbs", "mm", "cm", "m", "km", "in", "ft", "mi",
    "miles", "m²", "m2", "qm", "km²", "km2", "sqft", "m³", "m3", "ml", "l", "km/h", "mph", "m/s", "ms", "s", "sec",
    "min", "mins", "minutes", "h", "hr", "hrs", "hours", "days", "weeks", "months", "years", "W", "kW", "kWh", "MWh",
    "PS", "hp", "V", "A", "Hz", "MHz", "GHz", "hPa", "bar", "KB", "MB", "GB", "TB", "px", "Euro", "euros", "dollars",
)  # fmt: skip
"""Texts that name nothing but a measure: of others, such as `A1` or `Q4`, nobody knows whether they are numbers."""
COMMON = 0.5
"""Of the different texts, that have the unit."""
LOOKED_AT = 2_000
NO_NUMBER = "[^0-9.,eE+ -]"


def _one_of(texts: tuple[str, ...]) -> str:
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))


BESIDE = (
    rf"^[+-]?\s*(?P<before>{_one_of(CURRENCIES)})?\s*[+-]?[0-9.,][0-9.,' ]*?\s*"
    rf"(?P<behind>{_one_of((*CURRENCIES, *MEASURES))})?$"
)


def unit_of(texts: pa.Array) -> str:
    """The unit of a column, by its different texts without blanks around them; '' where numbers stand alone."""
    some = texts[:LOOKED_AT]
    if not pc.any(pc.match_substring_regex(some, NO_NUMBER)).as_py():
        return ""
    found = pc.extract_regex(some, BESIDE).drop_null()
    if 2 * len(found) < len(some):
        return ""
    sides = (pc.struct_field(found, "before"), pc.struct_field(found, "behind"))
    units = Counter(unit for side in sides for unit in side.to_pylist() if unit)
    unit, times = max(units.items(), key=lambda one: one[1], default=("", 0))
    return unit if times >= COMMON * len(some) else ""
