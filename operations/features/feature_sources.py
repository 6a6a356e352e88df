"""Where a column's values come from: delivered files or answered requests, from the tables' logs and the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.read.provenance import table_statistics
from lakehouse.storage.layout import PREDICTIONS_TABLE, REJECTS_TABLE
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

STREAM = "requests"
"""The request log's name among the sources of rejects."""
TAKEN = "taken"
Way = Literal["files", "requests"]


@dataclass(frozen=True)
class Arrival:
    """One file with values: the event period it is about, and when the lake took it in.

    For requests `file` is the request log's, and `at` when the gateway answered.
    """

    period: str
    at: datetime
    file: str


@dataclass(frozen=True)
class Origin:
    """One table a column's values come from. `first` and `last` arrival are those of the lowest and highest period.

    `rows` is None where the table's log does not count them. `missing` counts rows without a value: those rejected for
    it, and of an optional feature those in the table. `refused` counts rows rejected because a value broke the
    contract; `rejected` are the table's rejected rows, for whatever reason. `newest_at` is when anything last came,
    `since` when the first file with values of the highest period did.
    """

    table: str
    column: str
    way: Way
    rows: int | None
    missing: int = 0
    refused: int = 0
    rejected: int = 0
    first: Arrival | None = None
    last: Arrival | None = None
    newest_at: datetime | None = None
    since: datetime | None = None

    @property
    def share_missing(self) -> float | None:
        """Rows without a value among all that came; None where nothing came or nobody counted."""
        came = None if self.rows is None else self.rows + self.rejected
        return self.missing / came if came else None


@dataclass(frozen=True)
class _Came:
    """What is known of a whole table: rows and arrivals."""

    rows: int | None
    first: Arrival | None
    last: Arrival | None
    newest_at: datetime | None
    since: datetime | None = None


class Origins:
    """The lake as it is now, looked at once for all columns."""

    def __init__(self, use_case: UseCase) -> None:
        contract = use_case.contract
        self._contract, self._use_case = contract, use_case
        self._came: dict[str, _Came] = {}
        taken = [delivery for delivery in deliveries(use_case) if delivery.state == TAKEN]
        for source in contract.sources:
            found = _delivered(use_case, source, [d for d in taken if d.source == source])
            if found is not None:
                self._came[source] = found
        streamed = _streamed(use_case)
        if streamed is not None:
            self._came[STREAM] = streamed
        self._reasons = _reject_reasons(use_case)

    def of(self, column: str) -> tuple[Origin, ...]:
        """The tables of a column of the contract that are there, files first."""
        contract = self._contract
        names = [name for name in contract.sources if column in contract.silver_columns(name)]
        if contract.joins and column in contract.features:  # the base's table has it too, from where it came
            names = [contract.source_of(column)]
        asked = column in self._request_columns
        if contract.ahead and column == contract.label.truth_column:
            column, names = contract.label.column, [contract.label.source]
        origins = [self._origin(f"silver/{name}", name, column, "files") for name in names if name in self._came]
        if STREAM in self._came and asked:
            origins.append(self._origin(PREDICTIONS_TABLE, STREAM, column, "requests"))
        return tuple(origins)

    @property
    def _request_columns(self) -> tuple[str, ...]:
        return (self._contract.key.column, self._contract.period_column, *self._contract.features)

    def _origin(self, table: str, source: str, column: str, way: Way) -> Origin:
        came, reasons = self._came[source], self._reasons.get(source, {})
        lacking = {reason: count for reason, count in reasons.items() if f"`{column}` is missing" in reason}
        return Origin(
            table=table,
            column=column,
            way=way,
            rows=came.rows,
            missing=sum(lacking.values()) + self._nulls(table, column),
            refused=sum(n for reason, n in reasons.items() if f"`{column}` is " in reason and reason not in lacking),
            rejected=sum(reasons.values()),
            first=came.first,
            last=came.last,
            newest_at=came.newest_at,
            since=came.since,
        )

    def _nulls(self, table: str, column: str) -> int:
        feature = self._contract.features.get(column)
        found = open_lake_table(self._use_case, table) if feature is not None and feature.optional else None
        if found is None or column not in (field.name for field in found.schema().fields):
            return 0
        return sum(batch[column].null_count for batch in dataset_of(found).to_batches(columns=[column]))


