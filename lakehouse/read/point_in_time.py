"""Features as they were known at a point in time: by silver's and gold's own definitions, from what bronze has kept.

Silver holds the newest values of a key, bronze every delivery. What was delivered by then is validated, typed, ranked
and joined by the same functions that make silver and gold; only the key is another one: a key *at a point in time*.
"""

from collections.abc import Iterable, Mapping

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.bronze.bronze_table import BronzeTable
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.gold.feature_rows import SilverTables
from lakehouse.gold.training import training_column_names, training_rows
from lakehouse.lake import Lake
from lakehouse.read.as_of import AS_OF, Point, Points
from lakehouse.silver.ahead import truth_of_earlier
from lakehouse.silver.joined_features import base_columns, with_joined_features
from lakehouse.silver.mended_rows import mended_rows
from lakehouse.silver.one_row_a_key import newest_by_key, ranked_by_key
from lakehouse.silver.refine import bronze_frame
from lakehouse.silver.truth_parts import combined_truth
from lakehouse.silver.validation import ORIGIN, validation_of
from lakehouse.storage.layout import PREDICTIONS_TABLE, REQUESTS, table_exists
from lakehouse.storage.merge import COMPLETE
from lakehouse.storage.schema import SPARK_TYPES, quoted
from lakeloop.clock import read_clock
from lakeloop.contract import Column, Contract
from lakeloop.derived_features import derivation_of
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import WAITS_FOR

KNOWN = "known"
BOTH, FEATURES, NOTHING = "features and label", "features", "nothing"
_WHEN = "_known_at"


def features_as_of(lake: Lake, points: Points) -> DataFrame:
    """One row a key and point: key, `as_of`, `known`, then gold/training's other columns as they were known then.

    `known` is `features and label`, `features` (the truth had not been delivered) or `nothing` (neither had; every
    value is null). All keys at one point: those of which something was known. The rows with a label are what
    gold/training would hold at that point.

    Raises:
        NotFoundError: nothing was ever delivered.
        WrongUseError: a column of the contract is called as one of the answer's own; or a use case of the wall clock,
            where what is known goes by moments, is asked about periods.
    """
    contract = lake.contract
    key = contract.key.column
    if taken := {AS_OF, KNOWN} & {key, *training_column_names(contract)}:
        raise WrongUseError(
            f"`{taken.pop()}` is a column of the answer itself, so no column of the contract can be read so"
        )
    if points.in_periods and read_clock(lake).is_wall:
        raise WrongUseError(
            f"{lake.name} goes by the wall clock, where known is what had been delivered by a moment; ask for moments, "
            "of a period for its end"
        )
    check_delivered(lake)
    wanted = _wanted_points(lake.spark, points)
    silver = _silver_at(lake, wanted, points.in_periods)
    features, truth = silver.features_and_truth(contract)
    rows = training_rows(features, truth, contract, unlabelled=True)
    others = [name for name in training_column_names(contract) if name != key]
    flat = rows.select(
        sf.col(f"{quoted(key)}.key").alias(key),
        sf.col(f"{quoted(key)}.{AS_OF}").alias(AS_OF),
        sf.when(sf.col(quoted(contract.label.truth_column)).isNotNull(), BOTH).otherwise(FEATURES).alias(KNOWN),
        *map(quoted, others),
    )
    if points.table is None:
        return flat.orderBy(quoted(key))
    found = wanted.join(flat, [key, AS_OF], "left").withColumn(KNOWN, sf.coalesce(KNOWN, sf.lit(NOTHING)))
    return found.select(quoted(key), AS_OF, KNOWN, *map(quoted, others)).orderBy(quoted(key), AS_OF)


def check_delivered(use_case: UseCase) -> None:
    """Raises NotFoundError where no row was ever delivered and no request answered; needs no Spark."""
    contract = use_case.contract
    sources = {contract.feature_source, contract.label.source}
    delivered = any(d.source in sources and d.state == "taken" and d.rows for d in deliveries(use_case))
    if not delivered and not table_exists(use_case.table(PREDICTIONS_TABLE)):
        raise NotFoundError(
            f"nothing of {use_case.name} was delivered yet: `lakeloop lake ingest` takes what has landed"
        )


