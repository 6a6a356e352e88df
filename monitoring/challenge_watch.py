"""Watches a challenger of one use case: reads what it answered, and lets it go on or ends its challenge.

What was counted is kept in a file beside the challenger's log, with how far that was read, so that a monitor that was
away goes on where it stopped. The log alone would give the same again.
"""

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from lakeloop.atomic_file import write_text
from lakeloop.challenger_log import ChallengerTail, challenger_log_folder
from lakeloop.exceptions import LakeloopError
from lakeloop.pushed_models import ENDED, version_states
from lakeloop.release_state import Action, Release
from lakeloop.releases import read_release
from lakeloop.use_case import UseCase
from monitoring.challenge_rules import Counted, Verdict, counted_on, verdict_on

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
LOAD_SECONDS = 60.0
"""A model server that has not loaded a challenger after so long, and says so, cannot."""
MOST_AT_ONCE = 20_000
"""Records in memory, some 60 MB: a monitor that was away for a day finds millions."""
KEPT = 5
"""Challengers whose logs are kept."""
COUNTED_FILE = "counted.json"

Act = Callable[[UseCase, Action, str, str], None]
"""Puts what follows for a version into effect, with why; it may raise a LakeloopError."""


def counted_file(use_case: UseCase, challenger: str) -> Path:
    """Where what was counted of a challenger is kept, as JSON."""
    return challenger_log_folder(use_case, challenger) / COUNTED_FILE


def read_counted(use_case: UseCase, challenger: str) -> Counted | None:
    """What was counted of a challenger in the stage it was in last; None where nothing was yet."""
    try:
        return Counted.model_validate_json(counted_file(use_case, challenger).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


@dataclass
class _Watched:
    """The challenge that is watched."""

    counted: Counted
    tail: ChallengerTail


class ChallengeWatch:
    """One use case's thread."""

    def __init__(self, use_case: UseCase, act: Act) -> None:
        self._use_case, self._act = use_case, act
        self._watched: _Watched | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"challenge-{use_case.name}", daemon=True)

    @property
    def counted(self) -> Counted | None:
        """What was counted of the challenger in its stage; None where nothing challenges."""
        watched = self._watched
        return None if watched is None else watched.counted

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(seconds)

    def look(self) -> Verdict | None:
        """Read on, and act where something follows; None where nothing challenges."""
        release = read_release(self._use_case.settings, self._use_case.name)
        if not release.challenger:
            self._watched = None
            return None
        watched = self._watched_now(release)
        while records := list(islice(watched.tail.read(), MOST_AT_ONCE)):
            watched.counted = counted_on(watched.counted, records, dict(watched.tail.position), self._use_case.contract)
            self._keep(watched.counted)
        seconds = (datetime.now(UTC) - datetime.fromisoformat(release.since)).total_seconds()
        verdict = self._unless_loadable(release.challenger, seconds) or verdict_on(
            self._use_case.contract, watched.counted, seconds
        )
        if verdict.action != "wait":
            log.warning(
                "event=challenge use_case=%s version=%s action=%s why=%r",
                self._use_case.name, release.challenger, verdict.action, verdict.why,
            )  # fmt: skip
            self._act(self._use_case, verdict.action, release.challenger, verdict.why)
        return verdict

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except (LakeloopError, SQLAlchemyError, OSError) as problem:  # a person may have been quicker
                log.warning("event=challenge_not_watched use_case=%s why=%r", self._use_case.name, str(problem))
                self._watched = None
            except Exception:
                log.exception("event=challenge_watch_failed use_case=%s", self._use_case.name)
                self._watched = None

    def _watched_now(self, release: Release) -> _Watched:
        """The challenge as it stands; a new stage begins to count anew, where reading has come to."""
        assert release.challenge is not None
        watched, challenger, number = self._watched, release.challenger, release.challenge.number
        if watched is None or watched.counted.challenger != challenger:
            known = read_counted(self._use_case, challenger)
            if known is None:
                self._forget_older(challenger)
                known = Counted(number=number, challenger=challenger, stage=release.stage)
            watched = _Watched(known, ChallengerTail(challenger_log_folder(self._use_case, challenger), known.position))
        if (watched.counted.number, watched.counted.stage) != (number, release.stage):
            position = dict(watched.tail.position)
            watched.counted = Counted(number=number, challenger=challenger, stage=release.stage, position=position)
        self._watched = watched
        return watched

    def _unless_loadable(self, challenger: str, seconds: float) -> Verdict | None:
        if seconds < LOAD_SECONDS:
            return None
        states = version_states(self._use_case.settings.model_server, self._use_case.name)
        return Verdict("abort", "the model server cannot load it") if states.get(challenger) == ENDED else None

    def _keep(self, counted: Counted) -> None:
        path = counted_file(self._use_case, counted.challenger)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, counted.model_dump_json())

    def _forget_older(self, challenger: str) -> None:
        """Remove the logs of challengers of long ago."""
        folder = challenger_log_folder(self._use_case, challenger).parent
        others = [path for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
        older = sorted((path for path in others if path.name != challenger), key=lambda path: int(path.name))
        for path in older[: -(KEPT - 1)]:
            shutil.rmtree(path, ignore_errors=True)
