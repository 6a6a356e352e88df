"""Validates bronze rows by the contract: typed values for the good ones, a sentence for what is wrong with the others.

A sentence names the kind of the mistake, and the value stands beside it: so a hundred thousand rows with a hundred
thousand different values are one line in a report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import (
    event_moment,
    event_time_problem,
    fits_event_time,
    is_name,
    moment,
    period_of,
)
from lakehouse.silver.made_truth import made_truth
from lakehouse.silver.problems import joined_problems, shown, wrong
from lakehouse.storage.schema import SPARK_TYPES, limits_of, quoted
from lakeloop.contract import Column, Contract, Feature
from lakeloop.contract.columns import DECIMAL_PLACES, TIMES
from lakeloop.contract.join import JoinColumn
from lakeloop.contract.key import JOINT
from lakeloop.contract.section import some
from lakeloop.contract.sources import Spelling
from lakeloop.contract.time_features import FIRST, LAST
from lakeloop.contract.time_formats import meaning
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
NUL = "\0"
WITH_POINT = ("float", "decimal")
ORIGIN = ("_source_file", "_delivery", "_line", "_batch")


@dataclass(frozen=True)
class Validation:
    """How a source's delivered rows are read: expressions over the columns of its bronze table, made once for all rows.

    `values` are typed, null where a text is none of that type; `made` is the truth, by its name, where it is computed
    from them. `told_apart`: by which one row is told from another. `good`: whether a row keeps the contract, never
    null. `reason`, a sentence for each thing that is wrong with it, and `value`, what that is wrong with.
    """

    values: Mapping[str, Expression]
    made: Mapping[str, Expression]
    told_apart: tuple[Expression, ...]
    good: Expression
    reason: Expression
    value: Expression

    def good_rows(self, bronze: DataFrame) -> DataFrame:
        """Typed columns and origin of the rows that keep the contract."""
        # A row's number is never negative, but cannot be computed before the projection: so Spark filters after it and
        # casts each text once, not once a mention (1.5 times as fast).
        good = self.good & (sf.monotonically_increasing_id() >= 0)
        typed = (value.alias(name) for name, value in self.values.items())
        rows = bronze.select(*typed, *ORIGIN, good.alias("_good")).where("_good").drop("_good")
        return rows.withColumns(dict(self.made))

    def bad_rows(self, bronze: DataFrame) -> DataFrame:
        """The other rows as delivered, with `_reason` and `_value` (`name = 'text'`)."""
        value = sf.when(sf.col("_flaw").isNull(), self.value)
        return bronze.where(~self.good).withColumns({"_reason": sf.coalesce("_flaw", self.reason), "_value": value})


def validation_of(contract: Contract, source: str) -> Validation:
    """How the rows of one source are read."""
    columns, read = contract.columns_of(source), contract.sources[source].read
    values, label, event_time = {}, contract.label, contract.event_time
    conditions, problems = [sf.col("_flaw").isNull()], []
    for name, column in columns.items():
        spelling = read.spelling(name)
        values[name] = _value(contract, name, column, spelling)
        conditions.append(fits(contract, name, column, spelling))
        problems.append(problem(contract, name, column, spelling))
    made = {label.column: made_truth(contract)} if label.made is not None and label.source == source else {}
    if made and label.truth.valid is not None:
        impossible = _truth_problem(contract, values, *label.truth.valid)
        conditions.append(impossible.isNull())
        problems.append(impossible)
    told_apart = tuple(values[name] for name in contract.identity(source))
    if event_time.dated and source == contract.feature_source:
        values[contract.period_column] = period_of(values[event_time.column], event_time)
    good = sf.coalesce(reduce(lambda a, b: a & b, conditions), sf.lit(False))
    return Validation(values, made, told_apart, good, *joined_problems(problems))


def _value(contract: Contract, name: str, column: Column, spelling: Spelling) -> Expression:
    if isinstance(column, JoinColumn):
        return _met_by(name, column, spelling)
    if name == contract.event_time.column and contract.event_time.dated:
        return event_moment(contract.event_time, given(name, spelling))
    return typed_value(name, column, spelling, contract.event_time.timezone)


def _met_by(name: str, column: JoinColumn, spelling: Spelling) -> Expression:
    """What a row of a joined source is met by: a value of the base's type, a moment, or a period's name."""
    text, time = given(name, spelling), column.time
    if time is None:
        return typed_value(name, column, spelling)
    if not time.dated:
        return sf.when(is_name(text, time.of_kind), text)
    at = event_moment(time, text)
    return period_of(at, time) if column.type == "string" else at


def _truth_problem(contract: Contract, values: Mapping[str, Expression], low: float, high: float) -> Expression:
    """Where a computed number is none that the truth can be; null where nothing is wrong, or there is no truth."""
    label = contract.label
    value = made_truth(contract, lambda name: values[name])
    beside = sf.concat(sf.lit(f"{label.column} = "), value.cast("string"))
    outside = wrong(f"`{label.column}`, computed as `{label.made}`, is {not_allowed(label.truth)}", beside)
    return sf.when((value < low) | (value > high), outside)


def fits(contract: Contract, name: str, column: Column, spelling: Spelling = USUAL) -> Expression:
    """Whether one delivered text keeps the contract; null counts as no. `spelling`: how texts are written."""
    text = given(name, spelling)
    if isinstance(column, JoinColumn) and column.time is not None:
        return _met_by(name, column, spelling).isNotNull()
    if name == contract.key.column and contract.key.columns:
        return _joints(text) == len(contract.key.columns) - 1
    if _is_event_time(contract, name, column):
        return fits_event_time(contract, text)
    value = typed_value(name, column, spelling, contract.event_time.timezone)
    if column.values is not None:
        fits = value.isin(*column.values)
    elif column.limits is not None:
        low, high = limits_of(column)
        fits = (value >= low) & (value <= high)
    elif column.type == "bool":
        fits = value.isNotNull()
    else:
        fits = (text != "") & ~text.contains(NUL) if isinstance(column, Feature) else text != ""
    fits = fits & _is_decimal(_number(text, spelling)) if column.type in WITH_POINT else fits
    return is_missing(column, text) | sf.coalesce(fits, sf.lit(False)) if column.optional else fits


def _is_event_time(contract: Contract, name: str, column: Column) -> bool:
    """Whether a text is the event time as files have it. A request has it in ISO 8601, and its feature says so."""
    if name != contract.event_time.column or isinstance(column, JoinColumn):
        return False
    return not (isinstance(column, Feature) and column.format is not None)


def is_missing(column: Column, text: Expression) -> Expression:
    """Whether a text is no value: null, empty or, where it would mean nothing else, blank."""
    nothing = text.isNull() | (text == "")
    if column.type == "string":
        return nothing
    begins = sf.left(text, sf.lit(1)).between("+", "9")  # as nearly all numbers do: then nothing is searched for
    return nothing | (~begins & (sf.regexp_replace(text, BLANKS, "") == ""))


def _joints(text: Expression) -> Expression:
    """How often a compound key has what stands between its parts."""
    return sf.length(text) - sf.length(sf.replace(text, sf.lit(JOINT)))


def given(name: str, spelling: Spelling = USUAL) -> Expression:
    """A delivered text; null where it is one that means: no value. The empty text always does and stays as it is."""
    text = sf.trim(quoted(name)) if spelling.trim else sf.col(quoted(name))
    if not spelling.missing:
        return text
    return sf.when(~sf.coalesce(sf.trim(text).isin(*spelling.missing), sf.lit(False)), text)


def _number(text: Expression, spelling: Spelling = USUAL) -> Expression:
    """The text without white space of any kind around it. Most texts have none and are not searched for it.

    Of a number that is written otherwise than usual, the usual spelling; null where it could be read in two ways.
    """
    bare = sf.left(text, sf.lit(1)).between("+", "9") & sf.right(text, sf.lit(1)).between("+", "9")
    number = sf.when(bare, text).otherwise(sf.regexp_replace(text, BLANKS, ""))
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
    return sf.when(~number.rlike(mark), number).when(
        number.rlike(grouped(spelling)), sf.regexp_replace(number, mark, "")
    )


def _is_decimal(number: Expression) -> Expression:
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
    number = _number(text, spelling)
    if column.type == "float":
        return number.try_cast("double")
    if column.type == "decimal":
        exact = number.try_cast(SPARK_TYPES["decimal"])
        small = number.rlike("[eE]-") & (number.try_cast(FINEST) != exact)
        return sf.when(~(number.rlike(TOO_FINE) | sf.coalesce(small, sf.lit(False))), exact)
    whole = number.try_cast("double")
    is_whole = (whole == sf.floor(whole)) & (sf.abs(whole) < float(WHOLE_DOUBLES)) & _is_decimal(number)
    return sf.coalesce(number.try_cast(SPARK_TYPES[column.type]), sf.when(is_whole, whole.cast("bigint")))


def _truth_value(text: Expression) -> Expression:
    """A text that says yes or no, in any case; null where it does not."""

    def said(word: Expression) -> Expression:
        return sf.when(word.isin(*TRUE), True).when(word.isin(*FALSE), False)

    return sf.coalesce(said(sf.lower(text)), said(sf.lower(sf.regexp_replace(text, BLANKS, ""))))


def problem(contract: Contract, name: str, column: Column, spelling: Spelling = USUAL) -> Expression:
    """What is wrong with the delivered text, as `wrong` gives it; null if nothing is."""
    text = given(name, spelling)
    beside = shown(name, text)
    if isinstance(column, JoinColumn) and column.time is not None:
        missing = sf.when(text.isNull() | (text == ""), wrong(f"`{name}` is missing"))
        unreadable = _met_by(name, column, spelling).isNull()
        return missing.when(unreadable, wrong(f"`{name}` is not {column.time.meaning}", beside))
    if _is_event_time(contract, name, column):
        return event_time_problem(contract, text)
    value = typed_value(name, column, spelling, contract.event_time.timezone)
    if name == contract.key.column and contract.key.columns:  # a part that is missing is told as itself
        joined = wrong(f"a part of the key has `{JOINT}` in it, which stands between its parts", beside)
        return sf.when(_joints(text) != len(contract.key.columns) - 1, joined)
    missing = is_missing(column, text) if column.optional else text.isNull() | (text == "")
    case = sf.when(missing, sf.lit(None) if column.optional else wrong(f"`{name}` is missing"))
    if column.type != "string":
        readable = sf.lit(True)
        if column.type in WITH_POINT:
            readable = _is_decimal(_number(text, spelling))
            readable = readable | sf.isnan(value) if column.type == "float" else readable
        case = case.when(value.isNull() | ~readable, wrong(f"`{name}` is not {_article(column)}", beside))
    if column.type == "float":
        case = case.when(sf.isnan(value), wrong(f"`{name}` is NaN"))
    outside = wrong(f"`{name}` is {not_allowed(column)}", beside)
    if column.values is not None:
        case = case.when(~value.isin(*column.values), outside)
    elif column.limits is not None:
        low, high = limits_of(column)
        case = case.when((value < low) | (value > high), outside)
    elif column.type == "string" and isinstance(column, Feature):
        case = case.when(text.contains(NUL), wrong(f"`{name}` has a NUL character, which no text file holds"))
    return case


def _article(column: Column) -> str:
    if column.type == "bool":
        return "a bool (true, false, yes, no, t, f, 1, 0)"
    if column.type == "decimal":
        return f"a decimal of up to {DECIMAL_PLACES} places behind the point"
    if isinstance(column, Feature) and column.type in TIMES:
        return meaning(column.written)
    return "an int" if column.type == "int" else f"a {column.type}"


def not_allowed(column: Column) -> str:
    """What an impossible value of the column is, e.g. `outside 0 to 150 years`, `not one of basic, plus`."""
    if column.values is not None:
        return f"not one of {some(column.values)}"
    if column.valid is not None:
        return f"outside {column.allowed} {column.unit}".strip()
    if column.type in TIMES:
        return f"outside the years {FIRST.year} to {LAST.year}"
    largest = column.limits[1] if column.limits else 0
    return f"beyond ±{largest:.5g}, the largest {column.type} there is here"