def _wanted_points(spark: SparkSession, points: Points) -> DataFrame:
    table = points.table
    if table is None:
        of_type = pa.string() if points.in_periods else pa.timestamp("us", "UTC")
        table = pa.table({AS_OF: pa.array([points.point], of_type)})
    return spark.createDataFrame(table)


def _silver_at(lake: Lake, wanted: DataFrame, in_periods: bool) -> SilverTables:
    """Silver as it was at each point; its key is the pair of key and point."""
    contract = lake.contract
    features, truth = contract.feature_source, contract.label.source
    known = {source: _known_deliveries(lake, source, in_periods) for source in {features, truth, *contract.joins}}
    requests = lake.table(PREDICTIONS_TABLE)
    tables = {source: _source_at(lake, source, wanted, known[source], in_periods) for source in known}
    if contract.ahead:
        tables[contract.truth_table] = _ahead_at(lake, wanted, known[truth], in_periods)
    if contract.joins:
        tables[features] = _joined_at(tables, contract)
    answered = _requests_at(lake, wanted, in_periods) if table_exists(requests) else None
    return SilverTables(tables[features], tables[contract.truth_table], answered)


def _source_at(
    lake: Lake, source: str, wanted: DataFrame, known: list[tuple[str, int, Point]], in_periods: bool
) -> DataFrame:
    """A source's silver at each point: of each key the row of the newest file delivered by then.

    Of the base as its own files say it; of a joined source each row has its point beside it.
    """
    contract = lake.contract
    key, bronze = contract.key.column, lake.table(f"bronze/{source}")
    columns = contract.silver_columns(source)
    if contract.joins and source == contract.feature_source:
        columns = {name: columns[name] for name in base_columns(contract)}
    if not known or not table_exists(bronze):
        nothing = _no_rows(lake, columns, in_periods)
        return _beside_points(nothing, wanted) if source in contract.joins else _at_points(nothing, wanted, key)
    dated = _dated(lake, source, known, in_periods)
    if source in contract.joins:
        rows = ranked_by_key(_beside_points(dated, wanted), [*contract.identity(source), AS_OF])
        return newest_by_key(rows).select(*map(quoted, columns), AS_OF)
    rows = newest_by_key(ranked_by_key(_at_points(dated, wanted, key), contract.identity(source)))
    if contract.label.truth.in_parts and source == contract.label.source:
        rows = combined_truth(rows, contract, [key]).where(COMPLETE)
    return rows.select(*map(quoted, columns))


def _ahead_at(lake: Lake, wanted: DataFrame, known: list[tuple[str, int, Point]], in_periods: bool) -> DataFrame:
    """The truth of earlier rows at each point: that which the newest file delivered by then says of the later row."""
    contract, label = lake.contract, lake.contract.label
    columns, key = contract.silver_columns(contract.truth_table), contract.key.column
    if not known or not table_exists(lake.table(f"bronze/{label.source}")):
        return _at_points(_no_rows(lake, columns, in_periods), wanted, key)
    dated = _dated(lake, label.source, known, in_periods)
    rows = _at_points(truth_of_earlier(dated, contract, [*ORIGIN, _WHEN]), wanted, key)
    newest = newest_by_key(ranked_by_key(rows, [key]))
    return newest.where(sf.col(quoted(label.truth_column)).isNotNull()).select(*map(quoted, columns))


def _no_rows(lake: Lake, columns: Mapping[str, Column], in_periods: bool) -> DataFrame:
    types = [f"{quoted(name)} {SPARK_TYPES[column.type]}" for name, column in columns.items()]
    when = f"{_WHEN} {'string' if in_periods else 'timestamp'}"
    return lake.spark.createDataFrame([], ", ".join([*types, when]))


def _dated(lake: Lake, source: str, known: list[tuple[str, int, Point]], in_periods: bool) -> DataFrame:
    """A source's good rows of every delivery, each with when it became known."""
    contract = lake.contract
    files = pa.table(
        {
            "_source_file": [file for file, _, _ in known],
            "_batch": pa.array([batch for _, batch, _ in known], pa.int64()),
            _WHEN: pa.array([when for *_, when in known], pa.string() if in_periods else pa.timestamp("us", "UTC")),
        }
    )
    derivation = derivation_of(lake) if source == contract.feature_source else None
    rows = mended_rows(bronze_frame(lake, source), contract, source)
    good = validation_of(contract, source, derivation).good_rows(rows)
    return good.join(sf.broadcast(lake.spark.createDataFrame(files)), ["_source_file", "_batch"])


