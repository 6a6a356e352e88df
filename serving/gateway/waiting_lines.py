"""Lines of the request log that wait to be written: a bounded number, added by one thread and taken by another."""

import time
from collections import deque

from serving.gateway.compact import compact

MOST_WAITING = 100_000
"""Lines that may wait for what refuses them; later ones are counted as lost."""
MOST_WAITING_BYTES = 64 * 1024 * 1024
"""What they may hold altogether; 100,000 lines of the first use case are some 50 MB."""


class WaitingLines:
    """Never blocks; with too many waiting a line is lost, and counted in `lost`."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, bytes]] = deque()
        self._added_bytes = self._taken_bytes = 0  # each is changed by one thread only
        self.lost = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def since(self) -> float | None:
        """When the oldest was added, by `time.monotonic()`; None where none waits."""
        try:
            return self._lines[0][0]
        except IndexError:
            return None

    def add(self, line: bytes) -> None:
        """Take a line in."""
        held = self._added_bytes - self._taken_bytes
        if len(self._lines) >= MOST_WAITING or held + len(line) > MOST_WAITING_BYTES:
            self.lost += 1
            return
        self._added_bytes += len(line)
        self._lines.append((time.monotonic(), compact(line)))

    def take(self, most: int) -> list[bytes]:
        """At most so many, the oldest first."""
        taken = [self._lines.popleft()[1] for _ in range(min(len(self._lines), most))]
        self._taken_bytes += sum(map(len, taken))
        return taken
