"""Watches rows that do not reach gold: rejected ones, and such as wait in vain for a row of a joined source.

Where no Alertmanager tells that they are too many, the monitor does it itself.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from lakeloop.clock import read_clock
from lakeloop.contract.production import Monitoring
from lakeloop.exceptions import first_line
from lakeloop.lake_tables import open_lake_table
from lakeloop.rejected_rows import DELIVERIES, REJECTS, RejectedRows, newest_rejected_rows
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import WAITING, WaitingRows, waiting_rows

log = logging.getLogger(__name__)
FRESH_SECONDS = 15.0


class RowShare(Protocol):
    """What is told of one source: a share of rows, 0 to 1, and a sentence."""

    @property
    def source(self) -> str: ...
    @property
    def share(self) -> float: ...
    @property
    def sentence(self) -> str: ...


Rows = TypeVar("Rows", bound=RowShare)


@dataclass(frozen=True)
class Watched(Generic[Rows]):
    """Which rows are watched: the alert they are told by, from which tables they are read and how, and their limit.

    `summary`: of a source, before the sentence.
    """

    alert: str
    event: str
    tables: Callable[[UseCase], Sequence[str]]
    read: Callable[[UseCase], tuple[Rows, ...]]
    limit: Callable[[Monitoring], float]
    summary: str


REJECTED: Watched[RejectedRows] = Watched(
    "LakeloopRejectedRows", "rejected_rows", lambda _: (DELIVERIES, REJECTS), lambda case: newest_rejected_rows(case),
    lambda monitoring: monitoring.rejected_share_above, "of what {source} delivered last, ",
)  # fmt: skip
OVERDUE: Watched[WaitingRows] = Watched(
    "LakeloopOverdueRows", "overdue_rows", lambda case: (WAITING, f"silver/{case.contract.feature_source}"),
    lambda case: waiting_rows(case), lambda monitoring: monitoring.overdue_share_above, "",
)  # fmt: skip


class RowWatch(Generic[Rows]):
    """What was known last of each source; looked at again where the lake's tables have changed, or the clock's period.

    `alerts` are those that Prometheus' rule makes of the same figures.
    """

    def __init__(self, use_case: UseCase, watched: Watched[Rows]) -> None:
        self._use_case, self._watched = use_case, watched
        self._looked_at = float("-inf")
        self._known_at: tuple[int | None, ...] = ()
        self._found: tuple[Rows, ...] = ()
        self._above: dict[str, tuple[Rows, datetime]] = {}

    def newest(self) -> tuple[Rows, ...]:
        """A record a source of which there is something to say. Never waits longer than reading small tables takes."""
        if time.monotonic() - self._looked_at >= FRESH_SECONDS:
            self._looked_at = time.monotonic()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - delta-rs raises many kinds; drift is watched whatever these say
                log.warning("event=%s_unreadable why=%r", self._watched.event, first_line(error))
        return self._found

    def _look(self) -> None:
        tables = (open_lake_table(self._use_case, table) for table in self._watched.tables(self._use_case))
        versions = (None if table is None else table.version() for table in tables)
        now_known_at = (*versions, read_clock(self._use_case).period)
        if now_known_at == self._known_at:
            return
        found = self._watched.read(self._use_case)
        limit = self._watched.limit(self._use_case.contract.monitoring)
        now, before = datetime.now(UTC), self._above
        above = {one.source: (one, before.get(one.source, (one, now))[1]) for one in found if one.share > limit}
        for source in above.keys() - before.keys():
            why = above[source][0].sentence
            log.warning("event=%s use_case=%s source=%s why=%r", self._watched.event, self._use_case.name, source, why)
        self._known_at, self._found, self._above = now_known_at, found, above

    def alerts(self) -> list[dict[str, Any]]:
        """Those that fire, in the form in which Alertmanager tells them."""
        name, watched = self._use_case.name, self._watched
        return [
            {
                "status": "firing",
                "labels": {"alertname": watched.alert, "use_case": name, "source": source, "severity": "warning"},
                "annotations": {"summary": f"{name}: {watched.summary.format(source=source)}{one.sentence}"},
                "startsAt": since.isoformat(),
                "endsAt": "",
                "fingerprint": "",
            }
            for source, (one, since) in self._above.items()
        ]
