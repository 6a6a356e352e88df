"""Threads that answer requests, so that the event loop is free whatever a request asks of a model.

Every inference runs on one: how long a model takes cannot be told from the size of a body or from what it took before.
Small inferences run one after the other on one thread. Python runs one thread at a time, and what threads of small jobs
cost is the changing of turns; so jobs are given to the thread, and results to the event loop, several at once where
several are there. Another thread begins when jobs have waited for a while, up to one a core. A job that has run for
long does not count: nobody waits for its end.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")

PATIENCE_SECONDS = 0.005
"""How long a job waits before another thread begins, and how long one runs before nobody waits for its end."""
HELD_SECONDS = 0.002
"""How long a result waits for those of other small jobs, to wake the event loop with them."""
CORES = os.cpu_count() or 1


class _Job(NamedTuple):
    run: Callable[[], Any]
    future: asyncio.Future[Any]
    since: float
    """When it was given, of time.monotonic."""


class _Turn:
    """A thread at work until no job is left, and when its present job began."""

    def __init__(self, began: float) -> None:
        self.began = began


class Workers:
    """At most `most` threads, started as they are needed; used from one event loop.

    A job that has no result `seconds` after it was given raises TimeoutError; 0: it has all the time.
    """

    def __init__(self, most: int, seconds: float, name: str) -> None:
        self._most = most
        self._seconds = seconds
        self._name = name
        self._given: list[_Job] = []  # in this turn of the event loop
        self._jobs: deque[_Job] = deque()
        self._done: deque[tuple[asyncio.Future[Any], BaseException | None, Any]] = deque()
        self._held_since = 0.0
        self._is_woken = False
        self._lock = threading.Lock()
        self._turns: list[_Turn] = []
        self._offered: SimpleQueue[_Turn | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_watched = False
        self._pending: dict[asyncio.Future[Any], float] = {}  # until when, the next to end first
        self._is_timed = False

    def run(self, job: Callable[[], Result]) -> asyncio.Future[Result]:
        """The result of the job, which waits for a thread; what it raises is raised here.

        A job whose future is done before it begins, because its time is over or it was cancelled, is left out.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        now = time.monotonic()
        if self._seconds:
            self._pending[future] = now + self._seconds
            if not self._is_timed:
                self._is_timed = True
                loop.call_later(self._seconds, self._end_late_ones, loop)
        self._given.append(_Job(job, future, now))
        if len(self._given) == 1:
            loop.call_soon(self._hand_over, loop)
        return future

    def close(self, seconds: float) -> bool:
        """Ends the threads when what they run and what waits for them is done; False if it is not after so long."""
        for _ in self._threads:
            self._offered.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives what was asked since the last time to the thread at work, or to another if there is none."""
        now = time.monotonic()
        with self._lock:
            self._jobs.extend(self._given)
            if not self._short_turns(now):
                self._begin_turn(now, loop)
        self._given.clear()
        if not self._is_watched:
            self._is_watched = True
            loop.call_later(PATIENCE_SECONDS, self._watch, loop)

    def _short_turns(self, now: float) -> int:
        """How many threads run a job that may end at any moment; under the lock."""
        return sum(now - turn.began < PATIENCE_SECONDS for turn in self._turns)

    def _begin_turn(self, now: float, loop: asyncio.AbstractEventLoop) -> None:
        """Sets one more thread to work if there may be one more; under the lock."""
        if len(self._turns) == self._most:
            return
        turn = _Turn(now)
        self._turns.append(turn)
        self._offered.put(turn)
        if len(self._turns) > len(self._threads):
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._work, args=(loop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """While threads are at work: sets another one to it where jobs wait, and lets no result wait for a long job."""
        now = time.monotonic()
        with self._lock:
            if not self._turns:
                self._is_watched = False
                return
            waits = bool(self._jobs) and now - self._jobs[0].since >= PATIENCE_SECONDS
            if waits and self._short_turns(now) < CORES:
                self._begin_turn(now, loop)
        self._settle()
        loop.call_later(PATIENCE_SECONDS, self._watch, loop)

    def _end_late_ones(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for future, end in list(self._pending.items()):
            if end > now:
                loop.call_later(end - now, self._end_late_ones, loop)
                return
            del self._pending[future]
            if not future.done():
                future.set_exception(TimeoutError())
        self._is_timed = False

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (turn := self._offered.get()) is not None:
            while (job := self._next(turn)) is not None:
                if job.future.done():
                    continue
                error, result = None, None
                try:
                    result = job.run()
                except BaseException as exc:  # noqa: BLE001 - it is raised where the result is awaited
                    error = exc
                now = time.monotonic()
                if not self._done:
                    self._held_since = now
                self._done.append((job.future, error, result))
                if now - self._held_since >= HELD_SECONDS:
                    self._wake(loop)
                del job, error, result
            self._wake(loop)

    def _next(self, turn: _Turn) -> _Job | None:
        """The job that has waited longest; None ends the turn."""
        with self._lock:
            if self._jobs:
                turn.began = time.monotonic()
                return self._jobs.popleft()
            self._turns.remove(turn)
            return None

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._done and not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop has ended: the server stops, and gave up waiting for this
                loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_woken = False  # before looking: what is done from now on wakes the loop again
        while self._done:
            future, error, result = self._done.popleft()
            self._pending.pop(future, None)
            if future.done():  # nobody waits for it any more
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
