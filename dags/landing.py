"""Wakes the ingest when files are complete in the landing folder."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from watchfiles import Change, awatch

from lakeloop.landing_files import PART, Arrivals, landed_files, read_known

POLL_SECONDS, QUIET_SECONDS, AGAIN_SECONDS = 1.0, 5.0, 300.0


class LandingTrigger(BaseEventTrigger):
    """Tells which files in a use case's landing folder are complete and not in the lake; see `Arrivals`.

    The folder is looked at each `poll_seconds`, and at once when the operating system reports a change: only its
    report tells that a file was renamed from `.part`. `patterns`: source to regular expression of its file names.
    """

    def __init__(
        self,
        folder: str,
        patterns: dict[str, str],
        poll_seconds: float = POLL_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        super().__init__()
        self.folder, self.patterns = folder, patterns
        self.poll_seconds, self.quiet_seconds, self.again_seconds = poll_seconds, quiet_seconds, again_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, from which the triggerer makes it again."""
        names = ("folder", "patterns", "poll_seconds", "quiet_seconds", "again_seconds")
        return "dags.landing.LandingTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event each time files have arrived; its payload names them."""
        landing = Path(self.folder)
        arrivals = Arrivals(self.quiet_seconds, self.again_seconds)
        async for renamed in self._looks(landing):
            found = await asyncio.to_thread(landed_files, landing, self.patterns)
            known = await asyncio.to_thread(read_known, landing)
            if files := arrivals.look(found, known, renamed, time.monotonic()):
                self.log.info("complete and not in the lake: %s", ", ".join(files))
                yield TriggerEvent({"files": files})

    async def _looks(self, landing: Path) -> AsyncIterator[set[str]]:
        """Comes back each time it is worth looking, with the files that were renamed: from `.part`, or to here."""
        for source in self.patterns:  # before watching: changes in a folder that is just being made may be missed
            (landing / source).mkdir(parents=True, exist_ok=True)
        yield set()
        poll = round(self.poll_seconds * 1000)
        async for changes in awatch(landing, debounce=200, step=50, rust_timeout=poll, yield_on_timeout=True):
            gone = {Path(path).name for change, path in changes if change == Change.deleted}
            came = [Path(path) for change, path in changes if change == Change.added]
            renamed = [path for path in came if gone & {path.name, path.name + PART}]
            yield {path.relative_to(landing).as_posix() for path in renamed if path.is_relative_to(landing)}
