"""The request log's finished files: which are new, and where those go that are in the lake."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.storage.layout import REQUESTS, read_json, work_folder, write_json
from lakeloop.request_record import FINISHED, request_log_folder
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
# A folder that starts with `_` is passed over by Spark's listing.
STREAMED = "_streamed"
# Listing a folder costs by the file, so only the newest stay: a gateway that starts reads its last answers in them.
KEPT = 1_000


def new_files(settings: Settings) -> list[Path]:
    """Finished files that are not in the lake yet, by name."""
    taken = set(_taken(settings))
    return [path for path in _finished(settings) if path.name not in taken]


def put_away(settings: Settings, files: list[Path], keep: int = KEPT) -> None:
    """Note that these files are in the lake, and move all but the newest `keep` of such to `_streamed/<day>`."""
    names = {*_taken(settings), *(path.name for path in files)}
    taken = [(path.stat().st_mtime, path) for path in _finished(settings) if path.name in names]
    taken.sort()
    for modified, path in taken[: max(0, len(taken) - keep)]:
        target = path.parent / STREAMED / f"{datetime.fromtimestamp(modified, UTC):%Y-%m-%d}" / path.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError as problem:  # it stays, and is not read again
            log.warning("event=not_put_away file=%s problem=%s", path, problem)
    write_json(_notes(settings), [path.name for _, path in taken if path.exists()])


def _finished(settings: Settings) -> list[Path]:
    return sorted(request_log_folder(settings).glob(f"*{FINISHED}"))


def _notes(settings: Settings) -> Path:
    return work_folder(settings) / REQUESTS / "taken.json"


def _taken(settings: Settings) -> list[str]:
    return read_json(_notes(settings)) or []
