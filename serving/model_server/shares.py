"""Threads of the gRPC server, shared by its models: calls of one that is asked too much leave threads to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.exceptions import RequestError
from serving.model_server.status import Code, too_late


class _Share:
    def __init__(self, at_a_time: int) -> None:
        self.calls = 0
        self.turns = threading.Semaphore(at_a_time)


class Shares:
    """Of each model run so many calls `at_a_time`; those that wait and those that run have its share of `threads`."""

    def __init__(self, at_a_time: int, threads: int, models: Callable[[], int]) -> None:
        self._at_a_time = at_a_time
        self._threads = threads
        self._models = models
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}

    @contextmanager
    def turn(self, model: str, deadline: float | None) -> Iterator[None]:
        """While the block runs a call is one of those of its model.

        Raises RequestError: DEADLINE_EXCEEDED when there was no turn until then (of time.monotonic),
        RESOURCE_EXHAUSTED where the model has no thread left.
        """
        most = max(1, self._threads // (self._models() + 1))
        with self._lock:
            share = self._shares.setdefault(model, _Share(self._at_a_time))
            if share.calls >= most:
                raise RequestError(
                    Code.RESOURCE_EXHAUSTED, f"Model {model} is asked too much over gRPC: {most} calls wait for it."
                )
            share.calls += 1
        try:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not share.turns.acquire(timeout=left):
                raise too_late()
            try:
                yield
            finally:
                share.turns.release()
        finally:
            with self._lock:
                share.calls -= 1
