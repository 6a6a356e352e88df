"""The use cases that a running service serves: looked at again and again, so that a new folder is picked up.

A contract is checked first. One that breaks harms nobody: what was in force before goes on, and the problem is told.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lakeloop.exceptions import LakeloopError, first_line
from lakeloop.served_use_cases import check_served, served_names
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 2.0
FOLLOWED = (".py", ".yaml", ".yml")
"""Files beside the contract whose change makes a use case another one."""

Made = TypeVar("Made")
Fingerprint = tuple[tuple[str, int, int], ...]


def _log(name: str, problem: LakeloopError) -> None:
    log.error("event=use_case_refused use_case=%s problem=%r", name, str(problem))


@dataclass(frozen=True)
class Changes:
    """What a look found: use cases that are `new` or another than before, and the names of those that are `gone`."""

    new: dict[str, UseCase] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


class LiveUseCases:
    """The use cases of the settings' folder, or those of them that `settings.served` names.

    `problems` tells by name why the newest contract of a use case is not in force, or why a service cannot serve one
    whose contract is good (`made`). `on_problem` is told of each by name; without it, the log is.
    """

    def __init__(self, settings: Settings, on_problem: Callable[[str, LakeloopError], object] = _log) -> None:
        self.settings, self._on_problem = settings, on_problem
        self.problems: dict[str, LakeloopError] = {}
        self._seen: dict[str, Fingerprint] = {}

    def look(self) -> Changes:
        """What has changed since the last look; the first finds all that are there.

        Raises:
            WrongUseError: none is there, or one that the settings name is not.
        """
        if not self._seen:
            check_served(self.settings)
        gone = {name for name in self._seen if not (self.settings.use_cases / name).is_dir()}
        for name in gone:
            del self._seen[name]
            self.problems.pop(name, None)
        followed = sorted({*served_names(self.settings), *self._seen})
        new = {name: found for name in followed if (found := self._changed(name)) is not None}
        return Changes(new, frozenset(gone))

    def made(self, new: Mapping[str, UseCase], make: Callable[[UseCase], Made]) -> dict[str, Made]:
        """What a service makes of each use case; one that cannot be made is refused, and keeps no other from it."""
        made: dict[str, Made] = {}
        for name, use_case in new.items():
            try:
                made[name] = make(use_case)
            except LakeloopError as problem:
                self.refuse(name, problem)
            except Exception as error:
                log.exception("event=use_case_failed use_case=%s", name)
                said = f"{type(error).__name__}: {first_line(error)}"
                self.refuse(name, LakeloopError(f"it cannot be served, unexpectedly ({said}); the log tells more"))
        return made

    def refuse(self, name: str, problem: LakeloopError) -> None:
        """Tell that a use case found new cannot be served as it is now."""
        self.problems[name] = problem
        self._on_problem(name, problem)

    async def follow(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call `look` again and again until this is cancelled; what fails in it is logged, and tried again."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await look()
            except Exception:
                log.exception("event=use_cases_unreadable folder=%s", self.settings.use_cases)

    def _changed(self, name: str) -> UseCase | None:
        folder = self.settings.use_cases / name
        now = tuple(_files(folder))
        if not now or self._seen.get(name) == now:
            return None
        self._seen[name] = now
        self.problems.pop(name, None)
        try:
            return open_use_case(self.settings, name)
        except LakeloopError as problem:
            self.refuse(name, problem)
        return None


class GivenUseCase(LiveUseCases):
    """One use case that somebody has opened already; it stays as it is."""

    def __init__(self, use_case: UseCase) -> None:
        super().__init__(use_case.settings.model_copy(update={"use_case": use_case.name}))
        self._waiting = {use_case.name: use_case}

    def look(self) -> Changes:
        """It, once."""
        found, self._waiting = self._waiting, {}
        return Changes(found)


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, time of change and size of what a use case is made of; nothing where it is being written."""
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix in FOLLOWED:
                found = path.stat()
                yield path.name, found.st_mtime_ns, found.st_size
    except OSError:
        return
