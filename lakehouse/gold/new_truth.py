"""Notices that gold/training has rows with ground truth that it did not have, and writes that down as one event.

What was told before stands in the event ledger alone, so an ingest that died between table and ledger tells it next.
"""

import logging

from lakehouse.gold.training_periods import training_periods
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_log import commits_after, version_of
from lakeloop.events import Event, all_events, record_event
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
SENDING_SECONDS = 60.0
"""For how long an ingest that Airflow runs has the sending to itself: its next task emits the asset event."""


def record_new_truth(use_case: UseCase) -> Event | None:
    """Record what came since the last such event; None if nothing did.

    The payload: `table`, `version` and its `rows`, `since` (version told before, None at first), `new_rows`,
    `corrected_rows` and `months` (names of the new rows' periods).
    """
    path = use_case.table(TRAINING_TABLE)
    version, recorded = version_of(path), _recorded(use_case)
    if version is None or recorded == version:
        return None
    before = {} if recorded is None else training_periods(use_case, recorded)
    now = training_periods(use_case, version)
    new = {period: rows - before.get(period, 0) for period, rows in now.items() if rows > before.get(period, 0)}
    corrected = 0 if recorded is None else _corrected(path, recorded)
    if not new and not corrected:
        return None
    payload = {
        "table": TRAINING_TABLE,
        "version": version,
        "rows": sum(now.values()),
        "since": recorded,
        "new_rows": sum(new.values()),
        "corrected_rows": corrected,
        "months": sorted(new),
    }
    claim = SENDING_SECONDS if use_case.settings.airflow_run_id else 0.0
    event, created = record_event(use_case, "ground_truth", f"{TRAINING_TABLE}@{version}", payload, claim)
    log.info("event=new_truth use_case=%s version=%d new=%d", use_case.name, version, sum(new.values()))
    return event if created else None


def _recorded(use_case: UseCase) -> int | None:
    """The newest version an event was recorded for."""
    ours = [
        e.payload for e in all_events(use_case) if e.kind == "ground_truth" and e.payload.get("table") == TRAINING_TABLE
    ]
    return max((int(payload["version"]) for payload in ours), default=None)


def _corrected(path: str, since: int) -> int:
    """Rows that commits after `since` changed in place."""
    return sum(commit.count("numTargetRowsUpdated") for commit in commits_after(path, since))
