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

from lakehouse.silver.derived_columns import derived_columns
from lakehouse.silver.event_time import event_time_problem, fits_event_time, period_of
from lakehouse.silver.made_truth import made_truth
from lakehouse.silver.problems import joined_problems, joined_texts, shown, wrong
from lakehouse.silver.typed_values import (
    NUMBERS,
    USUAL,
    WITH_POINT,
    delivered_value,
    given,
    is_decimal,
    is_missing,
    met_by,
    number_of,
    typed_value,
    usual_numbers,
)
from lakehouse.storage.schema import limits_of
from lakeloop.contract import Column, Contract, Feature
from lakeloop.contract.columns import DECIMAL_PLACES, TIMES, not_allowed
from lakeloop.contract.join import JoinColumn
from lakeloop.contract.key import JOINT
from lakeloop.contract.read import Spelling
from lakeloop.contract.time_formats import meaning
from lakeloop.derived_features import Derivation

NUL = "\0"
ROW = "_row"
ORIGIN = ("_source_file", "_delivery", "_line", "_batch")


@dataclass(frozen=True)
class Validation:
    """How a source's delivered rows are read: expressions over the columns of its bronze table, made once for all rows.

    `numbers` are columns that the others are made of, so a row has them first (`readable`). `values` are typed, null
    where a text is none of that type; `made` is the truth, by its name, where it is computed from them. `told_apart`:
    by which one row is told from another. `good`: whether a row keeps the contract, never null. `reason`, a sentence
    for each thing that is wrong with it, and `value`, what that is wrong with.
    """

    numbers: Mapping[str, Expression]
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
        rows = self.readable(bronze).select(*typed, *ORIGIN, good.alias("_good")).where("_good").drop("_good")
        return rows.withColumns(dict(self.made))

    def bad_rows(self, bronze: DataFrame) -> DataFrame:
        """The other rows as delivered, with `_reason` and `_value` (`name = 'text'`)."""
        value = sf.when(sf.col("_flaw").isNull(), self.value)
        bad = self.readable(bronze).where(~self.good)
        return bad.withColumns({"_reason": sf.coalesce("_flaw", self.reason), "_value": value}).drop(*self.numbers)

    def readable(self, bronze: DataFrame) -> DataFrame:
        """The rows with what all else is made of."""
        return bronze.withColumns(dict(self.numbers)) if self.numbers else bronze


def validation_of(contract: Contract, source: str, derivation: Derivation | None = None) -> Validation:
    """How the rows of one source are read; of the base `derivation` makes the derived features, if there are such."""
    columns, read = contract.columns_of(source), contract.sources[source].read
    numbers = usual_numbers({name: read.spelling(name) for name, one in columns.items() if one.type in NUMBERS})
    values, label, event_time = {}, contract.label, contract.event_time
    conditions, problems = [sf.col("_flaw").isNull()], []
    if numbers:  # a row's number: so Spark filters where the numbers are, and does not spell them out in the filter
        numbers[ROW] = sf.monotonically_increasing_id()
        conditions.append(sf.col(ROW) >= 0)
    for name, column in columns.items():
        spelling = read.spelling(name)
        values[name] = delivered_value(contract, name, column, spelling)
        conditions.append(fits(contract, name, column, spelling))
        problems.append(problem(contract, name, column, spelling))
    made = {label.column: made_truth(contract)} if label.computed and label.source == source else {}
    if made and label.truth.valid is not None and not label.several:
        impossible = _truth_problem(contract, values, *label.truth.valid)
        conditions.append(impossible.isNull())
        problems.append(impossible)
    told_apart = tuple(values[name] for name in contract.identity(source))
    if event_time.dated and source == contract.feature_source:
        values[contract.period_column] = period_of(values[event_time.column], event_time)
    good = sf.coalesce(reduce(lambda a, b: a & b, conditions), sf.lit(False))
    reason, value = joined_problems(problems)
    if derivation is not None:
        derived = derived_columns(derivation, contract.features, values)
        values |= derived.values
        as_given, of_derived = good, joined_texts(derived.problems)
        good = as_given & (sf.size(derived.problems) == 0)
        reason, value = (
            sf.when(as_given, mine).otherwise(theirs) for mine, theirs in zip(of_derived, (reason, value), strict=True)
        )
    return Validation(numbers, values, made, told_apart, good, reason, value)


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
        return met_by(name, column, spelling).isNotNull()
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
    fits = fits & is_decimal(number_of(name, spelling)) if column.type in WITH_POINT else fits
    return is_missing(column, text) | sf.coalesce(fits, sf.lit(False)) if column.optional else fits


def _is_event_time(contract: Contract, name: str, column: Column) -> bool:
    """Whether a text is the event time as files have it. A request has it in ISO 8601, and its feature says so."""
    if name != contract.event_time.column or isinstance(column, JoinColumn):
        return False
    return not (isinstance(column, Feature) and column.format is not None)


def _joints(text: Expression) -> Expression:
    """How often a compound key has what stands between its parts."""
    return sf.length(text) - sf.length(sf.replace(text, sf.lit(JOINT)))


def problem(contract: Contract, name: str, column: Column, spelling: Spelling = USUAL) -> Expression:
    """What is wrong with the delivered text, as `wrong` gives it; null if nothing is."""
    text = given(name, spelling)
    beside = shown(name, text)
    if isinstance(column, JoinColumn) and column.time is not None:
        missing = sf.when(text.isNull() | (text == ""), wrong(f"`{name}` is missing"))
        unreadable = met_by(name, column, spelling).isNull()
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
            readable = is_decimal(number_of(name, spelling))
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