def _delivered(use_case: UseCase, source: str, taken: list[DeliveryRecord]) -> _Came | None:
    column, join = use_case.contract.period_column, use_case.contract.sources[source].join
    dated = column in use_case.contract.silver_columns(source)
    as_of = join.as_of if join is not None else None
    statistics = table_statistics(use_case, f"silver/{source}", (as_of,) if as_of else (column,) if dated else ())
    if statistics is None and not taken:
        return None
    arrivals = [
        Arrival(period, _utc(delivery.ingested_at), delivery.file)
        for delivery in taken
        if (period := use_case.contract.period_of_file(source, delivery.file))
    ]
    if not arrivals and statistics is not None and dated and not as_of:
        arrivals = [
            arrival
            for period in filter(None, statistics.bounds[column])
            for arrival in _brought(use_case, source, period, taken)
        ]
    if not arrivals and statistics is not None and as_of and taken:
        newest = max(taken, key=lambda delivery: delivery.ingested_at)
        arrivals = [
            Arrival(_period_of(use_case, time), _utc(newest.ingested_at), newest.file)
            for time in filter(None, statistics.bounds[as_of])
        ]
    last = max(arrivals, key=lambda a: (a.period, a.at), default=None)
    return _Came(
        rows=0 if statistics is None else statistics.rows,
        first=min(arrivals, key=lambda a: (a.period, a.at), default=None),
        last=last,
        newest_at=max((_utc(delivery.ingested_at) for delivery in taken), default=None),
        since=None if last is None else min(arrival.at for arrival in arrivals if arrival.period == last.period),
    )


def _period_of(use_case: UseCase, time: datetime | str) -> str:
    """The period of a joined row's time, which may be a period's name already."""
    event_time = use_case.contract.event_time
    return time if isinstance(time, str) else event_time.of_kind.of(_utc(time), event_time.timezone)


def _brought(use_case: UseCase, source: str, period: str, taken: list[DeliveryRecord]) -> list[Arrival]:
    """The files with rows of a period, where files' names say none: silver knows the file of each row."""
    import pyarrow.dataset as ds

    table = open_lake_table(use_case, f"silver/{source}")
    if table is None:
        return []
    wanted = ds.field(use_case.contract.period_column) == period
    files = set(dataset_of(table).to_table(columns=["_source_file"], filter=wanted)["_source_file"].to_pylist())
    return [Arrival(period, _utc(d.ingested_at), d.file) for d in taken if d.file in files]


def _streamed(use_case: UseCase) -> _Came | None:
    period = use_case.contract.period_column
    statistics = table_statistics(use_case, PREDICTIONS_TABLE, (period, "_batch"))
    if statistics is None:
        return None
    low, high = statistics.bounds[period]
    if low is None or high is None:
        return _Came(statistics.rows, None, None, None)
    first, last = _asked_where(use_case, period, low, newest=False), _asked_where(use_case, period, high, newest=True)
    # A late period need not have been asked about last: the newest batch has the newest answers.
    newest = _asked_where(use_case, "_batch", statistics.bounds["_batch"][1], newest=True)
    return _Came(
        statistics.rows,
        None if first is None else Arrival(low, *first),
        None if last is None else Arrival(high, *last),
        max((at for at, _ in filter(None, (first, last, newest))), default=None),
    )


def _asked_where(use_case: UseCase, column: str, value: object, newest: bool) -> tuple[datetime, str] | None:
    """When the first or the newest request with a value was answered, and its log file; only files that may hold the
    value are opened."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    table = open_lake_table(use_case, PREDICTIONS_TABLE)
    if table is None:
        return None
    rows = dataset_of(table).to_table(columns=["answered_at", "_source_file"], filter=ds.field(column) == value)
    if not rows.num_rows:
        return None
    at = pc.min_max(rows["answered_at"]).as_py()["max" if newest else "min"]
    place = pc.index(rows["answered_at"], at).as_py()
    return _utc(at), rows["_source_file"][place].as_py()


def _reject_reasons(use_case: UseCase) -> Mapping[str, Mapping[str, int]]:
    """Source -> reason -> rows rejected for it."""
    table = open_lake_table(use_case, REJECTS_TABLE)
    if table is None:
        return {}
    rows = dataset_of(table).to_table(columns=["source", "reason"])
    found: dict[str, dict[str, int]] = {}
    for row in rows.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist():
        found.setdefault(row["source"], {})[row["reason"] or ""] = row["count_all"]
    return found


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
