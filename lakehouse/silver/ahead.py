"""The truth of rows that later rows bring: the value that the same thing has some periods later, by the earlier row's
key."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.lake import Lake
from lakehouse.storage.merge import COMPLETE, MergeCounts, upsert
from lakehouse.storage.schema import quoted
from lakehouse.storage.table_log import Range, joined_ranges
from lakeloop.contract import Contract
from lakeloop.contract.contract import AHEAD
from lakeloop.contract.key import JOINT


def truth_of_earlier(rows: DataFrame, contract: Contract, kept: Sequence[str]) -> DataFrame:
    """Of typed rows of the base the key of the row that each is the truth of, that truth (null where the row has none),
    and the columns `kept`; rows of the first periods are no row's truth.
    """
    return _of(rows, contract, _spans(rows, contract), kept)


def write_ahead(lake: Lake, new: DataFrame) -> MergeCounts:
    """Write the truth that new rows of the base (typed, one a key, with their origin) bring earlier ones; a row that is
    corrected to have no value takes it away.
    """
    contract = lake.contract
    spans = _spans(new, contract)
    if not spans:
        return MergeCounts()
    key, truth = contract.key.column, contract.label.truth_column
    rows = _of(new, contract, spans, ["_source_file", "_batch"])
    rows = rows.withColumn(COMPLETE, sf.when(sf.col(quoted(truth)).isNotNull(), True))
    ranges: list[Range] = [
        (contract.earlier_key(low), contract.earlier_key(high)) for low, high in spans.values()
    ]  # within a period the earlier keys have the order of the keys
    return upsert(lake.table(f"silver/{AHEAD}"), rows, [key], joined_ranges(ranges), [key, truth], COMPLETE)


def _spans(rows: DataFrame, contract: Contract) -> Mapping[str, tuple[Any, Any]]:
    """The periods of rows that can be an earlier row's truth, each with its lowest and highest key."""
    key, period = quoted(contract.key.column), contract.period_column
    found = rows.groupBy(quoted(period)).agg(sf.min(key).alias("_low"), sf.max(key).alias("_high")).collect()
    later = (row for row in found if contract.period_number(row[period]) >= contract.ahead)
    return {row[period]: (row["_low"], row["_high"]) for row in later}


def _of(rows: DataFrame, contract: Contract, periods: Mapping[str, object], kept: Sequence[str]) -> DataFrame:
    label, period = contract.label, sf.col(quoted(contract.period_column))
    columns = [sf.col(quoted(label.column)).alias(label.truth_column), *map(sf.col, map(quoted, kept))]
    there = rows.where(period.isin(*periods)) if periods else rows.where(sf.lit(False))
    return there.select(_earlier_key(contract, period, periods).alias(contract.key.column), *columns)


def _earlier_key(contract: Contract, period: Column, periods: Mapping[str, object]) -> Column:
    """A key with another period: `north|2014` -> `north|2013`; as `Contract.earlier_key`."""
    key, event = sf.col(quoted(contract.key.column)), contract.event_time.column
    names = [part for name in periods for part in (sf.lit(name), sf.lit(contract.earlier_period(name)))]
    earlier = sf.try_element_at(sf.create_map(*names), period) if names else period
    parts = [
        earlier if name == event else sf.split_part(key, sf.lit(JOINT), sf.lit(place))
        for place, name in enumerate(contract.key.columns, start=1)
    ]
    return sf.concat_ws(JOINT, *parts)
