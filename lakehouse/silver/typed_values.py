"""Delivered texts as typed values: null where a text is none of its column's type. `validation` says what is allowed.

Pandas' twin is `operations.typed_rows`; both follow `lakeloop.delivered_values`.
"""

from collections.abc import Mapping

from pyspark.sql import Column as Expression
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import event_moment, is_name, moment, period_of
from lakehouse.storage.schema import SPARK_TYPES, quoted
from lakeloop.contract import Column, Contract, Feature
from lakeloop.contract.columns import DECIMAL_PLACES, TIMES
from lakeloop.contract.join import JoinColumn
from lakeloop.contract.read import Spelling
from lakeloop.delivered_values import (
    BLANKS,
    DECIMAL,
    WHOLE_DOUBLES,
    grouped,
    thousands_mark,
    unit_before,
    unit_behind,
)
from lakeloop.truth_values import FALSE, TRUE

TOO_FINE = rf"\.[0-9]{{{DECIMAL_PLACES}}}[0-9]*[1-9]"
"""More places behind the point than a decimal has in the lake."""
FINEST = "decimal(38,28)"
USUAL = Spelling()
WITH_POINT = ("float", "decimal")
NUMBERS = ("int", *WITH_POINT)


def delivered_value(contract: Contract, name: str, column: Column, spelling: Spelling) -> Expression:
    """A source's column as the contract means it: a feature, the event time, or what a joined row is met by."""
    if isinstance(column, JoinColumn):
        return met_by(name, column, spelling)
    if name == contract.event_time.column and contract.event_time.dated:
        return event_moment(contract.event_time, given(name, spelling))
    return typed_value(name, column, spelling, contract.event_time.timezone)


def met_by(name: str, column: JoinColumn, spelling: Spelling) -> Expression:
    """What a row of a joined source is met by: a value of the base's type, a moment, or a period's name."""
    text, time = given(name, spelling), column.time
    if time is None:
        return typed_value(name, column, spelling)
    if not time.dated:
        return sf.when(is_name(text, time.of_kind), text)
    at = event_moment(time, text)
    return period_of(at, time) if column.type == "string" else at


def given(name: str, spelling: Spelling = USUAL) -> Expression:
    """A delivered text; null where it is one that means: no value. The empty text always does and stays as it is."""
    text = sf.trim(quoted(name)) if spelling.trim else sf.col(quoted(name))
    if not spelling.missing:
        return text
    return sf.when(~sf.coalesce(sf.trim(text).isin(*spelling.missing), sf.lit(False)), text)


def written_otherwise(spelling: Spelling) -> bool:
    """Whether numbers are written in another way than the contract means them."""
    return bool(spelling.unit or spelling.thousands or spelling.decimal != ".")


def usual_numbers(spellings: Mapping[str, Spelling]) -> dict[str, Expression]:
    """The columns, by their names in a row, in which `number_of` finds these numbers in the usual spelling."""
    otherwise = {name: spelling for name, spelling in spellings.items() if written_otherwise(spelling)}
    return {_usual(name): number_text(given(name, spelling), spelling) for name, spelling in otherwise.items()}


def number_of(name: str, spelling: Spelling = USUAL) -> Expression:
    """A delivered number in the usual spelling; of one that is written otherwise, the column that has it.

    What is made of a number mentions it more than a hundred times, and Spark plans and compiles each mention: spelled
    out in each, the numbers of a table with seven columns filled Spark's memory.
    """
    return sf.col(quoted(_usual(name))) if written_otherwise(spelling) else number_text(given(name, spelling))


def _usual(name: str) -> str:
    return f"_number_{name}"


def number_text(text: Expression, spelling: Spelling = USUAL) -> Expression:
    """The text without white space of any kind around it. Most texts have none and are not searched for it.

    Of a number that is written otherwise than usual, the usual spelling; null where it could be read in two ways.
    """
    number = sf.regexp_replace(text, BLANKS, "")
    if not written_otherwise(spelling):
        bare = sf.left(text, sf.lit(1)).between("+", "9") & sf.right(text, sf.lit(1)).between("+", "9")
        return sf.when(bare, text).otherwise(number)
    if spelling.unit:
        number = _without_unit(number, spelling)
    if spelling.thousands:
        number = _without_thousands(number, spelling)
    if spelling.decimal != ".":
        number = sf.when(~number.contains("."), sf.replace(number, sf.lit(spelling.decimal), sf.lit(".")))
    return number


def _without_unit(number: Expression, spelling: Spelling) -> Expression:
    before, behind = unit_before(spelling), unit_behind(spelling)
    alone = sf.regexp_replace(number, before, "$1")
    return sf.when(number.rlike(before), alone).otherwise(sf.regexp_replace(number, behind, ""))


def _without_thousands(number: Expression, spelling: Spelling) -> Expression:
    """Null where marks stand elsewhere than between groups of three digits."""
    mark = thousands_mark(spelling)
    readable = number.rlike(rf"(?s)^(?!.*{mark})|{grouped(spelling)}")
    return sf.when(readable, sf.regexp_replace(number, mark, ""))


def is_decimal(number: Expression) -> Expression:
    """Not one of Java's own spellings (`1f`, `1d`, `0x1p3`). Nearly all end in a digit and need no pattern."""
    last = sf.right(number, sf.lit(1))
    plain = last.between(".", "9") & ~number.contains("x") & ~number.contains("X")
    return plain | number.rlike(DECIMAL)


def typed_value(name: str, column: Column, spelling: Spelling = USUAL, zone: str = "UTC") -> Expression:
    """The delivered text as the contract's type; null where it is not one, or missing. 3.0 is the whole number 3.

    `zone`: of times that say none.
    """
    text = given(name, spelling)
    if column.type == "string":
        return sf.nullif(text, sf.lit("")) if column.optional else text
    if column.type == "bool":
        return _truth_value(
            text if spelling.decimal == "." else sf.replace(text, sf.lit(spelling.decimal), sf.lit("."))
        )
    if isinstance(column, Feature) and column.type in TIMES:
        if column.type == "date":
            return moment(text, column.written, "UTC").cast("date")
        return moment(text, column.written, zone)
    number = number_of(name, spelling)
    if column.type == "float":
        return number.try_cast("double")
    if column.type == "decimal":
        exact = number.try_cast(SPARK_TYPES["decimal"])
        small = number.rlike("[eE]-") & (number.try_cast(FINEST) != exact)
        return sf.when(~(number.rlike(TOO_FINE) | sf.coalesce(small, sf.lit(False))), exact)
    whole = number.try_cast("double")
    is_whole = (whole == sf.floor(whole)) & (sf.abs(whole) < float(WHOLE_DOUBLES)) & is_decimal(number)
    return sf.coalesce(number.try_cast(SPARK_TYPES[column.type]), sf.when(is_whole, whole.cast("bigint")))


def _truth_value(text: Expression) -> Expression:
    """A text that says yes or no, in any case; null where it does not."""

    def said(word: Expression) -> Expression:
        return sf.when(word.isin(*TRUE), True).when(word.isin(*FALSE), False)

    return sf.coalesce(said(sf.lower(text)), said(sf.lower(sf.regexp_replace(text, BLANKS, ""))))


def is_missing(column: Column, text: Expression) -> Expression:
    """Whether a text is no value: null, empty or, where it would mean nothing else, blank."""
    nothing = text.isNull() | (text == "")
    if column.type == "string":
        return nothing
    begins = sf.left(text, sf.lit(1)).between("+", "9")  # as nearly all numbers do: then nothing is searched for
    return nothing | (~begins & (sf.regexp_replace(text, BLANKS, "") == ""))
