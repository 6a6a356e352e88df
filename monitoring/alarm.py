"""Where a drift event arises: here, and nowhere else.

When: the live monitor opens an episode with the first full window of dataset drift, and announces it at once
(`monitoring.live`; not where `LAKELOOP_MONITOR_POSTS=false`); or Alertmanager tells that the episode's alert fires
(`monitoring.alerts`). Both come to `announce`, which writes the newest episode into the ledger under the episode's own
name: told again, by whom and however often, it stays one event. The outbox brings it to Airflow, the notifier tells
people of it.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from lakeloop.drift_report import DriftReport
from lakeloop.events import Event, record_event_of
from lakeloop.notifications import notify_of
from lakeloop.operational_db import drift_episodes, drift_reports, engine
from lakeloop.settings import Settings


def announce(settings: Settings, use_case: str) -> tuple[Event, bool] | None:
    """Write the newest episode of a use case into the ledger, and whether that is new; None if there was never one."""
    opened = select(drift_episodes.c.id, drift_reports.c.report).where(
        drift_episodes.c.use_case == use_case, drift_reports.c.id == drift_episodes.c.report_id
    )
    with engine(settings.operational_db).connect() as connection:
        row = connection.execute(opened.order_by(drift_episodes.c.opened_at.desc()).limit(1)).first()
    if row is None:
        return None
    report = DriftReport.model_validate_json(row.report)
    recorded = record_event_of(settings, use_case, "drift", row.id, drift_payload(row.id, report))
    text = (
        f"Dataset drift: {', '.join(report.drifted)} moved away from what version {report.model_version} was made from "
        f"({report.share:.0%} of the features). A retrain follows where Airflow runs."
    )
    notify_of(settings, use_case, "alarm", text, f"{settings.pages(use_case)}/dashboard", once_by=f"drift/{row.id}")
    return recorded


def drift_payload(episode_id: str, report: DriftReport) -> Mapping[str, Any]:
    """What a drift event tells: which features, by how much, in which requests, against which model."""
    return {
        "episode_id": episode_id,
        "use_case": report.use_case,
        "model_version": report.model_version,
        "window": report.window.model_dump(),
        "features": list(report.drifted),
        "share": report.share,
        "scores": {column.label: column.score for column in (*report.features, *report.missing)},
        "thresholds": {column.label: column.threshold for column in (*report.features, *report.missing)},
        "reference": report.reference,
        "reference_periods": list(report.reference_periods),
        "reference_note": report.reference_note,
        "prediction_drift": report.prediction.score if report.prediction else None,
    }
