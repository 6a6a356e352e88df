"""The base's silver table where sources are joined to it: the features of those stand in its rows.

New rows of the base meet what the joined sources have; where a joined source changed, only those rows meet it again
that its changed rows can be met by. A row that must have a feature of a row that has not come yet stands in
silver/waiting, as delivered and typed, until that comes: then it is complete. What is written is written by key and
compared, so that doing it again changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.lake import Lake
from lakehouse.silver.joined_features import base_columns, met, with_joined_features
from lakehouse.silver.reach import can_be_met, touched
from lakehouse.storage.layout import WAITING
from lakehouse.storage.merge import COMPLETE, MergeCounts, merge, upsert
from lakehouse.storage.schema import CHANGE, column_sql, create_table, quoted
from lakehouse.storage.table_log import files_at, version_of
from lakeloop.contract import Contract
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import WAITS_FOR

ORIGIN = ("_source_file", "_batch")
NOTHING = MergeCounts()
NEW = "_new"
EXAMPLES = 3
Tables = Mapping[str, DataFrame]
"""The joined sources' silver tables by their names."""


@dataclass(frozen=True)
class JoinedSource:
    """A joined source's silver table at the `version` that is joined; rows of batches above `known` are new to the
    base, and `last` is the newest of them."""

    name: str
    version: int
    known: int
    last: int

    @property
    def changed(self) -> bool:
        """Whether it has rows that the base has not met yet."""
        return self.last > self.known


@dataclass(frozen=True)
class Unmet:
    """Of `rows` new rows of the base those that met no row of a joined source; `why`: a sentence if none ever has."""

    source: str
    unmet: int
    rows: int
    why: str = ""

    @property
    def sentence(self) -> str:
        """E.g. `1,203 of 15,002 rows (8.0 %) found no row of weather`."""
        share = f"{100 * self.unmet / self.rows:.1f} %"
        return f"{self.unmet:,} of {self.rows:,} rows ({share}) found no row of {self.source}{self.why}"


@dataclass(frozen=True)
class JoinReport:
    """What came of the rows: written to silver, and which of the new ones met nothing."""

    written: MergeCounts = NOTHING
    unmet: tuple[Unmet, ...] = ()


def joined_sources(use_case: UseCase, known: Mapping[str, int]) -> tuple[JoinedSource, ...]:
    """The joined sources as they are now; `known` is the last batch of each that the base has met."""
    found = []
    for name in use_case.contract.joins:
        path = use_case.table(f"silver/{name}")
        version = version_of(path)
        files = [] if version is None else files_at(path, version) or []
        last = max((file.highest["_batch"] for file in files if file.rows), default=0)
        found.append(JoinedSource(name, version or 0, known.get(name, 0), last))
    return tuple(found)


def create_waiting(lake: Lake, replace: bool = False) -> None:
    """The table of rows that wait; `replace` as for `create_table`."""
    contract = lake.contract
    columns = contract.silver_columns(contract.feature_source)
    typed = [column_sql(name, columns[name]) for name in base_columns(contract)]
    create_table(
        lake.spark,
        lake.table(f"silver/{WAITING}"),
        ", ".join([*typed, "_source_file string", "_batch bigint NOT NULL",
                   f"{WAITS_FOR} string NOT NULL COMMENT 'sources whose row has not come'"]),
        comment=f"Rows of {contract.feature_source} that wait for their row of a joined source",
        statistics=(contract.key.column, contract.period_column),
        replace=replace,
    )  # fmt: skip


def write_base(lake: Lake, new: DataFrame | None, sources: Sequence[JoinedSource]) -> JoinReport:
    """Join new rows of the base (typed, one a key, with their origin), and those again that changed sources touch."""
    tables = {source.name: lake.frame(f"silver/{source.name}", source.version) for source in sources}
    rows = _rows_to_join(lake, new, sources, tables)
    if rows is None:
        return JoinReport()
    with _persisted(rows):
        reached = _reached(rows, tables, lake.contract)
        with _persisted(with_joined_features(rows, reached, lake.contract)) as joined:
            counted = _counted(joined, lake.contract)
            if not counted["rows"]:
                return JoinReport()
            unmet = _unmet(lake, joined, counted, tables)
            return JoinReport(_write(lake, joined, counted), unmet)


@contextmanager
def _persisted(rows: DataFrame) -> Iterator[DataFrame]:
    """Rows that several questions are asked of, computed once."""
    rows.persist()
    try:
        yield rows
    finally:
        rows.unpersist()


