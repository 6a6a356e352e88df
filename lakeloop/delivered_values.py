"""What a delivered text is as a value of the contract's types, for whoever has texts in memory.

Silver says the same with Spark (`lakehouse.silver.typed_values`), by the patterns and words that stand here.
"""

from typing import TYPE_CHECKING

from lakeloop.contract.columns import TIMES, Column
from lakeloop.contract.features import Feature
from lakeloop.contract.read import Spelling
from lakeloop.truth_values import FALSE, TRUE

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WHOLE_DOUBLES = 1 << 53
"""Below this every whole number is exact as a double."""
# Regular expressions as Java and RE2 both read them.
BLANKS = r"^[\p{Z}\p{Cc}\p{Cf}]+|[\p{Z}\p{Cc}\p{Cf}]+$"
"""What is no part of a number or of a yes or no around it: white space of any kind and what cannot be seen."""
_BETWEEN = r"[\p{Z}\p{Cc}\p{Cf}]*"
DECIMAL = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf(inity)?))$"
_BLANK_MARK = r"[ \x{00a0}\x{2009}\x{202f}]"
"""The blanks that may stand between thousands; files have any of them where people say "a blank"."""


def thousands_mark(spelling: Spelling) -> str:
    """What stands between groups of thousands, as a regular expression."""
    return _BLANK_MARK if spelling.thousands.isspace() else f"[\\{spelling.thousands}]"


def grouped(spelling: Spelling) -> str:
    """A number with marks between groups of three digits and nowhere else: elsewhere 1.5 would become 15."""
    return rf"^[+-]?[0-9]{{1,3}}({thousands_mark(spelling)}[0-9]{{3}})+([\{spelling.decimal}][0-9]*)?$"


def unit_before(spelling: Spelling) -> str:
    """The unit before a number, as a regular expression whose first group is the sign before it: -$5, $ 5."""
    return rf"^([+-]?){_BETWEEN}\Q{spelling.unit}\E{_BETWEEN}"


def unit_behind(spelling: Spelling) -> str:
    """The unit behind a number, as a regular expression."""
    return rf"{_BETWEEN}\Q{spelling.unit}\E$"


def typed_values(texts: "pd.Series", column: Column, spelling: Spelling, zone: str = "UTC") -> "pd.Series":
    """Texts as the contract's type, as exports have them: text, or a float, which a bool, an int or a time is, too.

    Missing where a text means no value or is none of that type. `zone`: of times that say none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    given = pa.array(texts, pa.string(), from_pandas=True)
    if spelling.trim:
        given = pc.utf8_trim(given, " ")
    if spelling.missing:
        nothing = pc.is_in(pc.utf8_trim(given, " "), value_set=pa.array(spelling.missing, pa.string()))
        given = pc.if_else(nothing, None, given)
    if column.type == "string":
        return pc.if_else(pc.equal(given, ""), None, given).to_pandas().set_axis(texts.index)
    bare = pc.replace_substring_regex(given, BLANKS, "")
    if column.type == "bool":
        words = pc.replace_substring(pc.utf8_lower(bare), spelling.decimal, ".")
        return _truth_values(words).to_pandas().set_axis(texts.index)
    if isinstance(column, Feature) and column.type in TIMES:
        written = bare.to_pandas()
        known = {text: column.seconds(text, column.written, zone) for text in written.dropna().unique()}
        return written.map(known).astype(float).set_axis(texts.index)
    spelled = _usual_spelling(bare, spelling)
    # Arrow's reading is exact to the last digit; that of pandas is not.
    found = spelled.cast(pa.float64()).to_pandas().astype(float)
    if column.type == "int":
        plain = pc.fill_null(pc.match_substring_regex(spelled, f"^[+-]?0*{WHOLE_DOUBLES}$"), False).to_pandas()
        found = found.where((found % 1 == 0) & ((found.abs() < WHOLE_DOUBLES) | plain))
    return found.set_axis(texts.index)


def usual_number(text: str, spelling: Spelling) -> str | None:
    """One number in the usual spelling, without unit and marks; None where it is none or could be read in two ways."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.replace_substring_regex(pa.array([text], pa.string()), BLANKS, "")
    found: str | None = _usual_spelling(bare, spelling)[0].as_py()
    return found


def _truth_values(words: "pa.Array") -> "pa.Array":
    """1 and 0 for texts in lower case that say yes and no."""
    import pyarrow as pa
    import pyarrow.compute as pc

    said = pa.array([1.0] * len(TRUE) + [0.0] * len(FALSE))
    return pc.take(said, pc.index_in(words, value_set=pa.array([*TRUE, *FALSE])))


def without_unit(numbers: "pa.Array", spelling: Spelling) -> "pa.Array":
    """Texts with the unit taken away, on whichever side of a number it stands."""
    import pyarrow.compute as pc

    if not spelling.unit:
        return numbers
    before = pc.match_substring_regex(numbers, unit_before(spelling))
    alone = pc.replace_substring_regex(numbers, unit_before(spelling), r"\1")
    return pc.if_else(before, alone, pc.replace_substring_regex(numbers, unit_behind(spelling), ""))


def _usual_spelling(numbers: "pa.Array", spelling: Spelling) -> "pa.Array":
    """Numbers alone, without marks between thousands and with a decimal point; null where there are two readings."""
    import pyarrow.compute as pc

    numbers = without_unit(numbers, spelling)
    if spelling.thousands:
        mark = thousands_mark(spelling)
        good = pc.invert(pc.match_substring_regex(numbers, mark))
        good = pc.or_(good, pc.match_substring_regex(numbers, grouped(spelling)))
        numbers = pc.replace_substring_regex(pc.if_else(good, numbers, None), mark, "")
    if spelling.decimal != ".":
        numbers = pc.if_else(pc.match_substring(numbers, "."), None, numbers)
        numbers = pc.replace_substring(numbers, spelling.decimal, ".")
    return pc.if_else(pc.match_substring_regex(numbers, DECIMAL), numbers, None)
