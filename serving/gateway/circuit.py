"""The circuit breaker before what may fail: a model server or own code that is down is not asked by every request."""

FAILURES_TO_OPEN = 3


class Circuit:
    """Open means: do not ask. A failure may open it at once, others do when three calls in a row fail."""

    def __init__(self) -> None:
        self.why = ""
        self._failures = 0

    @property
    def open(self) -> bool:
        """Whether nobody must ask now; `why` says what happened last."""
        return bool(self.why)

    def failed(self, why: str, at_once: bool = False) -> None:
        """Count a failed call; `at_once` opens it with this one."""
        self._failures += 1
        if self.open or at_once or self._failures >= FAILURES_TO_OPEN:
            self.why = why

    def succeeded(self) -> None:
        """Close it."""
        self._failures, self.why = 0, ""
