"""All use cases of the monitor, which follows their folder: new ones are watched, changed ones anew, gone ones not."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from starlette.types import Receive, Scope, Send

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.served_use_cases import in_brief
from lakeloop.use_case import UseCase
from monitoring.exporter import Watched
from monitoring.monitor_lock import only_monitor
from monitoring.page_place import PagePlace
from monitoring.watched_case import Making, WatchedCase

log = logging.getLogger(__name__)


class WatchedCases:
    """The use cases that are watched, by name; each has its lock while it is.

    Raises:
        LakeloopError: there is none that can be watched.
        BusyError: another process watches the only one there is.
    """

    def __init__(self, live: LiveUseCases, making: Making) -> None:
        self._live, self._making = live, making
        self._locks: dict[str, ExitStack] = {}
        self._cases: dict[str, WatchedCase] = {}
        self._following: asyncio.Task[None] | None = None
        self.watched: Watched = {}
        self._default = ""
        for name, case in self._first(live.look().new).items():
            self._put(name, case)

    @property
    def default(self) -> WatchedCase:
        """The use case whose pages stand at the service's own root."""
        return self._cases[self._default]

    @property
    def all(self) -> Mapping[str, WatchedCase]:
        """Those that are watched, by name."""
        return self._cases

    @property
    def problems(self) -> Mapping[str, str]:
        """Why the newest contract of a use case is not in force, or the use case is not watched, by name."""
        return {name: str(problem) for name, problem in self._live.problems.items()}

    @property
    def problems_in_brief(self) -> Mapping[str, str]:
        """The same, each in one line."""
        return {name: in_brief(name, problem) for name, problem in self._live.problems.items()}

    async def pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The pages of all: those of a use case below its name, those of the default at the root, too."""
        name = scope["path"].split("/")[1]
        case = self._cases.get(name)
        if case is None:
            case, below = self.default, ""
        else:
            below = f"/{name}"
        await case.app({**scope, "root_path": scope.get("root_path", "") + below}, receive, send)

    async def start(self) -> None:
        """Start all, and follow the folder."""
        for case in self._cases.values():
            await case.start()
        self._following = asyncio.create_task(self._live.follow(self._look))

    async def stop(self) -> None:
        """End all."""
        if self._following is not None:
            self._following.cancel()
        await asyncio.gather(*(case.stop() for case in self._cases.values()))
        self.release()

    def release(self) -> None:
        """Let go of the locks."""
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    async def _look(self) -> None:
        changes = await asyncio.to_thread(self._live.look)
        for name in changes.gone & self._cases.keys() - {self._default}:
            await self._cases.pop(name).stop()
            self.watched.pop(name, None)
            self._locks.pop(name).close()
            log.info("event=use_case_gone use_case=%s", name)
        for name, case in (await asyncio.to_thread(self._live.made, changes.new, self._made)).items():
            if name in self._cases:  # two would count every request twice
                await self._cases[name].stop()
            await case.start()
            self._put(name, case)
            log.info("event=use_case_watched use_case=%s", name)

    def _first(self, new: Mapping[str, UseCase]) -> dict[str, WatchedCase]:
        """Those that are there at the start; where the one at the root cannot be made, another stands there."""
        while new:
            wanted = self._live.settings.use_case
            self._default = wanted if wanted in new else min(new)
            made = self._live.made(new, self._made)
            if self._default in made:
                return made
            new = {name: case.use_case for name, case in made.items()}
        problems = list(self._live.problems.values())
        raise problems[0] if len(problems) == 1 else LakeloopError("\n".join(map(str, problems)))

    def _made(self, use_case: UseCase) -> WatchedCase:
        """Raises BusyError where another process watches the use case."""
        self._hold(use_case)
        root = "" if use_case.name == self._default else f"/{use_case.name}"
        return WatchedCase(use_case, PagePlace(root, self._titles, partial(self._told, use_case.name)), self._making)

    def _put(self, name: str, case: WatchedCase) -> None:
        self._cases[name] = case
        contract: Contract = case.use_case.contract
        self.watched[name] = (contract, lambda: case.snapshot)

    def _told(self, name: str) -> dict[str, str]:
        """What the pages of a use case tell: its own problem, and those of others that have no pages."""
        return {of: problem for of, problem in self.problems.items() if of == name or of not in self._cases}

    def _titles(self) -> dict[str, str]:
        return {f"{case.place.root}/": case.use_case.contract.title for _, case in sorted(self._cases.items())}

    def _hold(self, use_case: UseCase) -> None:
        if use_case.name not in self._locks:
            stack = ExitStack()
            stack.enter_context(only_monitor(use_case))
            self._locks[use_case.name] = stack
