"""The long runs of a model: never on all cores at once, so that another model's short ones find one free.

TensorFlow computes as fast as it can on every thread it is asked on. Runs of a slow model that are begun together take
all cores, for as long as each of them lasts, and none of them is done sooner for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from serving.model_server.status import too_late

Result = TypeVar("Result")

LONG_SECONDS = 0.02
"""From here on a run is long."""
WEIGHT = 0.3
"""Of the newest run in what the next one is expected to take."""
MOST_KINDS = 256


class LongRuns:
    """Of one model, all its versions. Long runs use all cores but one, at least one; short ones are not held up.

    What a run will take is told by those of its kind before it, such as its signature and about as many rows.
    """

    def __init__(self, cores: int = os.cpu_count() or 1) -> None:
        self._slots = threading.Semaphore(max(1, cores - 1))
        self._expected: dict[Hashable, float] = {}

    def run(self, kind: Hashable, call: Callable[[], Result], deadline: float | None) -> Result:
        """What the call gives. Raises RequestError when no turn came until the deadline, of time.monotonic."""
        if self._expected.get(kind, 0.0) < LONG_SECONDS:
            return self._measured(kind, call)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._slots.acquire(timeout=left):
            raise too_late()
        try:
            return self._measured(kind, call)
        finally:
            self._slots.release()

    def _measured(self, kind: Hashable, call: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        try:
            return call()
        finally:
            took = time.perf_counter() - began
            before = self._expected.get(kind)
            if before is None and len(self._expected) >= MOST_KINDS:
                self._expected.clear()
            self._expected[kind] = took if before is None else before + WEIGHT * (took - before)
