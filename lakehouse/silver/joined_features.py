"""Rows of the base with the features of joined sources: what each row meets; nothing is read or written here."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import period_begins
from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract, EventTime
from lakeloop.contract.join import Join, JoinColumn
from lakeloop.waiting_rows import BETWEEN, WAITS_FOR

FOUND, AT, BASE = "_found", "_at", "_base"


def base_columns(contract: Contract) -> tuple[str, ...]:
    """The columns of the base's silver table that its own files say, the key first where it is made."""
    joined = {name for source in contract.joins for name in contract.joined_features(source)}
    return tuple(name for name in contract.silver_columns(contract.feature_source) if name not in joined)


def met(source: str) -> str:
    """The column of `with_joined_features` that says whether a row met one of a joined source."""
    return f"_met_{source}"


def with_joined_features(
    rows: DataFrame, joined: Mapping[str, DataFrame], contract: Contract, also_on: Sequence[str] = ()
) -> DataFrame:
    """Rows of the base with the features of every joined source, null where they meet none, and a column `met` each.

    `joined` are the sources' silver tables. `also_on`: columns of both sides that must be equal besides. A row's
    `waits_for` names the sources with a feature it must have and no row it meets; null where it waits for none.
    """
    for source, join in contract.joins.items():
        rows = _with_features_of(rows, joined[source], contract, source, join, also_on)
    waiting = [sf.when(~sf.col(met(source)), sf.lit(source)) for source in contract.waited_for]
    return rows.withColumn(WAITS_FOR, sf.nullif(sf.concat_ws(BETWEEN, *waiting), sf.lit("")))


def _with_features_of(
    rows: DataFrame, joined: DataFrame, contract: Contract, source: str, join: Join, also_on: Sequence[str]
) -> DataFrame:
    features = list(contract.joined_features(source))
    pairs = [*join.on.items(), *((name, name) for name in also_on)]
    named = {f"_on{number}": pair for number, pair in enumerate(pairs)}
    equal = [sf.col(quoted(base)).alias(name) for name, (_, base) in named.items()]
    base = rows.select(sf.struct(*map(quoted, rows.columns)).alias(BASE), *equal, base_moment(contract).alias(AT))
    values = [sf.col(quoted(name)) for name in features]
    when = own_moment(contract, source) if join.as_of else sf.lit(None).cast("timestamp")
    own = joined.select(*(sf.col(quoted(o)).alias(n) for n, (o, _) in named.items()),
                        sf.struct(*values, when.alias(AT)).alias(FOUND))  # fmt: skip
    pair = _newest_before(base, own, list(named), join.earlier) if join.as_of else base.join(own, list(named), "left")
    if join.longest is not None:
        recent = sf.col(f"{FOUND}.{AT}") >= sf.col(AT) - interval(*join.longest)
        pair = pair.withColumn(FOUND, sf.when(recent, sf.col(FOUND)))
    return pair.select(
        f"{BASE}.*", *(f"{FOUND}.{quoted(name)}" for name in features), sf.col(FOUND).isNotNull().alias(met(source))
    )


def _newest_before(base: DataFrame, own: DataFrame, on: Sequence[str], earlier: bool) -> DataFrame:
    """Each base row with the own row whose time is the newest at or before its own: one sort, however many there are.

    At equal times own rows come first, so that a base row meets them; `earlier`: last, so that it does not.
    """
    both = base.unionByName(own.withColumn(AT, sf.col(f"{FOUND}.{AT}")), allowMissingColumns=True)
    first = sf.col(BASE).isNull() if earlier else sf.col(BASE).isNotNull()
    until = Window.partitionBy(*on).orderBy(AT, first).rowsBetween(Window.unboundedPreceding, 0)
    return both.withColumn(FOUND, sf.last(FOUND, ignorenulls=True).over(until)).where(sf.col(BASE).isNotNull())


def base_moment(contract: Contract) -> Column:
    """A base row's event time; of a period its beginning."""
    event_time = contract.event_time
    if event_time.dated:
        return sf.col(quoted(event_time.column))
    return period_begins(sf.col(quoted(event_time.column)), event_time)


def own_moment(contract: Contract, source: str) -> Column:
    """The time of a joined source's row that is compared with the base's event time; of a period its beginning."""
    time = own_time(contract, source)
    return sf.col(quoted(time.column)) if time.dated else period_begins(sf.col(quoted(time.column)), time)


def own_time(contract: Contract, source: str) -> EventTime:
    """How the times of a source's rows are written, of one that is joined as of a time.

    Raises:
        ValueError: it is joined without one.
    """
    as_of = contract.joins[source].as_of or ""
    column = contract.columns_of(source).get(as_of)
    if not isinstance(column, JoinColumn) or column.time is None:
        raise ValueError(f"{source} is not joined as of a time")
    return column.time


def interval(number: int, unit: str) -> Column:
    """So many hours, days, weeks, months or years, as Spark subtracts them from a time."""
    return sf.expr(f"INTERVAL '{7 * number}' DAY" if unit == "week" else f"INTERVAL '{number}' {unit.upper()}")
