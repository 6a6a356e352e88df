"""Notices that gold/training has rows with ground truth that it did not have, and writes that down as one event.

What was told before stands in the event ledger alone, so an ingest that died between table and ledger tells it next.
"""

import logging
from collections.abc import Mapping

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.layout import TRAINING, table_exists, table_path
from lakehouse.metrics import table_version
from lakehouse.schema import quoted
from lakeloop.contract import Contract
from lakeloop.events import Event, all_events, record_event
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
TABLE = f"gold/{TRAINING}"
SENDING_SECONDS = 60.0
"""For how long an ingest that Airflow runs has the sending to itself: its next task emits the asset event."""


def record_new_truth(spark: SparkSession, contract: Contract, settings: Settings) -> Event | None:
    """Record what came since the last such event; None if nothing did.

    The payload: `table`, `version` and its `rows`, `since` (version told before, None at first), `new_rows`,
    `corrected_rows` and `months` (`YYYY-MM` of the new rows).
    """
    path = table_path(settings, "gold", TRAINING)
    if not table_exists(spark, path):
        return None
    version, told = table_version(spark, path), _told(settings)
    if told == version:
        return None
    before = {} if told is None else _rows_a_month(spark, contract, path, told)
    now = _rows_a_month(spark, contract, path, version)
    new = {month: rows - before.get(month, 0) for month, rows in now.items() if rows > before.get(month, 0)}
    corrected = 0 if told is None else _corrected(spark, path, told)
    if not new and not corrected:
        return None
    payload = {
        "table": TABLE,
        "version": version,
        "rows": sum(now.values()),
        "since": told,
        "new_rows": sum(new.values()),
        "corrected_rows": corrected,
        "months": sorted(new),
    }
    claim = SENDING_SECONDS if settings.airflow_run_id else 0.0
    event, created = record_event(settings, "ground_truth", f"{TABLE}@{version}", payload, claim)
    log.info("event=new_truth use_case=%s version=%d new=%d", settings.use_case, version, sum(new.values()))
    return event if created else None


def _told(settings: Settings) -> int | None:
    """The newest version an event was recorded for."""
    ours = [e.payload for e in all_events(settings) if e.kind == "ground_truth" and e.payload.get("table") == TABLE]
    return max((int(payload["version"]) for payload in ours), default=None)


def _rows_a_month(spark: SparkSession, contract: Contract, path: str, version: int) -> Mapping[str, int]:
    """Rows of each month; {} for a version whose files were vacuumed away, so that all rows count as new."""
    month = quoted(contract.event_time.column)
    try:
        frame = spark.read.format("delta").option("versionAsOf", version).load(path)
        return {row[0]: row[1] for row in frame.groupBy(month).agg(sf.count("*")).collect()}
    except (PySparkException, Py4JJavaError):
        return {}


def _corrected(spark: SparkSession, path: str, since: int) -> int:
    """Rows that commits after `since` changed in place."""
    commits = DeltaTable.forPath(spark, path).history().where(f"version > {since} AND operation = 'MERGE'")
    metrics = [row[0] or {} for row in commits.select("operationMetrics").collect()]
    return sum(int(each.get("numTargetRowsUpdated", 0)) for each in metrics)
