"""The answers given lately, by request id: the same request again gets the same answer and is counted once."""

import asyncio
from collections import OrderedDict

from serving.gateway.compact import compact

MOST_ANSWERS = 100_000
"""Answers kept, about 50 MB of the first use case's; the simulation of three years asks 54,000 times."""
MOST_BYTES = 64 * 1024 * 1024
"""What they may hold altogether: answers with many classes or long reasons are forgotten earlier."""
MOST_FILES = 5_000
"""Files of the request log that are read back when a gateway starts, one for each busy second."""

Pending = asyncio.Future[bytes | None]
"""An answer to come; None if there will be none."""


class RecentAnswers:
    """Answers as JSON, and those being worked on as futures; the oldest are forgotten."""

    def __init__(self, most: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._answers: OrderedDict[str, bytes | Pending] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def claim(self, request_id: str) -> bytes | Pending | None:
        """The answer, or the future of it; None if this is the first time, and then it must be kept or released."""
        known = self._answers.get(request_id)
        if known is None:
            self._answers[request_id] = asyncio.get_running_loop().create_future()
        return known

    def keep(self, request_id: str, answer: bytes) -> None:
        """The answer is known now; whoever waits for it gets it."""
        before = self._answers.get(request_id)
        self._answers[request_id] = kept = compact(answer)
        self._bytes += len(kept)
        if isinstance(before, bytes):
            self._bytes -= len(before)
        elif before is not None and not before.done():
            before.set_result(kept)
        while len(self._answers) > self._most or self._bytes > self._most_bytes:
            oldest = self._answers.popitem(last=False)[1]
            self._bytes -= len(oldest) if isinstance(oldest, bytes) else 0

    def release(self, request_id: str) -> None:
        """There is no answer: the next one with this id is asked anew."""
        pending = self._answers.get(request_id)
        if isinstance(pending, asyncio.Future):
            del self._answers[request_id]
            pending.set_result(None)
