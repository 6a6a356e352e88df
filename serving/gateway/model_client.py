"""Asks the model for many requests at once: what arrives while a call is under way goes into the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from lakeloop.exceptions import LakeloopError
from lakeloop.ordinary_values import LearntValues
from lakeloop.release_state import Release
from serving.exceptions import (
    ModelError,
    ModelNotServedError,
    ModelTooSlowError,
    NoConnectionError,
    VersionUnloadedError,
)
from serving.gateway.circuit import Circuit
from serving.gateway.model_api import GivenRows, ModelApi, Row

log = logging.getLogger(__name__)

MOST_ROWS = 1024
"""Rows of one call; a single larger question goes alone."""
WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What the model said about each row, and the version that said it."""

    given: GivenRows
    version: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The model could not be asked in time."""

    why: str


ModelOutcome = ModelReply | Unavailable


class _Waiting:
    """One question: its rows and the outcome to come."""

    __slots__ = ("outcome", "rows")

    def __init__(self, rows: Sequence[Row], loop: asyncio.AbstractEventLoop) -> None:
        self.rows = rows
        self.outcome: asyncio.Future[ModelOutcome] = loop.create_future()

    def settle(self, outcome: ModelOutcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class ModelClient:
    """The model as the gateway sees it. `budget` seconds is what one question may take, waiting included.

    A watch looks each second which version serves and, while the circuit is open, tries the model on the requests'
    behalf. `read_release` tells the version that should serve ('' for the newest) and may raise; it is called on a
    thread. `on_version(version or None)` is called when another one is asked.
    """

    def __init__(
        self,
        api: ModelApi,
        budget: float,
        on_version: Callable[[str | None], None] = lambda version: None,
        read_release: Callable[[], Release] = Release,
    ) -> None:
        self._api, self._budget, self._on_version, self._read_release = api, budget, on_version, read_release
        self.release = Release()
        self._queue: deque[_Waiting] = deque()
        self._circuit = Circuit()
        self._version: str | None = None
        self._absence = "the model server was not asked yet"
        self._last_row: Row | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._drain: asyncio.Task[None] | None = None

    @property
    def version(self) -> str | None:
        """The version that is asked; None if none is known."""
        return self._version

    @property
    def learnt_values(self) -> LearntValues:
        """The values of categorical features that this version learnt; empty where it does not say."""
        return self._api.learnt_values(self._version)

    @property
    def threshold(self) -> float | None:
        """The threshold that this version's classes go by; None where it has none."""
        return self._api.threshold(self._version)

    @property
    def problem(self) -> str:
        """Why the model does not answer now; '' if it does."""
        return self._absence if self._version is None else self._circuit.why

    async def start(self) -> None:
        """Learn the version and go on watching it."""
        await self._refresh()
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """End the watch and close the connections; questions that wait are told so."""
        for task in (*self._tasks, *([self._drain] if self._drain else [])):
            task.cancel()
        for waiting in self._queue:
            waiting.settle(Unavailable("the gateway stops"))
        await self._api.close()

    async def ask(self, rows: Sequence[Row], within: float | None = None) -> ModelOutcome:
        """What the model gives of each row, or why it cannot; never raises for a failure of its.

        `within`: how many seconds it has; by default the budget.
        """
        if self._version is None or self._circuit.open:
            if rows:  # the watch tries this one: that of before may be what the model hangs at
                self._last_row = rows[0]
            return Unavailable(self.problem)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, loop)
        seconds = self._budget if within is None else within
        late = Unavailable(f"no answer within {seconds * 1000:.0f} ms")
        timer = loop.call_later(seconds, waiting.settle, late)
        self._queue.append(waiting)
        if self._drain is None or self._drain.done():
            self._drain = loop.create_task(self._ask_all())
        try:
            return await waiting.outcome
        finally:
            timer.cancel()

    async def _ask_all(self) -> None:
        while self._queue:
            group = self._next_group()
            rows = [row for waiting in group for row in waiting.rows]
            if not rows:
                continue
            outcome = Unavailable(self.problem) if self.problem else await self._call(rows)
            if isinstance(outcome, Unavailable):
                for waiting in group:
                    waiting.settle(outcome)
                continue
            first = 0
            for waiting in group:
                last = first + len(waiting.rows)
                waiting.settle(ModelReply(outcome.given[first:last], outcome.version))
                first = last

    def _next_group(self) -> list[_Waiting]:
        """What waits, up to a call's size; those who were told already that it took too long are left out."""
        group: list[_Waiting] = []
        size = 0
        while self._queue and (not group or size + len(self._queue[0].rows) <= MOST_ROWS):
            waiting = self._queue.popleft()
            if not waiting.outcome.done():
                group.append(waiting)
                size += len(waiting.rows)
        return group

    async def _call(self, rows: Sequence[Row]) -> ModelOutcome:
        self._last_row = rows[0]
        try:
            outcome = await self._predict(rows)
        except ModelError as failure:
            self._circuit.failed(str(failure), at_once=isinstance(failure, NoConnectionError))
            if self._circuit.open:
                log.warning("event=model_circuit_open why=%r", str(failure))
            return Unavailable(str(failure))
        except Exception as error:
            log.exception("event=model_call_failed")
            return Unavailable(f"unexpected {type(error).__name__}")
        self._circuit.succeeded()
        return outcome

    async def _predict(self, rows: Sequence[Row]) -> ModelReply:
        """Ask the known version; if it is gone, the one that serves now."""
        version = self._version
        if version is None:
            raise ModelNotServedError(self._absence)
        try:
            return ModelReply(await self._api.predict(version, rows, self._budget), version)
        except VersionUnloadedError:
            await self._refresh()
            version = self._version
            if version is None:
                raise ModelNotServedError(self._absence) from None
            return ModelReply(await self._api.predict(version, rows, self._budget), version)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._refresh()
                if self._version is not None and self._circuit.open and self._last_row is not None:
                    await self._call([self._last_row])
            except Exception:
                log.exception("event=model_watch_failed")

    async def _refresh(self) -> None:
        before = self._version
        try:
            version = await self._serving_version()
            await self._api.learn(version)
            self._version = version
        except ModelTooSlowError:
            return  # a busy server may still answer; predict calls will tell
        except ModelError as failure:
            self._version, self._absence = None, str(failure)
        if self._version != before:
            log.info("event=model_version version=%s was=%s why=%r", self._version, before, self.problem)
            self._on_version(self._version)

    async def _serving_version(self) -> str:
        """The champion; until it is available the version asked before, and without both the newest that does not
        challenge, nor has in vain. A retired one is never asked, though a server that follows no releases still has it.
        Raises ModelError.

        Where the release cannot be read, the last known one is meant.
        """
        try:
            self.release = await asyncio.to_thread(self._read_release)
        except (LakeloopError, SQLAlchemyError, OSError) as error:
            log.error("event=release_unreadable error=%r", str(error))
        everything = await self._api.available_versions()
        available = [version for version in everything if version not in self.release.retired]
        if not available:
            raise ModelNotServedError(f"every version of the model server is retired: {', '.join(everything)}")
        fit = [version for version in available if version not in self.release.held] or available
        return next((one for one in (self.release.champion, self._version) if one in available), fit[-1])
