"""The store of drift reports, in the operational database: what pages, dashboard, episodes and alarms read.

Two kinds of windows are in it. Those in the lake, each in a period of event time, are replaced when their period is
looked at again; `gold/drift` is made from them for SQL and notebooks. Those of the live monitor are added as it goes
and never changed; the newest of them stay, and every one that opened an episode.

Homes of older releases kept reports elsewhere: of the lake's windows in `gold/drift` alone, the monitor's in files
under `logs/verdicts`. Whoever asks first, while the store has none of the kind, takes them in.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Select, delete, insert, select
from sqlalchemy.exc import IntegrityError

from lakeloop.drift_report import DriftReport, WindowKind
from lakeloop.drift_rows import reports_of
from lakeloop.lake_tables import read_lake_records
from lakeloop.operational_db import drift_episodes, drift_reports, engine
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
MOST_LIVE = 10_000
"""The live monitor's reports of a use case that are kept: at 1,500 requests a window those on 15 million."""


def lake_reports(use_case: UseCase, kind: WindowKind = "month", version: str = "") -> tuple[DriftReport, ...]:
    """The reports on windows in the lake in event order, of one model version or of all; () where nobody looked."""
    _take_in_gold(use_case)
    wanted = _of_lake(use_case).where(drift_reports.c.kind == kind)
    if version:
        wanted = wanted.where(drift_reports.c.model_version == version)
    ordered = wanted.order_by(drift_reports.c.period, drift_reports.c.first, drift_reports.c.model_version)
    with engine(use_case.settings.operational_db).connect() as connection:
        return tuple(DriftReport.model_validate_json(text) for text in connection.scalars(ordered))


def replace_lake_reports(
    use_case: UseCase, reports: Iterable[DriftReport], kind: WindowKind, periods: Collection[str]
) -> None:
    """Make these the reports on the windows of one kind in these periods; other periods and kinds stay as they are."""
    old = delete(drift_reports).where(
        drift_reports.c.use_case == use_case.name,
        drift_reports.c.kind == kind,
        drift_reports.c.period.in_(periods),
    )
    new = [_values(report) for report in reports]

    def replace() -> None:
        with engine(use_case.settings.operational_db).begin() as connection:
            connection.execute(old)
            _insert(connection, new)

    try:
        replace()
    except IntegrityError:  # another process wrote the same windows meanwhile, and they are there now
        replace()


def add_live_report(connection: Connection, report: DriftReport) -> int:
    """Write what the live monitor found, in its own transaction; gives the report's number. Very old ones go."""
    made = connection.execute(insert(drift_reports).values(**_values(report)))
    live = (drift_reports.c.use_case == report.use_case) & (drift_reports.c.period == "")
    newest = select(drift_reports.c.id).where(live).order_by(drift_reports.c.id.desc())
    beyond = connection.scalar(newest.offset(MOST_LIVE).limit(1))
    if beyond is not None:
        named = select(drift_episodes.c.report_id)
        old = delete(drift_reports).where(live, drift_reports.c.id <= beyond, drift_reports.c.id.not_in(named))
        connection.execute(old)
    number: int = made.inserted_primary_key[0]  # type: ignore[index]  # an autoincrement always has one
    return number


def take_in_files_of_old(use_case: UseCase) -> None:
    """Take in what the live monitor of an older release wrote into files, where the store has nothing of it yet."""
    folder = Path(use_case.settings.area("logs")) / "verdicts" / use_case.name
    files = sorted(folder.glob("*.jsonl"), reverse=True)
    if not files:
        return
    with engine(use_case.settings.operational_db).begin() as connection:
        there = _live_rows(connection, use_case)
        opened = set(connection.scalars(select(drift_episodes.c.report_id)))
        if any(row.id not in opened for row in there):
            return
        known = [_identity(DriftReport.model_validate_json(row.report)) for row in there]
        written = list(islice(_written(files), MOST_LIVE))
        _insert(connection, [_values(report) for report in reversed(written) if _identity(report) not in known])
    log.info("event=reports_taken_in from=%s reports=%d", folder, len(written))


def _take_in_gold(use_case: UseCase) -> None:
    with engine(use_case.settings.operational_db).connect() as connection:
        if connection.scalar(_of_lake(use_case).limit(1)) is not None:
            return
    found = reports_of(read_lake_records(use_case, "gold/drift"), use_case.contract)
    try:
        with engine(use_case.settings.operational_db).begin() as connection:
            _insert(connection, [_values(report) for report in found])
    except IntegrityError:  # another process was faster, with the same
        return
    if found:
        log.info("event=reports_taken_in from=gold/drift reports=%d", len(found))


def _of_lake(use_case: UseCase) -> Select[Any]:
    mine = drift_reports.c.use_case == use_case.name
    return select(drift_reports.c.report).where(mine, drift_reports.c.period != "")


def _live_rows(connection: Connection, use_case: UseCase) -> Sequence[Any]:
    live = select(drift_reports.c.id, drift_reports.c.report).where(
        drift_reports.c.use_case == use_case.name, drift_reports.c.period == ""
    )
    return connection.execute(live.order_by(drift_reports.c.id)).all()


def _insert(connection: Connection, rows: list[dict[str, str]]) -> None:
    if rows:
        connection.execute(insert(drift_reports), rows)


def _values(report: DriftReport) -> dict[str, str]:
    window = report.window
    return {
        "use_case": report.use_case, "kind": window.kind, "period": window.period, "first": window.first,
        "model_version": report.model_version, "report": report.model_dump_json(),
    }  # fmt: skip


def _identity(report: DriftReport) -> tuple[object, ...]:
    return report.model_version, report.window


def _written(files: Iterable[Path]) -> Iterator[DriftReport]:
    """The reports in the files, the newest first; a line that is none is passed over."""
    for path in files:
        for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                yield DriftReport.model_validate_json(line)
            except ValidationError:
                log.warning("event=line_is_no_report path=%s", path)