def _joined_at(tables: Mapping[str, DataFrame], contract: Contract) -> DataFrame:
    """The base's silver at each point: with what its rows met of what was known of joined sources by then."""
    base, key = contract.feature_source, contract.key.column
    pair = sf.col(quoted(key))  # rows may be met by the key alone, so the two part company meanwhile
    flat = tables[base].withColumns({AS_OF: pair[AS_OF], key: pair["key"]})
    rows = with_joined_features(flat, tables, contract, also_on=[AS_OF]).where(sf.col(WAITS_FOR).isNull())
    paired = rows.withColumn(key, sf.struct(pair.alias("key"), sf.col(AS_OF)))
    return paired.select(*map(quoted, contract.silver_columns(base)))


def _requests_at(lake: Lake, wanted: DataFrame, in_periods: bool) -> DataFrame:
    """silver/predictions at each point: requests of that period or earlier, or those the lake had taken in by then."""
    contract = lake.contract
    key = contract.key.column
    rows = lake.frame(PREDICTIONS_TABLE)
    rows = rows.where(sf.col(quoted(key)).isNotNull())
    if in_periods:
        return _at_points(rows.withColumn(_WHEN, sf.col(quoted(contract.period_column))), wanted, key)
    bronze = lake.frame(f"bronze/{REQUESTS}")
    batches = bronze.groupBy("_batch").agg(sf.min("_ingested_at").alias(_WHEN))
    return _at_points(rows.join(sf.broadcast(batches), "_batch"), wanted, key)


def _at_points(rows: DataFrame, wanted: DataFrame, key: str) -> DataFrame:
    """Each row once for every point it was known at; its key becomes the pair."""
    pairs = rows.join(sf.broadcast(wanted), key) if key in wanted.columns else rows.crossJoin(sf.broadcast(wanted))
    pair = sf.struct(sf.col(quoted(key)).alias("key"), sf.col(AS_OF))
    return pairs.where(sf.col(_WHEN) <= sf.col(AS_OF)).withColumn(key, pair).drop(_WHEN, AS_OF)


def _beside_points(rows: DataFrame, wanted: DataFrame) -> DataFrame:
    """Each row of a joined source once for every point it was known at, which stands beside it."""
    points = wanted.select(AS_OF).distinct()
    return rows.crossJoin(sf.broadcast(points)).where(sf.col(_WHEN) <= sf.col(AS_OF)).drop(_WHEN)


def _known_deliveries(use_case: UseCase, source: str, in_periods: bool) -> list[tuple[str, int, Point]]:
    """(file, batch, when it became known) of every file taken in."""
    contract = use_case.contract
    taken = [d for d in deliveries(use_case) if d.source == source and d.state == "taken" and d.rows]
    if not in_periods:
        return [(d.file, d.batch, d.ingested_at) for d in taken]
    if not taken:
        return []
    clocks = BronzeTable(use_case, source).clock_by_batch()
    periods = delivery_clocks(contract, source, taken, clocks, read_clock(use_case).period)
    return [(d.file, d.batch, contract.period_name(clock)) for d, clock in zip(taken, periods, strict=True)]


def delivery_clocks(
    contract: Contract, source: str, taken: Iterable[DeliveryRecord], clocks: Mapping[int, int], now: int
) -> list[int]:
    """The clock at which each file was delivered.

    The file of a period has its time by the contract: the platform delivers it then, however late somebody ingests. A
    correction has none; it counts from the clock at which it was taken in. Where an older release did not note that,
    it counts from now on: too late is a gap, too early a look into the future.
    """
    return [_delivery_clock(contract, source, delivery, clocks.get(delivery.batch, now)) for delivery in taken]


def _delivery_clock(contract: Contract, source: str, delivery: DeliveryRecord, taken_in: int) -> int:
    spec = contract.sources[source]
    period = contract.period_of_file(source, delivery.file)
    if not period:
        return taken_in
    due = contract.arrives(source, contract.period_number(period))
    return max(due, taken_in) if spec.names.is_correction(delivery.file) else due