def _rows_to_join(
    lake: Lake, new: DataFrame | None, sources: Sequence[JoinedSource], tables: Tables
) -> DataFrame | None:
    contract = lake.contract
    kept = [*map(quoted, (*base_columns(contract), *ORIGIN))]
    found = [] if new is None else [new.select(*kept, sf.lit(True).alias(NEW))]
    changed = [source for source in sources if source.changed]
    known = [
        lake.frame(f"silver/{name}").select(*kept)
        for name in (contract.feature_source, WAITING)
        if _has_rows(lake, name)
    ]
    if changed and known:
        there = reduce(DataFrame.unionAll, known)
        again = reduce(DataFrame.unionAll, [touched(there, *_changed(one, tables), contract) for one in changed])
        key = contract.key.column
        if new is not None:
            again = again.join(new.select(quoted(key)), key, "left_anti").select(*kept)
        # A crash may have left a row in both tables: the newer one counts.
        newest = again.groupBy(quoted(key)).agg(sf.max_by(sf.struct(*kept), "_batch").alias("_row"))
        found.append(newest.select("_row.*", sf.lit(False).alias(NEW)))
    return reduce(DataFrame.unionAll, found) if found else None


def _changed(source: JoinedSource, tables: Tables) -> tuple[DataFrame, str]:
    return tables[source.name].where(sf.col("_batch") > source.known), source.name


def _reached(rows: DataFrame, tables: Tables, contract: Contract) -> Tables:
    """The tables as far as these rows can meet theirs."""
    as_of = (source for source, join in contract.joins.items() if join.as_of is not None)
    return {**tables, **{source: tables[source].where(can_be_met(rows, source, contract)) for source in as_of}}


def _has_rows(lake: Lake, table: str) -> bool:
    return any(file.rows for file in files_at(lake.table(f"silver/{table}")) or [])


def _write(lake: Lake, joined: DataFrame, counted: Mapping[str, Any]) -> MergeCounts:
    """Complete rows into the base's table, the others into that of waiting rows; each leaves the other table."""
    contract = lake.contract
    key, base = contract.key.column, contract.feature_source
    silver, values = lake.table(f"silver/{base}"), list(contract.silver_columns(base))
    change = 1 + max((file.highest[CHANGE] for file in files_at(silver) or [] if file.rows), default=0)
    rows = joined.select(
        *map(quoted, (*values, *ORIGIN)),
        sf.lit(change).cast("bigint").alias(CHANGE),
        sf.when(sf.col(WAITS_FOR).isNull(), True).alias(COMPLETE),
    )
    ranges = [(counted["low"], counted["high"])]
    counts = upsert(silver, rows, [key], ranges, values, COMPLETE)
    if counted["waiting"] or _has_rows(lake, WAITING):
        create_waiting(lake)
        names = (*base_columns(contract), *ORIGIN, WAITS_FOR)
        rows, path = joined.select(*map(quoted, names)), lake.table(f"silver/{WAITING}")
        merge(path, rows, [key], compared=names, ranges=ranges, needed=WAITS_FOR)
    return replace(counts, seen=None)


def _counted(joined: DataFrame, contract: Contract) -> Mapping[str, Any]:
    """Rows, the lowest and highest key, how many wait, and of the new ones how many met no row of each source."""
    new, key = sf.col(NEW), sf.col(quoted(contract.key.column))
    unmet = [sf.count_if(new & ~sf.col(met(source))).alias(met(source)) for source in contract.joins]
    found = joined.agg(
        sf.count("*").alias("rows"), sf.min(key).alias("low"), sf.max(key).alias("high"),
        sf.count(WAITS_FOR).alias("waiting"), sf.count_if(new).alias("new"), *unmet,
    )  # fmt: skip
    row: Mapping[str, Any] = found.collect()[0].asDict()
    return row


def _unmet(lake: Lake, joined: DataFrame, counted: Mapping[str, Any], tables: Tables) -> tuple[Unmet, ...]:
    found = []
    for source, table in tables.items():
        count, rows = counted[met(source)], counted["new"]
        if count:
            never = count == rows and not _ever_met(lake, joined, source)
            found.append(Unmet(source, count, rows, _why(joined, source, table, lake.contract) if never else ""))
    return tuple(found)


def _ever_met(lake: Lake, joined: DataFrame, source: str) -> bool:
    """Whether a row that the base had before meets one of the source, or has a feature of it."""
    if not joined.where(met(source)).isEmpty():
        return True
    features = lake.contract.joined_features(source)
    there = reduce(lambda a, b: a | b, [sf.col(quoted(name)).isNotNull() for name in features], sf.lit(False))
    return not lake.frame(f"silver/{lake.contract.feature_source}").where(there).isEmpty()


def _why(joined: DataFrame, source: str, table: DataFrame, contract: Contract) -> str:
    """Where not a single row met one: what stands on either side."""
    if table.isEmpty():
        return ", which has no rows yet"
    join = contract.joins[source]
    sides = [
        f"`{base}` has {_examples(joined, base)}, and `{own}` of {source} {_examples(table, own)}"
        for own, base in join.on.items()
    ]
    if join.as_of:
        sides.append(
            "met is one that is not later" + (f", and not more than {join.within} older" if join.within else "")
        )
    return f": the two never meet. {'; '.join(sides)}"


def _examples(rows: DataFrame, column: str) -> str:
    values = [row[0] for row in rows.select(quoted(column)).distinct().limit(EXAMPLES).collect()]
    return ", ".join("nothing" if value is None else str(value) for value in values)
