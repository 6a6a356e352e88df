"""Validates bronze rows by the contract: typed values for the good ones, a sentence for what is wrong with the others.

A sentence names the kind of the mistake, and the value stands beside it: so a hundred thousand rows with a hundred
thousand different values are one line in a report.
"""

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


def good_rows(bronze: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Typed columns and origin of the rows that keep the contract."""
    columns, read = contract.columns_of(source), contract.sources[source].read
    typed = [_value(contract, name, column, read.spelling(name)).alias(name) for name, column in columns.items()]
    if contract.event_time.dated and source == contract.feature_source:
        name = contract.event_time.column
        moment = event_moment(contract.event_time, given(name, read.spelling(name)))
        typed.append(period_of(moment, contract.event_time).alias(contract.period_column))
    # A row's number is never negative, but cannot be computed before the projection: so Spark filters after it and
    # casts each text once, not once a mention (1.5 times as fast).
    good = is_good(contract, source) & (sf.monotonically_increasing_id() >= 0)
    rows = bronze.select(*typed, *ORIGIN, good.alias("_good")).where("_good").drop("_good")
    return rows.withColumn(contract.label.column, made_truth(contract)) if _makes_truth(contract, source) else rows


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


def bad_rows(bronze: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The other rows as delivered, with `_reason`, a sentence for each thing that is wrong, and `_value`, what it is
    wrong with (`name = 'text'`)."""
    read = contract.sources[source].read
    problems = [
        problem(contract, name, column, read.spelling(name)) for name, column in contract.columns_of(source).items()
    ]
    if _makes_truth(contract, source):
        problems.append(_truth_problem(contract, source))
    reason, value = joined_problems(problems)
    flawed = sf.col("_flaw").isNotNull()
    return bronze.where(~is_good(contract, source)).withColumns(
        {"_reason": sf.coalesce("_flaw", reason), "_value": sf.when(~flawed, value)}
    )


def is_good(contract: Contract, source: str) -> Expression:
    """Whether a bronze row keeps the contract; never null, and false exactly where `problem` finds something."""
    read = contract.sources[source].read
    conditions = [
        fits(contract, name, column, read.spelling(name)) for name, column in contract.columns_of(source).items()
    ]
    if _makes_truth(contract, source):
        conditions.append(_truth_problem(contract, source).isNull())
    return sf.coalesce(reduce(lambda a, b: a & b, conditions, sf.col("_flaw").isNull()), sf.lit(False))


def _makes_truth(contract: Contract, source: str) -> bool:
    return contract.label.made is not None and contract.label.source == source


def _truth_problem(contract: Contract, source: str) -> Expression:
    """Where a computed number is none that the truth can be; null where nothing is wrong, or there is no truth."""
    columns, label, read = contract.columns_of(source), contract.label, contract.sources[source].read
    if label.truth.valid is None:
        return sf.lit(None)
    value = made_truth(contract, lambda name: typed_value(name, columns[name], read.spelling(name)))
    low, high = label.truth.valid
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


def told_apart_by(contract: Contract, source: str) -> list[Expression]:
    """The typed values by which one delivered row of a joined source is told from another."""
    columns, read = contract.columns_of(source), contract.sources[source].read
    return [_value(contract, name, columns[name], read.spelling(name)) for name in contract.identity(source)]
