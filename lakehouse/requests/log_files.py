"""The request log's finished files: which are new, and where those go that are in the lake."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.storage.layout import REQUESTS, read_json, write_json
from lakeloop.request_log_files import finished_files, request_log_folder, streamed_file
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
# Listing a folder costs by the file, so only the newest stay: a gateway that starts reads its last answers in them.
KEPT = 1_000


def new_files(use_case: UseCase) -> list[Path]:
    """Finished files that are not in the lake yet, by name."""
    taken = set(_taken(use_case))
    return [path for path in _finished(use_case) if path.name not in taken]


def put_away(use_case: UseCase, files: list[Path], keep: int = KEPT) -> None:
    """Note that these files are in the lake, and move all but the newest `keep` of such to `_streamed/<day>`."""
    names = {*_taken(use_case), *(path.name for path in files)}
    taken = [(path.stat().st_mtime, path) for path in _finished(use_case) if path.name in names]
    taken.sort()
    for modified, path in taken[: max(0, len(taken) - keep)]:
        target = streamed_file(path, f"{datetime.fromtimestamp(modified, UTC):%Y-%m-%d}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError as problem:  # it stays, and is not read again
            log.warning("event=not_put_away file=%s problem=%s", path, problem)
    write_json(_notes(use_case), [path.name for _, path in taken if path.exists()])


def _finished(use_case: UseCase) -> list[Path]:
    return finished_files(request_log_folder(use_case))


def _notes(use_case: UseCase) -> Path:
    return use_case.work_folder / REQUESTS / "taken.json"


def _taken(use_case: UseCase) -> list[str]:
    return read_json(_notes(use_case)) or []
