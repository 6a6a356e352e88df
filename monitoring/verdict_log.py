"""The live monitor's verdicts on full windows, a line each: `logs/verdicts/<use case>/<day>.jsonl`."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from lakeloop.settings import Settings
from monitoring.verdict import Verdict

log = logging.getLogger(__name__)


class VerdictLog:
    """Appends verdicts; a disk that refuses is a warning, because episodes do not depend on this."""

    def __init__(self, settings: Settings) -> None:
        self._folder = verdict_folder(settings)

    def add(self, verdict: Verdict) -> None:
        """Write one verdict under the day it was made."""
        path = self._folder / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(verdict.model_dump_json() + "\n")
        except OSError as error:
            log.warning("event=verdict_not_written path=%s problem=%r", path, str(error))


def verdict_folder(settings: Settings) -> Path:
    """Where a use case's verdicts lie."""
    return Path(settings.area("logs")) / "verdicts" / settings.use_case
