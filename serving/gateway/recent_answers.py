"""The answers given lately, by request id: the same request again gets the same answer and is counted once."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

MOST_ANSWERS = 100_000
"""Answers kept, about 60 MB; the simulation of three years asks 54,000 times."""
MOST_FILES = 5_000
"""Files of the request log that are read back when a gateway starts, one for each busy second."""

Pending = asyncio.Future[bytes | None]
"""An answer to come; None if there will be none."""


class RecentAnswers:
    """Answers as JSON, and those being worked on as futures; the oldest are forgotten."""

    def __init__(self, most: int = MOST_ANSWERS) -> None:
        self._most = most
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
        pending = self._answers.get(request_id)
        self._answers[request_id] = answer
        if isinstance(pending, asyncio.Future) and not pending.done():
            pending.set_result(answer)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def release(self, request_id: str) -> None:
        """There is no answer: the next one with this id is asked anew."""
        pending = self._answers.get(request_id)
        if isinstance(pending, asyncio.Future):
            del self._answers[request_id]
            pending.set_result(None)

    def refill(self, answers: Iterable[tuple[str, bytes]]) -> None:
        """Take answers given by earlier gateways, the oldest first."""
        for request_id, answer in answers:
            self.keep(request_id, answer)
