"""Scores that nobody needs any more: of scorings that a newer one of their table has taken the place of."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import get_args

from lakehouse.storage.layout import SCORES
from lakehouse.storage.lock import only_one
from lakehouse.storage.maintenance import delete_rows
from lakeloop.atomic_file import write_text
from lakeloop.contract import ScoreFile
from lakeloop.releases import read_release
from lakeloop.use_case import UseCase
from operations.batch_scoring.records import ScoringRecord, file_path, record_path, scoring_records
from operations.batch_scoring.score import SCORE_LOCK
from operations.lineage.score_side import REMOVED

log = logging.getLogger(__name__)


def remove_old_scores(use_case: UseCase, hours: int = 168) -> list[ScoringRecord]:
    """Remove rows and files of scorings that were not current any more `hours` ago; gives their records, which stay.

    The newest scoring of each table stays, however old it is, and so do the champion's newest, one that is not whole
    yet, and rows of an older release, which are of no scoring.

    Raises:
        BusyError: a scoring of the use case is at work.
    """
    with only_one(use_case.work_folder / SCORE_LOCK, "scoring"):
        records, champion = scoring_records(use_case), read_release(use_case.settings, use_case.name).champion
        old = not_current(records, champion, datetime.now(UTC) - timedelta(hours=hours))
        if old:
            names = [record.scoring for record in old]
            delete_rows(use_case, SCORES, "scoring", names, note={REMOVED: names})
        for record in old:
            for kind in get_args(ScoreFile):
                file_path(use_case, record.scoring, kind).unlink(missing_ok=True)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            marked = record.model_copy(update={"removed": now})
            write_text(record_path(use_case, record.scoring), marked.model_dump_json(indent=1))
    log.info("event=old_scores_removed use_case=%s scorings=%d", use_case.name, len(old))
    return old


def not_current(records: Iterable[ScoringRecord], champion: str, then: datetime) -> list[ScoringRecord]:
    """Those that are still there and that another scoring of their table had followed by `then`, the newest first.

    Without the newest of each table by the model `champion`: after a rollback it is what a scoring would give.
    """
    followed: dict[str, datetime] = {}
    of_champion: set[str] = set()
    found = []
    for record in sorted(records, key=lambda one: one.ended, reverse=True):
        by = followed.get(record.table)
        followed[record.table] = datetime.fromisoformat(record.ended)
        if record.model == champion and record.table not in of_champion:
            of_champion.add(record.table)
        elif by is not None and by <= then and not record.removed:
            found.append(record)
    return found
