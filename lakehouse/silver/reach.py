"""Which rows of the base and of a joined source can meet at all, by their values and times: no others are read."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import period_of
from lakehouse.silver.joined_features import AT, base_moment, interval, own_moment, own_time
from lakehouse.storage.merge import within
from lakehouse.storage.schema import quoted
from lakehouse.storage.table_log import Range, joined_ranges
from lakeloop.contract import Contract
from lakeloop.contract.time_features import EPOCH


def touched(rows: DataFrame, changed: DataFrame, source: str, contract: Contract) -> DataFrame:
    """The rows of the base that a changed row of a source can be met by: with its values, and not before its time."""
    join = contract.joins[source]
    named = {f"_on{number}": pair for number, pair in enumerate(join.on.items())}
    own = [sf.col(quoted(o)).alias(n) for n, (o, _) in named.items()]
    equal = reduce(lambda a, b: a & b, [sf.col(n) == sf.col(quoted(base)) for n, (_, base) in named.items()])
    if not join.as_of:
        return rows.join(changed.select(*own), equal, "left_semi")
    times = changed.select(*own, own_moment(contract, source).alias(AT))
    spans = times.groupBy(*named).agg(sf.min(AT).alias("_first"), sf.max(AT).alias("_last"))
    first = times.agg(period_of(sf.min(AT), contract.event_time)).collect()[0][0]
    moment = base_moment(contract)
    not_before = moment >= sf.col("_first")
    if join.longest is not None:
        not_before = not_before & (moment - interval(*join.longest) <= sf.col("_last"))
    return rows.where(sf.col(quoted(contract.period_column)) >= first).join(spans, equal & not_before, "left_semi")


def can_be_met(rows: DataFrame, source: str, contract: Contract) -> Column:
    """Whether a row of a source that is joined as of a time can be met by one of these rows of the base, by its time.

    A condition on the source's own column, so that Delta opens no file without such a row.
    """
    longest, own, moment = contract.joins[source].longest, own_time(contract, source), base_moment(contract)
    first = sf.min(moment) - interval(*longest) if longest else sf.min(moment)
    # As numbers: what Python makes of a time is local, and an hour of local times comes twice in a year.
    stored: Callable[[Column], Column] = sf.unix_micros if own.dated else lambda at: period_of(at, own)
    spans = rows.groupBy(quoted(contract.period_column)).agg(
        stored(first).alias("_first"), stored(sf.max(moment)).alias("_last")
    )
    ranges: list[Range] = [
        (_moment(row["_first"]), _moment(row["_last"])) if own.dated else (row["_first"], row["_last"])
        for row in spans.collect()
    ]
    if longest is None:  # however old it is
        return sf.col(quoted(own.column)) <= sf.lit(max((last for _, last in ranges), default=None))
    return within(own.column, joined_ranges(ranges))


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
