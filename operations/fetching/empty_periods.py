"""Periods of which a fetch wrote nothing: remembered, and asked again ever more rarely.

Nobody can know whether such a period is late or will stay empty. After its last asking half as much time goes by as it
has been asked for until then: so what comes late is found when it is late by half as much again, and a period that
stays empty is asked some twenty times in its first year, not each hour.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from lakeloop.atomic_file import write_text

SHARE = 0.5
"""Of the time between the first and the last asking, so much is waited for the next one."""


@dataclass(frozen=True)
class Attempts:
    """When an empty period was asked for first and last (UTC)."""

    first: datetime
    last: datetime

    @property
    def next_try(self) -> datetime:
        """From when it is asked again."""
        return self.last + SHARE * (self.last - self.first)


class EmptyPeriods:
    """Those of one source, in a note beside that of the fetched ones; a note that cannot be read says of none."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._asked = _read(note)

    def __contains__(self, period: str) -> bool:
        return period in self._asked

    def may_be_asked(self, period: str, now: datetime) -> bool:
        """Whether a period may be asked now: it never had nothing, or long enough ago."""
        asked = self._asked.get(period)
        return asked is None or not asked.last <= now < asked.next_try

    def next_try(self, periods: Iterable[str]) -> datetime | None:
        """From when the first of these periods is asked again; None where none of them is empty."""
        return min((self._asked[period].next_try for period in periods if period in self._asked), default=None)

    def add(self, period: str, now: datetime) -> None:
        """It had nothing now."""
        asked = self._asked.get(period)
        self._write(self._asked | {period: Attempts(now, now) if asked is None else replace(asked, last=now)})

    def remove(self, period: str) -> None:
        """It has something now."""
        if period in self._asked:
            self._write({name: asked for name, asked in self._asked.items() if name != period})

    def _write(self, asked: dict[str, Attempts]) -> None:
        self._asked = asked
        lines = {
            period: {name: moment.isoformat(timespec="seconds") for name, moment in asdict(one).items()}
            for period, one in sorted(asked.items())
        }
        write_text(self._note, json.dumps(lines, indent=1))


def _read(note: Path) -> dict[str, Attempts]:
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
        return {
            period: Attempts(**{name: datetime.fromisoformat(text) for name, text in moments.items()})
            for period, moments in noted.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
