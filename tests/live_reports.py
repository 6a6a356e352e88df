"""What the store keeps of the live monitor's reports: alarms read those that opened an episode, nobody reads all."""

from sqlalchemy import select

from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import take_in_files_of_old
from lakeloop.operational_db import drift_reports, engine
from lakeloop.use_case import UseCase


def live_reports(use_case: UseCase) -> tuple[DriftReport, ...]:
    """All of them, in the order the monitor looked."""
    take_in_files_of_old(use_case)
    mine = (drift_reports.c.use_case == use_case.name) & (drift_reports.c.period == "")
    reports = select(drift_reports.c.report).where(mine).order_by(drift_reports.c.id)
    with engine(use_case.settings.operational_db).connect() as connection:
        return tuple(map(DriftReport.model_validate_json, connection.scalars(reports)))
