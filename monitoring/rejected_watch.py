"""Watches how much of what was delivered last is rejected; tells it itself where no Alertmanager does."""

import logging
import time
from datetime import UTC, datetime
from typing import Any

from lakeloop.exceptions import first_line
from lakeloop.lake_tables import open_lake_table
from lakeloop.rejected_rows import DELIVERIES, REJECTS, RejectedRows, newest_rejected_rows
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
FRESH_SECONDS = 15.0
ALERT = "LakeloopRejectedRows"


class RejectedWatch:
    """What was known last of each source's newest delivery; looked at again where the lake's tables have changed."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._looked_at = float("-inf")
        self._versions: tuple[int | None, ...] = ()
        self._found: tuple[RejectedRows, ...] = ()
        self._above: dict[str, tuple[RejectedRows, datetime]] = {}

    def newest(self) -> tuple[RejectedRows, ...]:
        """A record a source that delivered anything. Never waits longer than reading small tables takes."""
        if time.monotonic() - self._looked_at >= FRESH_SECONDS:
            self._looked_at = time.monotonic()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - delta-rs raises many kinds; drift is watched whatever these say
                log.warning("event=rejects_unreadable why=%r", first_line(error))
        return self._found

    def _look(self) -> None:
        tables = (open_lake_table(self._use_case, table) for table in (DELIVERIES, REJECTS))
        versions = tuple(None if table is None else table.version() for table in tables)
        if versions == self._versions:
            return
        found = newest_rejected_rows(self._use_case)
        limit = self._use_case.contract.monitoring.rejected_share_above
        now, before = datetime.now(UTC), self._above
        above = {one.source: (one, before.get(one.source, (one, now))[1]) for one in found if one.share > limit}
        for source in above.keys() - before.keys():
            why = above[source][0].sentence
            log.warning("event=rejected_rows use_case=%s source=%s why=%r", self._use_case.name, source, why)
        self._versions, self._found, self._above = versions, found, above

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that Prometheus' rule makes of the same figures, in the form in which Alertmanager tells them."""
        name = self._use_case.name
        return [
            {
                "status": "firing",
                "labels": {"alertname": ALERT, "use_case": name, "source": source, "severity": "warning"},
                "annotations": {"summary": f"{name}: of what {source} delivered last, {one.sentence}"},
                "startsAt": since.isoformat(),
                "endsAt": "",
                "fingerprint": "",
            }
            for source, (one, since) in self._above.items()
        ]
