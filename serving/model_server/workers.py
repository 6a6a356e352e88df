"""Threads that answer requests, so that the event loop is free whatever a request asks of a model.

Every inference runs on one: how long a model takes cannot be told from the size of a body or from what it took before.
`concurrent.futures` does the same for twice the time a small inference takes, hence a queue and a future alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Workers:
    """At most `most` threads, started as they are needed; used from one event loop."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def run(self, job: Callable[[], Result]) -> asyncio.Future[Result]:
        """The result of the job, which waits for a free thread; what it raises is raised here.

        Whoever gives up waiting sets the future: a job that has not begun is left out then.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put((job, loop, future))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self, seconds: float) -> bool:
        """Ends the threads when what they run and what waits for them is done; False if it is not after so long."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            function, loop, future = job
            if not future.done():
                error, result = None, None
                try:
                    result = function()
                except BaseException as exc:  # noqa: BLE001 - it is raised where the result is awaited
                    error = exc
                self._idle.release()
                with suppress(RuntimeError):  # the loop has ended: the server stops, and gave up waiting for this
                    loop.call_soon_threadsafe(_settle, future, error, result)
                del function, result, error
            else:
                self._idle.release()
            del job, future


def _settle(future: asyncio.Future[Any], error: BaseException | None, result: Any) -> None:
    if future.done():  # nobody waits for it any more
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
